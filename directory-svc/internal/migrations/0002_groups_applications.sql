-- Groups, roles, applications, the change feed and what keeps them whole.

create table groups (
	tenant_id uuid not null,
	id uuid not null,
	display_name text not null check (length(display_name) between 1 and 256),
	description text check (length(description) <= 1024),
	mail_nickname text not null,
	mail text,
	unique_name text,
	display_name_key text collate "C" generated always as (lower(display_name)) stored,
	description_key text collate "C" generated always as (lower(description)) stored,
	mail_nickname_key text collate "C" generated always as (lower(mail_nickname)) stored,
	mail_key text collate "C" generated always as (lower(mail)) stored,
	unique_name_key text collate "C" generated always as (lower(unique_name)) stored,
	unified boolean not null,
	dynamic boolean not null,
	mail_enabled boolean not null,
	security_enabled boolean not null,
	visibility text,
	membership_rule text,
	membership_rule_processing_state text,
	membership_rule_processing_state_key text collate "C" generated always as (lower(membership_rule_processing_state)) stored,
	is_assignable_to_role boolean not null default false,
	classification text,
	theme text,
	preferred_language text,
	preferred_data_location text,
	group_types text[],
	display_name_words text[],
	resource_behavior_options text[],
	resource_provisioning_options text[],
	allow_external_senders boolean not null default false,
	auto_subscribe_new_members boolean not null default false,
	hide_from_address_lists boolean not null default false,
	hide_from_outlook_clients boolean not null default false,
	proxy_addresses text[],
	created_at timestamptz not null,
	renewed_at timestamptz,
	deleted_at timestamptz,
	version bigint not null default 1,
	primary key (tenant_id, id),
	constraint groups_kind check (mail_enabled = unified and (security_enabled or unified)),
	constraint groups_rule check (dynamic = (membership_rule is not null)),
	constraint groups_role_assignable check (not is_assignable_to_role or security_enabled and not dynamic)
);
create unique index groups_mail_nickname on groups (tenant_id, mail_nickname_key) where unified and deleted_at is null;
create unique index groups_unique_name on groups (tenant_id, unique_name_key) where unique_name is not null and deleted_at is null;
create index groups_display_name on groups (tenant_id, display_name_key, id);
create index groups_nickname_lookup on groups (tenant_id, mail_nickname_key);
create index groups_deleted on groups (tenant_id, deleted_at) where deleted_at is not null;

create function keep_group() returns trigger language plpgsql as $$
begin
	raise exception 'group %: its kind never changes', old.id
		using errcode = '23514', constraint = 'groups_immutable';
end $$;
create trigger groups_immutable before update on groups for each row
	when (old.unified <> new.unified or old.mail_enabled <> new.mail_enabled or old.is_assignable_to_role <> new.is_assignable_to_role)
	execute function keep_group();

-- Links. `dormant` is true while the object at the far end is soft-deleted.

create table group_members (
	tenant_id uuid not null,
	group_id uuid not null,
	member_id uuid not null check (member_id <> group_id),
	member_type smallint not null,
	dormant boolean not null default false,
	added_at timestamptz not null,
	primary key (tenant_id, group_id, member_id),
	foreign key (tenant_id, group_id) references groups (tenant_id, id) on delete cascade
);
create index group_members_member on group_members (tenant_id, member_id);

create function refuse_cycle() returns trigger language plpgsql as $$
begin
	perform pg_advisory_xact_lock(hashtextextended(new.tenant_id::text, 11));
	if exists (
		with recursive below (id) as (
			select new.member_id
			union
			select m.member_id from group_members m join below b on m.group_id = b.id
			where m.tenant_id = new.tenant_id and m.member_type = 2
		)
		select from below where id = new.group_id
	) then
		raise exception 'group % would contain itself', new.group_id
			using errcode = '23514', constraint = 'group_members_acyclic';
	end if;
	return new;
end $$;
create trigger group_members_acyclic before insert on group_members for each row
	when (new.member_type = 2) execute function refuse_cycle();

create table object_owners (
	tenant_id uuid not null,
	object_id uuid not null,
	owner_id uuid not null check (owner_id <> object_id),
	object_type smallint not null,
	owner_type smallint not null,
	dormant boolean not null default false,
	added_at timestamptz not null,
	primary key (tenant_id, object_id, owner_id)
);
create index object_owners_owner on object_owners (tenant_id, owner_id);

create table directory_roles (
	tenant_id uuid not null,
	id uuid not null,
	template_id uuid not null,
	primary key (tenant_id, id)
);
create unique index directory_roles_template on directory_roles (tenant_id, template_id);

create table role_assignments (
	tenant_id uuid not null,
	id uuid not null,
	principal_id uuid not null,
	principal_type smallint not null,
	role_id uuid not null,
	scope text collate "C" not null,
	dormant boolean not null default false,
	created_at timestamptz not null,
	primary key (tenant_id, id)
);
create unique index role_assignments_unique on role_assignments (tenant_id, principal_id, role_id, scope);
create index role_assignments_role on role_assignments (tenant_id, role_id);

-- A tenant keeps at least one enabled user who is Global Administrator over
-- all of it (INV-15). The check runs at commit, one tenant at a time, so two
-- transactions cannot each remove the one that the other relies on.
create function keep_administrator(tenant uuid, principal uuid) returns void language plpgsql as $$
begin
	perform pg_advisory_xact_lock(hashtextextended(tenant::text, 15));
	if not exists (
		select from role_assignments a join users u on u.tenant_id = a.tenant_id and u.id = a.principal_id
		where a.tenant_id = tenant and a.role_id = '62e90394-69f5-4237-9190-012177145e10' and a.scope = '/'
		and u.account_enabled and u.deleted_at is null
	) then
		raise exception 'the last enabled global administrator % would be lost', principal
			using errcode = '23514', constraint = 'last_administrator';
	end if;
