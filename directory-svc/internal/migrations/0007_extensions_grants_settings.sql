-- What hangs on applications, and settings of tenants and groups.

create table extension_properties (
	tenant_id uuid not null,
	id uuid not null,
	application_id uuid not null,
	name text not null,
	name_key text collate "C" generated always as (lower(name)) stored,
	data_type text not null check (data_type in ('Binary', 'Boolean', 'DateTime', 'Integer', 'LargeInteger', 'String')),
	target_objects text[] not null,
	is_multi_valued boolean not null default false,
	created_at timestamptz not null,
	primary key (tenant_id, id),
	foreign key (tenant_id, application_id) references applications (tenant_id, id) on delete cascade
);
comment on table extension_properties is 'Directory extensions. Values carry the id of their definition, so that a new definition of the same name shows none of them (DIR-192).';
create unique index extension_properties_name on extension_properties (tenant_id, name_key);
create index extension_properties_application on extension_properties (tenant_id, application_id);

create table extension_values (
	tenant_id uuid not null,
	object_id uuid not null,
	property_id uuid not null,
	ordinal smallint not null default 0,
	value jsonb not null,
	value_key text collate "C",
	primary key (tenant_id, object_id, property_id, ordinal)
);
create index extension_values_key on extension_values (tenant_id, property_id, value_key);

create table federated_credentials (
	tenant_id uuid not null,
	id uuid not null,
	application_id uuid not null,
	name text not null check (length(name) between 1 and 120),
	name_key text collate "C" generated always as (lower(name)) stored,
	issuer text not null,
	subject text not null,
	audiences text[] not null,
	description text,
	created_at timestamptz not null,
	primary key (tenant_id, id),
	foreign key (tenant_id, application_id) references applications (tenant_id, id) on delete cascade
);
create unique index federated_credentials_name on federated_credentials (tenant_id, application_id, name_key);
create unique index federated_credentials_subject on federated_credentials (tenant_id, application_id, issuer, subject);

create table permission_grants (
	tenant_id uuid not null,
	id uuid not null,
	client_id uuid not null,
	resource_id uuid not null,
	principal_id uuid,
	scope text not null,
	created_at timestamptz not null,
	primary key (tenant_id, id),
	foreign key (tenant_id, client_id) references service_principals (tenant_id, id) on delete cascade,
	foreign key (tenant_id, resource_id) references service_principals (tenant_id, id) on delete cascade
);
comment on table permission_grants is 'Delegated permissions of clients; principal_id is null for everyone (AllPrincipals).';
create unique index permission_grants_unique on permission_grants (tenant_id, client_id, resource_id, coalesce(principal_id, '00000000-0000-0000-0000-000000000000'));
create index permission_grants_principal on permission_grants (tenant_id, principal_id) where principal_id is not null;

create table group_settings (
	tenant_id uuid not null,
	id uuid not null,
	template_id uuid not null,
	group_id uuid,
	settings jsonb not null,
	primary key (tenant_id, id),
	foreign key (tenant_id, group_id) references groups (tenant_id, id) on delete cascade
);
comment on table group_settings is 'Settings by name; group_id is null for those of the tenant.';
create unique index group_settings_unique on group_settings (tenant_id, template_id, coalesce(group_id, '00000000-0000-0000-0000-000000000000'));

create table self_service (
	tenant_id uuid not null,
	service_principal_id uuid not null,
	enabled boolean not null,
	group_id uuid,
	owners_may_invite boolean not null,
	primary key (tenant_id, service_principal_id),
	foreign key (tenant_id, service_principal_id) references service_principals (tenant_id, id) on delete cascade
);
comment on table self_service is 'Applications whose owners manage who uses them (DIR-188).';

do $$
declare name text;
begin
	foreach name in array array['extension_properties', 'extension_values', 'federated_credentials', 'permission_grants', 'group_settings', 'self_service'] loop
		execute format('alter table %I alter column tenant_id set (n_distinct = 1)', name);
		execute format('alter table %I enable row level security, force row level security', name);
		execute format('create policy tenant on %I using (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid)', name);
	end loop;
end $$;
