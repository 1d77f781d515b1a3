-- Tenants, domains, users and what belongs to them.

-- Global tables: rows of all tenants, read before a tenant is known.

create table tenants (
	id uuid primary key,
	display_name text not null check (length(display_name) between 1 and 256),
	tenant_type smallint not null check (tenant_type in (1, 2)),
	state smallint not null default 1 check (state in (1, 2, 3)),
	initial_domain text collate "C" not null,
	country_letter_code text not null,
	preferred_language text,
	default_usage_location text,
	billing_account_id text check (length(billing_account_id) <= 64),
	privacy_statement_url text,
	privacy_contact_email text,
	marketing_notification_emails text[] not null default '{}',
	technical_notification_mails text[] not null default '{}',
	security_compliance_notification_mails text[] not null default '{}',
	security_compliance_notification_phones text[] not null default '{}',
	created_at timestamptz not null,
	deletion_scheduled_at timestamptz,
	check ((deletion_scheduled_at is not null) = (state = 3))
);
comment on table tenants is 'Organizations of the installation. @global';
create unique index tenants_initial_domain on tenants (initial_domain);

create table tenant_requests (
	idempotency_key text primary key,
	request_hash bytea not null,
	tenant_id uuid not null,
	administrator_id uuid not null,
	created_at timestamptz not null
);
comment on table tenant_requests is 'Creations of tenants that may be repeated for 24 hours. @global';

create table domains (
	tenant_id uuid not null references tenants (id),
	name text collate "C" not null,
	is_verified boolean not null,
	is_default boolean not null default false,
	is_initial boolean not null default false,
	is_root boolean not null default true,
	supported_services text[] not null default '{Email,OfficeCommunicationsOnline}',
	password_validity_days int not null default 2147483647,
	password_notification_days int not null default 14,
	created_at timestamptz not null,
	primary key (tenant_id, name),
	check (is_verified or not (is_default or is_initial))
);
comment on table domains is 'Domain names of tenants; a verified one belongs to one tenant. @global';
create unique index domains_verified on domains (name) where is_verified;
create unique index domains_default on domains (tenant_id) where is_default;
create unique index domains_initial on domains (tenant_id) where is_initial;

create function keep_tenant() returns trigger language plpgsql as $$
begin
	raise exception 'tenant %: id, type and initial domain never change', old.id
		using errcode = '23514', constraint = 'tenants_immutable';
end $$;
create trigger tenants_immutable before update on tenants for each row
	when (old.id <> new.id or old.tenant_type <> new.tenant_type or old.initial_domain <> new.initial_domain)
	execute function keep_tenant();

create table feed_generation (
	singleton boolean primary key default true check (singleton),
	generation uuid not null default gen_random_uuid()
);
comment on table feed_generation is 'Positions in the change feed of another generation are void: transaction numbers do not survive a dump. @global @read-only';
insert into feed_generation default values;

create table signing_keys (
	kid text primary key,
	alg text not null,
	public_key bytea not null,
	private_key bytea not null,
	created_at timestamptz not null,
	retired_at timestamptz not null,
	not_after timestamptz not null
);
comment on table signing_keys is 'Keys that access tokens are signed with; the private part is encrypted under the master key. @global';

-- Users. Key columns hold text in lower case, as the queries compare it; the
-- service writes them, since a generated column is parsed anew by every
-- statement that inserts, which for two dozen of them costs more than the row.

