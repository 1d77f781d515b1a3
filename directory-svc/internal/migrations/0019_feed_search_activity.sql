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

-- Tokens of what is searched by token (DIR-206), as odata.SearchTokens makes
-- them of new values.

alter table groups add column description_words text[];
alter table applications add column display_name_words text[];
alter table service_principals add column display_name_words text[];

create function search_words(said text) returns text[] language sql immutable as $$
	select array_agg(distinct word) from regexp_split_to_table(said, '\s+') field (said)
		cross join lateral (
			select regexp_replace(regexp_replace(regexp_replace(regexp_replace(field.said, '([[:lower:]])(?=[[:upper:]])', '\1 ', 'g'),
				'([[:digit:]])(?=[[:alpha:]])', '\1 ', 'g'), '([[:alpha:]])(?=[[:digit:]])', '\1 ', 'g'), '[^[:alnum:]]+', ' ', 'g') as parts
		) apart
		cross join lateral (
			select lower(part) from regexp_split_to_table(apart.parts, ' ') part
			union
			select lower(replace(apart.parts, ' ', ''))
		) words (word)
	where word <> ''
$$;

-- The owner writes rows of every tenant here, which row-level security would
-- hide while it is forced.
alter table groups no force row level security;
update groups set description_words = search_words(description) where description is not null;
alter table groups force row level security;
alter table applications no force row level security;
update applications set display_name_words = search_words(display_name);
alter table applications force row level security;
alter table service_principals no force row level security;
update service_principals set display_name_words = search_words(display_name);
alter table service_principals force row level security;
drop function search_words;
