-- Groups inside groups, found without reading the other members.
create index group_members_nested on group_members (tenant_id, group_id, member_id) where member_type = 2;