create table users (
	tenant_id uuid not null,
	id uuid not null,
	account_enabled boolean not null,
	display_name text not null,
	display_name_key text collate "C" not null,
	user_principal_name text not null,
	user_principal_name_key text collate "C" not null,
	mail_nickname text,
	given_name text,
	surname text,
	job_title text,
	department text,
	company_name text,
	office_location text,
	street_address text,
	city text,
	state text,
	country text,
	postal_code text,
	fax_number text,
	employee_id text,
	employee_type text,
	mobile_phone text,
	usage_location text,
	preferred_language text,
	age_group text,
	consent_provided_for_minor text,
	password_policies text,
	on_premises_immutable_id text,
	mail text,
	mail_nickname_key text collate "C",
	given_name_key text collate "C",
	surname_key text collate "C",
	job_title_key text collate "C",
	department_key text collate "C",
	company_name_key text collate "C",
	office_location_key text collate "C",
	street_address_key text collate "C",
	city_key text collate "C",
	state_key text collate "C",
	country_key text collate "C",
	postal_code_key text collate "C",
	fax_number_key text collate "C",
	employee_id_key text collate "C",
	employee_type_key text collate "C",
	mobile_phone_key text collate "C",
	usage_location_key text collate "C",
	preferred_language_key text collate "C",
	age_group_key text collate "C",
	consent_provided_for_minor_key text collate "C",
	password_policies_key text collate "C",
	on_premises_immutable_id_key text collate "C",
	mail_key text collate "C",
	display_name_words text[],
	business_phones text[],
	other_mails text[],
	im_addresses text[],
	proxy_addresses text[],
	identities jsonb,
	alternative_security_id text collate "C",
	user_type smallint not null,
	creation_type smallint,
	external_user_state smallint,
	external_user_state_changed_at timestamptz,
	show_in_address_list boolean,
	employee_hire_date timestamptz,
	employee_leave_date_time timestamptz,
	cost_center text,
	division text,
	extension_attributes text[],
	on_premises_sync_enabled boolean,
	on_premises_sam_account_name text,
	on_premises_distinguished_name text,
	on_premises_domain_name text,
	on_premises_security_identifier text,
	on_premises_user_principal_name text,
	on_premises_last_sync_at timestamptz,
	created_at timestamptz not null,
	deleted_at timestamptz,
	last_password_change_at timestamptz,
	sessions_valid_from timestamptz,
	manager_id uuid,
	sponsor_ids uuid[],
	invited_email text,
	invited_email_key text collate "C",
	invitation_id text collate "C",
	redemption_id text collate "C",
	never_mail_enabled boolean not null default false,
	password_scheme smallint,
	password_verifier bytea,
	password_must_change boolean,
	password_must_change_mfa boolean,
	sync_job_id text collate "C",
	sync_deleted boolean not null default false,
	version bigint not null default 1,
	primary key (tenant_id, id),
	-- Constraints are parsed anew by every statement that inserts, so there is
	-- one, and it says what no single column can (INV-8, INV-9).
	constraint users_external_state check (
		(external_user_state_changed_at is null) = (external_user_state is null)
		and (external_user_state is null or (external_user_state = 2) = (coalesce(identities, '[]') @> '[{"type": 2}]'))
		and (external_user_state is distinct from 2 or password_verifier is null))
);
create unique index users_user_principal_name on users (tenant_id, user_principal_name_key) where deleted_at is null;
create unique index users_alternative_security_id on users (tenant_id, alternative_security_id)
	where deleted_at is null and alternative_security_id is not null;
create unique index users_immutable_id on users (tenant_id, on_premises_immutable_id)
	where deleted_at is null and on_premises_immutable_id is not null;
create unique index users_invitation on users (tenant_id, invitation_id) where invitation_id is not null;
create index users_home on users (tenant_id, alternative_security_id) where alternative_security_id is not null;
create index users_display_name on users (tenant_id, display_name_key, id);
create index users_mail on users (tenant_id, mail_key) where mail_key is not null;
create index users_mail_nickname on users (tenant_id, mail_nickname_key) where mail_nickname_key is not null;
create index users_invited_email on users (tenant_id, invited_email_key) where invited_email_key is not null;
create index users_employee_id on users (tenant_id, employee_id_key) where employee_id_key is not null;
create index users_surname on users (tenant_id, surname_key) where surname_key is not null;
create index users_department on users (tenant_id, department_key) where department_key is not null;
create index users_pending on users (tenant_id, id) where external_user_state = 1;
create index users_guests on users (tenant_id, id) where user_type = 2;
create index users_manager on users (tenant_id, manager_id) where manager_id is not null;
create index users_deleted on users (tenant_id, deleted_at) where deleted_at is not null;

create function keep_origin() returns trigger language plpgsql as $$
begin
	raise exception 'user %: creation type and time never change', old.id
		using errcode = '23514', constraint = 'users_immutable';
end $$;
create trigger users_immutable before update on users for each row
	when (old.created_at <> new.created_at or old.creation_type is distinct from new.creation_type)
	execute function keep_origin();

create index users_unhardened on users (tenant_id) where password_scheme = 1;

create table user_identities (
	tenant_id uuid not null,
	user_id uuid not null,
	ordinal smallint not null,
	sign_in_type smallint not null check (sign_in_type in (2, 3, 4)),
	issuer text not null,
	issuer_key text collate "C" generated always as (lower(issuer)) stored,
	issuer_assigned_id text,
	issuer_assigned_id_key text collate "C",
	live boolean not null default true,
	primary key (tenant_id, user_id, ordinal)
);
comment on table user_identities is 'Identities of users besides their own name. No foreign key: its checks keep plans from when the table was small.';
create unique index user_identities_unique on user_identities (tenant_id, issuer_key, issuer_assigned_id_key)
	where live and issuer_assigned_id_key is not null;
create index user_identities_assigned on user_identities (tenant_id, issuer_assigned_id_key) where issuer_assigned_id_key is not null;

create table addresses (
	tenant_id uuid not null,
	owner_id uuid not null,
	ordinal smallint not null,
	owner_type smallint not null,
	kind text collate "C" not null,
	address text not null,
	address_key text collate "C" generated always as (lower(address)) stored,
	is_primary boolean not null,
	live boolean not null default true,
	primary key (tenant_id, owner_id, ordinal)
);
create unique index addresses_unique on addresses (tenant_id, address_key) where live and kind = 'smtp';
create unique index addresses_primary on addresses (tenant_id, owner_id) where is_primary and kind = 'smtp';
