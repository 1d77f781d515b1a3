-- Limits of a tenant that the operator set (DIR-235), and what counts against
-- them. The names are those of the operator's API.

alter table tenants add column limits jsonb;

create function limit_of(tenant uuid, item text, otherwise int) returns int stable language sql as $$
	select coalesce((select (limits ->> item)::int from tenants where id = tenant), otherwise)
$$;

-- Objects that were purged count a quarter for 30 days (DIR-103).
create index change_log_purged on change_log (tenant_id, changed_at) where kind = 5;

create or replace function limit_restricted_units() returns trigger language plpgsql as $$
begin
	perform pg_advisory_xact_lock(hashtextextended(new.tenant_id::text, 17));
	if (select count(*) from administrative_units where tenant_id = new.tenant_id and restricted and deleted_at is null)
		>= limit_of(new.tenant_id, 'restrictedAdministrativeUnits', 100) then
		raise exception 'tenant %: too many restricted units', new.tenant_id
			using errcode = '23514', constraint = 'administrative_units_restricted_limit';
	end if;
	return new;
end $$;

create or replace function limit_units() returns trigger language plpgsql as $$
begin
	perform pg_advisory_xact_lock(hashtextextended(new.tenant_id::text || new.member_id::text, 18));
	if (select count(*) from unit_members where tenant_id = new.tenant_id and member_id = new.member_id)
		>= limit_of(new.tenant_id, 'administrativeUnitsPerObject', 30) then
		raise exception 'object % is in too many units', new.member_id
			using errcode = '23514', constraint = 'unit_members_limit';
	end if;
	return new;
end $$;