end $$;
create function keep_administrator_of_user() returns trigger language plpgsql as $$
begin
	if exists (select from role_assignments a where a.tenant_id = old.tenant_id and a.principal_id = old.id
		and a.role_id = '62e90394-69f5-4237-9190-012177145e10' and a.scope = '/') then
		perform keep_administrator(old.tenant_id, old.id);
	end if;
	return null;
end $$;
create constraint trigger users_last_administrator after update of account_enabled, deleted_at on users
	deferrable initially deferred for each row
	when (old.account_enabled and old.deleted_at is null and (not new.account_enabled or new.deleted_at is not null))
	execute function keep_administrator_of_user();
create function keep_administrator_of_role() returns trigger language plpgsql as $$
begin
	perform keep_administrator(old.tenant_id, old.principal_id);
	return null;
end $$;
create constraint trigger role_assignments_last_administrator after delete on role_assignments
	deferrable initially deferred for each row
	when (old.role_id = '62e90394-69f5-4237-9190-012177145e10' and old.scope = '/')
	execute function keep_administrator_of_role();

-- Applications.

create table applications (
	tenant_id uuid not null,
	id uuid not null,
	app_id uuid not null,
	display_name text not null check (length(display_name) between 1 and 256),
	unique_name text,
	display_name_key text collate "C" generated always as (lower(display_name)) stored,
	unique_name_key text collate "C" generated always as (lower(unique_name)) stored,
	identifier_uris text[],
	application_template_id text,
	document jsonb not null,
	created_at timestamptz not null,
	deleted_at timestamptz,
	version bigint not null default 1,
	primary key (tenant_id, id)
);
create unique index applications_app_id on applications (tenant_id, app_id);
create unique index applications_unique_name on applications (tenant_id, unique_name_key) where unique_name is not null and deleted_at is null;
create index applications_display_name on applications (tenant_id, display_name_key, id);
create index applications_deleted on applications (tenant_id, deleted_at) where deleted_at is not null;

create table service_principals (
	tenant_id uuid not null,
	id uuid not null,
	app_id uuid not null,
	display_name text not null check (length(display_name) between 1 and 256),
	service_principal_type text not null default 'Application',
	display_name_key text collate "C" generated always as (lower(display_name)) stored,
	service_principal_type_key text collate "C" generated always as (lower(service_principal_type)) stored,
	account_enabled boolean not null default true,
	app_role_assignment_required boolean not null default false,
	service_principal_names text[],
	tags text[],
	application_template_id text,
	builtin boolean not null default false,
	document jsonb not null,
	created_at timestamptz not null,
	deleted_at timestamptz,
	version bigint not null default 1,
	primary key (tenant_id, id)
);
create unique index service_principals_app_id on service_principals (tenant_id, app_id) where deleted_at is null;
create index service_principals_display_name on service_principals (tenant_id, display_name_key, id);
create index service_principals_deleted on service_principals (tenant_id, deleted_at) where deleted_at is not null;

create table app_credentials (
	tenant_id uuid not null,
	owner_id uuid not null,
	key_id uuid not null,
	kind smallint not null check (kind in (1, 2)),
	verifier bytea,
	certificate bytea,
	key_type text,
	key_usage text,
	hint text,
	display_name text,
	custom_key_identifier bytea,
	start_at timestamptz not null,
	end_at timestamptz not null,
	primary key (tenant_id, owner_id, key_id)
);

create table app_role_assignments (
	tenant_id uuid not null,
	id uuid not null,
	principal_id uuid not null,
	principal_type smallint not null,
	resource_id uuid not null,
	app_role_id uuid not null,
	dormant boolean not null default false,
	created_at timestamptz not null,
	primary key (tenant_id, id),
	foreign key (tenant_id, resource_id) references service_principals (tenant_id, id) on delete cascade
);
create unique index app_role_assignments_unique on app_role_assignments (tenant_id, resource_id, principal_id, app_role_id);
create index app_role_assignments_principal on app_role_assignments (tenant_id, principal_id);

-- Synchronization: the newest holder of a job's lease and the newest policy a
-- batch was allowed under.

create table sync_fences (
	tenant_id uuid not null,
	job_id text collate "C" not null,
	home_tenant_id uuid not null,
	fencing_token bigint not null,
	policy_version bigint not null,
	primary key (tenant_id, job_id)
);

-- The change feed: ordered by transaction, read up to the oldest running one.

create table change_log (
	tenant_id uuid not null,
	xid xid8 not null default pg_current_xact_id(),
	seq bigint generated always as identity,
	object_type smallint not null,
	object_id uuid not null,
	kind smallint not null,
	properties text[],
	related_id uuid,
	changed_at timestamptz not null,
	primary key (tenant_id, xid, seq)
);
comment on table change_log is 'Every change of a directory object, in commit order. @append-only';

do $$
declare name text;
begin
	for name in
		select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
		where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r'
		and coalesce(obj_description(c.oid, 'pg_class'), '') not like '%@global%' and not c.relforcerowsecurity
	loop
		execute format('alter table %I enable row level security, force row level security', name);
		-- Every tenant counts as the whole table, so that plans go by the other
		-- columns of an index. Otherwise a tenant that is newer than the last
		-- analysis counts as empty, and its plans read all of it.
		execute format('alter table %I alter column tenant_id set (n_distinct = 1)', name);
		execute format('create policy tenant on %I using (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid)', name);
	end loop;
end $$;
