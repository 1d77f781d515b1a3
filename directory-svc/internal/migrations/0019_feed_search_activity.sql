-- Links that sleep with a deleted object, or wake with it, come and go for
-- whoever follows the group, the unit or the owned object at their other end.
-- The rows are as many as the links that the same write changes.

create function tell_sleeping_links() returns trigger language plpgsql as $$
begin
	case tg_table_name
	when 'group_members' then
		insert into change_log (tenant_id, object_type, object_id, kind, properties, related_id, changed_at)
			select n.tenant_id, 2, n.group_id, case when n.dormant then 7 else 6 end, array['members'], n.member_id, now()
			from new_links n join old_links o on o.tenant_id = n.tenant_id and o.group_id = n.group_id and o.member_id = n.member_id and o.dormant <> n.dormant
			join groups g on g.tenant_id = n.tenant_id and g.id = n.group_id and g.deleted_at is null;
	when 'unit_members' then
		insert into change_log (tenant_id, object_type, object_id, kind, properties, related_id, changed_at)
			select n.tenant_id, 7, n.unit_id, case when n.dormant then 7 else 6 end, array['members'], n.member_id, now()
			from new_links n join old_links o on o.tenant_id = n.tenant_id and o.unit_id = n.unit_id and o.member_id = n.member_id and o.dormant <> n.dormant
			join administrative_units u on u.tenant_id = n.tenant_id and u.id = n.unit_id and u.deleted_at is null;
	else
		insert into change_log (tenant_id, object_type, object_id, kind, properties, related_id, changed_at)
			select n.tenant_id, n.object_type, n.object_id, case when n.dormant then 7 else 6 end, array['owners'], n.owner_id, now()
			from new_links n join old_links o on o.tenant_id = n.tenant_id and o.object_id = n.object_id and o.owner_id = n.owner_id and o.dormant <> n.dormant;
	end case;
	return null;
end $$;
create trigger group_members_sleep after update on group_members referencing old table as old_links new table as new_links
	for each statement execute function tell_sleeping_links();
create trigger unit_members_sleep after update on unit_members referencing old table as old_links new table as new_links
	for each statement execute function tell_sleeping_links();
create trigger object_owners_sleep after update on object_owners referencing old table as old_links new table as new_links
	for each statement execute function tell_sleeping_links();

-- The request that began a bulk operation, which its audit records name.

alter table bulk_operations add column request_id text not null default '';
