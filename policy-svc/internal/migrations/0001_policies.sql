-- One root per tenant; every write of a policy takes its lock and raises its
-- version. A tenant without a row is at version 1 with the system's values.
create table roots (
    tenant_id uuid not null primary key,
    id uuid not null,
    version bigint not null default 1,
    revision bigint not null default 1,
    display_name text,
    description text,
    cloud_endpoints jsonb not null default '[]',
    -- Writes in the present window of ten seconds (POL-139).
    window_started timestamptz not null,
    window_writes int not null,
    created_at timestamptz not null
);

-- The override of the system default; no row means isServiceDefault.
create table defaults (
    tenant_id uuid not null primary key,
    settings jsonb not null,
    redemption jsonb,
    revision bigint not null
);

-- One live row per other tenant; removed ones stay for 30 days (POL-32).
create table partners (
    tenant_id uuid not null,
    id uuid not null,
    partner_tenant_id uuid not null,
    settings jsonb not null,
    is_service_provider boolean,
    is_in_organization boolean,
    has_sync boolean not null default false,
    sync_display_name text,
    sync_users boolean,
    sync_groups boolean,
    revision bigint not null,
    sync_revision bigint not null default 0,
    created_at timestamptz not null,
    deleted_at timestamptz,
    primary key (tenant_id, id),
    constraint partners_not_self check (partner_tenant_id <> tenant_id)
);
create unique index partners_live on partners (tenant_id, partner_tenant_id) where deleted_at is null;
create index partners_providers on partners (tenant_id, partner_tenant_id) where deleted_at is null and is_service_provider;
create index partners_members on partners (tenant_id, partner_tenant_id) where deleted_at is null and is_in_organization;
create index partners_deleted on partners (tenant_id, deleted_at) where deleted_at is not null;

-- The authorization policy; no row means its defaults.
create table authorizations (
    tenant_id uuid not null primary key,
    allow_invites_from smallint not null check (allow_invites_from between 0 and 3),
    guest_user_role_id uuid not null,
    email_verified_users_join boolean not null,
    email_subscriptions boolean not null,
    sspr boolean not null,
    consent_for_risky_apps boolean,
    block_msol_power_shell boolean,
    create_apps boolean not null,
    create_security_groups boolean not null,
    create_tenants boolean,
    read_bitlocker_keys boolean,
    read_other_users boolean not null,
    grant_policies jsonb not null,
    revision bigint not null
);

-- The allow or deny list of domains, at most one per tenant (POL-76).
create table domain_lists (
    tenant_id uuid not null,
    id uuid not null,
    display_name text not null,
    description text,
    enforced boolean not null,
    definition text not null,
    revision bigint not null,
    primary key (tenant_id, id)
);
create unique index domain_lists_one on domain_lists (tenant_id);

alter table roots enable row level security;
alter table roots force row level security;
create policy tenant on roots using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
alter table defaults enable row level security;
alter table defaults force row level security;
create policy tenant on defaults using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
alter table partners enable row level security;
alter table partners force row level security;
create policy tenant on partners using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
alter table authorizations enable row level security;
alter table authorizations force row level security;
create policy tenant on authorizations using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
alter table domain_lists enable row level security;
alter table domain_lists force row level security;
create policy tenant on domain_lists using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
