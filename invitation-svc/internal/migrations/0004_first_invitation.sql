-- The invitation that this one sends again: the directory holds the user by it,
-- and whoever made that one made the user. Null for an invitation of its own.
alter table invitations add column first_id uuid;
