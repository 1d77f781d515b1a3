-- Invitations of internal users have an action of their own.
alter table invitations drop constraint invitations_action_check;
alter table invitations add constraint invitations_action_check check (action between 1 and 5);
