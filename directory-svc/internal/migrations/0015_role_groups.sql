-- Groups that roles can be given to, for their limit (DIR-138).
create index groups_role_assignable on groups (tenant_id, id) where is_assignable_to_role;
