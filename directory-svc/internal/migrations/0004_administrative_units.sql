-- Administrative units: parts of the directory that roles can be scoped to.

create table administrative_units (
	tenant_id uuid not null,
	id uuid not null,
	display_name text not null check (length(display_name) between 1 and 256),
	description text check (length(description) <= 1024),
	display_name_key text collate "C" generated always as (lower(display_name)) stored,
	display_name_words text[],
	description_words text[],
	visibility text check (visibility in ('Public', 'HiddenMembership')),
	dynamic boolean not null default false,
	membership_rule text,
	membership_rule_processing_state text,
	restricted boolean not null default false,
	extensions jsonb,
	created_at timestamptz not null,
	deleted_at timestamptz,
	version bigint not null default 1,
	primary key (tenant_id, id),
	constraint administrative_units_rule check (dynamic = (membership_rule is not null))
);
create index administrative_units_display_name on administrative_units (tenant_id, display_name_key, id);
create index administrative_units_deleted on administrative_units (tenant_id, deleted_at) where deleted_at is not null;

create function keep_unit() returns trigger language plpgsql as $$
begin
	raise exception 'administrative unit %: restriction and visibility never change', old.id
		using errcode = '23514', constraint = 'administrative_units_immutable';
end $$;
create trigger administrative_units_immutable before update on administrative_units for each row
	when (old.restricted <> new.restricted or old.visibility is distinct from new.visibility)
	execute function keep_unit();

-- At most 100 restricted units in a tenant, counted one transaction at a time.
create function limit_restricted_units() returns trigger language plpgsql as $$
begin
	perform pg_advisory_xact_lock(hashtextextended(new.tenant_id::text, 17));
	if (select count(*) from administrative_units where tenant_id = new.tenant_id and restricted and deleted_at is null) >= 100 then
		raise exception 'tenant %: too many restricted units', new.tenant_id
			using errcode = '23514', constraint = 'administrative_units_restricted_limit';
	end if;
	return new;
end $$;
create trigger administrative_units_restricted_limit before insert on administrative_units for each row
	when (new.restricted) execute function limit_restricted_units();

create table unit_members (
	tenant_id uuid not null,
	unit_id uuid not null,
	member_id uuid not null,
	member_type smallint not null check (member_type in (1, 2)),
	dormant boolean not null default false,
	added_at timestamptz not null,
	primary key (tenant_id, unit_id, member_id),
	foreign key (tenant_id, unit_id) references administrative_units (tenant_id, id) on delete cascade
);
create index unit_members_member on unit_members (tenant_id, member_id);

-- An object is in at most 30 units (INV-17).
create function limit_units() returns trigger language plpgsql as $$
begin
	perform pg_advisory_xact_lock(hashtextextended(new.tenant_id::text || new.member_id::text, 18));
	if (select count(*) from unit_members where tenant_id = new.tenant_id and member_id = new.member_id) >= 30 then
		raise exception 'object % is in too many units', new.member_id
			using errcode = '23514', constraint = 'unit_members_limit';
	end if;
	return new;
end $$;
create trigger unit_members_limit before insert on unit_members for each row execute function limit_units();

-- Objects know whether a restricted unit holds them (DIR-163), so that every
-- write can see it on the row it locks anyway.
alter table users add column management_restricted boolean not null default false;
alter table groups add column management_restricted boolean not null default false;

create function mark_restricted(tenant uuid, members uuid[]) returns void language sql as $$
	update users set management_restricted = not management_restricted
		where tenant_id = tenant and id = any(members) and management_restricted <> exists (
			select from unit_members m join administrative_units u on u.tenant_id = m.tenant_id and u.id = m.unit_id
			where m.tenant_id = tenant and m.member_id = users.id and u.restricted and u.deleted_at is null);
	update groups set management_restricted = not management_restricted
		where tenant_id = tenant and id = any(members) and management_restricted <> exists (
			select from unit_members m join administrative_units u on u.tenant_id = m.tenant_id and u.id = m.unit_id
			where m.tenant_id = tenant and m.member_id = groups.id and u.restricted and u.deleted_at is null);
$$;
create function mark_restricted_member() returns trigger language plpgsql as $$
begin
	if tg_op = 'INSERT' then
		perform mark_restricted(new.tenant_id, array[new.member_id]);
	else
		perform mark_restricted(old.tenant_id, array[old.member_id]);
	end if;
	return null;
end $$;
create trigger unit_members_restricted after insert or delete on unit_members for each row execute function mark_restricted_member();
create function mark_restricted_unit() returns trigger language plpgsql as $$
begin
	perform mark_restricted(new.tenant_id, (select coalesce(array_agg(member_id), '{}') from unit_members where tenant_id = new.tenant_id and unit_id = new.id));
	return null;
end $$;
create trigger administrative_units_restricted after update of deleted_at on administrative_units for each row
	when (new.restricted) execute function mark_restricted_unit();

do $$
declare name text;
begin
	foreach name in array array['administrative_units', 'unit_members'] loop
		execute format('alter table %I alter column tenant_id set (n_distinct = 1)', name);
		execute format('alter table %I enable row level security, force row level security', name);
		execute format('create policy tenant on %I using (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid)', name);
	end loop;
end $$;
