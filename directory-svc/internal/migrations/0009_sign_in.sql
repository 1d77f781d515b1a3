-- Passwords at sign-in: smart lockout, familiar locations, resets; the
-- sign-in log and what is counted of it.

-- Failures since the last success, apart for familiar and unfamiliar
-- locations. Names that nobody has are counted too, under an id made of the
-- name, so that a lock says nothing about who exists.
create table lockouts (
	tenant_id uuid not null,
	user_id uuid not null,
	familiar boolean not null,
	failures int not null default 0,
	locks int not null default 0,
	locked_until timestamptz,
	recent bytea[] not null default '{}',
	changed_at timestamptz not null,
	primary key (tenant_id, user_id, familiar)
);
create index lockouts_changed on lockouts (tenant_id, changed_at);

create table familiar_locations (
	tenant_id uuid not null,
	user_id uuid not null,
	location text collate "C" not null,
	seen_at timestamptz not null,
	primary key (tenant_id, user_id, location)
);
comment on table familiar_locations is 'Networks (IPv4 /24, IPv6 /48) that users signed in from.';
create index familiar_locations_seen on familiar_locations (tenant_id, seen_at);

create table password_resets (
	tenant_id uuid not null,
	id uuid not null,
	user_id uuid not null,
	created_at timestamptz not null,
	primary key (tenant_id, id)
);
create index password_resets_created on password_resets (tenant_id, created_at);

alter table users add column converted_to_internal_at timestamptz;

create table sign_ins (
	tenant_id uuid not null,
	id uuid not null,
	event_id text collate "C" not null,
	created_at timestamptz not null,
	user_id uuid not null,
	user_principal_name text not null,
	user_principal_name_key text collate "C" not null,
	user_display_name text not null,
	user_display_name_key text collate "C" not null,
	app_id text collate "C",
	app_display_name text,
	resource_id text collate "C",
	resource_display_name text,
	home_tenant_id text collate "C",
	resource_tenant_id text collate "C",
	ip_address text collate "C",
	user_agent text,
	client_app_used text,
	correlation_id text collate "C",
	is_interactive boolean not null,
	error_code int not null,
	failure_reason text,
	cross_tenant_access_type text,
	conditional_access_status smallint,
	primary key (tenant_id, id)
);
create unique index sign_ins_event on sign_ins (tenant_id, event_id);
create index sign_ins_created on sign_ins (tenant_id, created_at, id);
create index sign_ins_user on sign_ins (tenant_id, user_id, created_at, id);
create index sign_ins_name on sign_ins (tenant_id, user_principal_name_key, created_at, id);
create index sign_ins_correlation on sign_ins (tenant_id, correlation_id) where correlation_id is not null;

create table sign_in_activity (
	tenant_id uuid not null,
	user_id uuid not null,
	interactive_at timestamptz,
	interactive_id text,
	non_interactive_at timestamptz,
	non_interactive_id text,
	successful_at timestamptz,
	successful_id text,
	primary key (tenant_id, user_id)
);
create index sign_in_activity_interactive on sign_in_activity (tenant_id, interactive_at) where interactive_at is not null;
create index sign_in_activity_non_interactive on sign_in_activity (tenant_id, non_interactive_at) where non_interactive_at is not null;
create index sign_in_activity_successful on sign_in_activity (tenant_id, successful_at) where successful_at is not null;

create table monthly_users (
	tenant_id uuid not null,
	month date not null,
	user_id uuid not null,
	kind smallint not null check (kind in (1, 2, 3)),
	person text collate "C" not null,
	primary key (tenant_id, month, user_id)
);
comment on table monthly_users is 'Users who count in a month: external guests, internal guests, users of an external tenant. person names the account behind, the same in every tenant.';

do $$
declare name text;
begin
	foreach name in array array['lockouts', 'familiar_locations', 'password_resets', 'sign_ins', 'sign_in_activity', 'monthly_users'] loop
		execute format('alter table %I alter column tenant_id set (n_distinct = 1)', name);
		execute format('alter table %I enable row level security, force row level security', name);
		execute format('create policy tenant on %I using (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid)', name);
	end loop;
end $$;
