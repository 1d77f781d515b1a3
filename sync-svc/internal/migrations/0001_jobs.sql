-- Jobs, their schemas and settings.

create table jobs (
    tenant_id            uuid        not null,
    id                   text        not null collate "C",
    key                  uuid        not null,
    service_principal_id uuid        not null,
    application_id       uuid        not null,
    app_id               text        not null,
    display_name         text        not null,
    target_tenant        uuid,
    state                smallint    not null, -- 1 Active, 2 Disabled, 3 Paused
    code                 smallint    not null, -- 1 NotConfigured, 2 NotRun, 3 Active, 4 Paused, 5 Quarantine
    interval_seconds     int         not null,
    settings             jsonb       not null,
    schema_version       int         not null,
    generation           bigint      not null default 0,
    watermark            text        not null default '',
    cycle                jsonb,
    due_at               timestamptz not null,
    last_execution       jsonb,
    last_success         jsonb,
    last_exports         jsonb,
    quarantine           jsonb,
    steady_first         timestamptz,
    steady_last          timestamptz,
    escrows_pruned       boolean     not null default false,
    complete_failures    bigint      not null default 0,
    synchronized         bigint      not null default 0,
    force_deletes        boolean     not null default false,
    created_at           timestamptz not null,
    deleted_at           timestamptz,
    primary key (tenant_id, id)
);
create unique index jobs_key on jobs (tenant_id, key);
create unique index jobs_configuration on jobs (tenant_id, service_principal_id) where deleted_at is null;
create unique index jobs_target on jobs (tenant_id, target_tenant) where deleted_at is null and target_tenant is not null;

create table job_schemas (
    tenant_id uuid  not null,
    job_key   uuid  not null,
    version   int   not null,
    body      jsonb not null,
    primary key (tenant_id, job_key)
);

-- Settings of a configuration, each value sealed under the master key.
create table secrets (
    tenant_id            uuid  not null,
    service_principal_id uuid  not null,
    key                  text  not null collate "C",
    sealed               bytea not null,
    primary key (tenant_id, service_principal_id, key)
);

-- Who runs which job. Global, so that a runner finds work in every tenant; it
-- holds no data of a tenant but ids.
create table job_leases (
    tenant_id  uuid        not null,
    job_key    uuid        not null,
    job_id     text        not null collate "C",
    source     uuid        not null, -- the tenant whose changes concern the job
    active     boolean     not null,
    due_at     timestamptz not null,
    owner      uuid,
    expires_at timestamptz,
    fence      bigint      not null default 0,
    primary key (tenant_id, job_key)
);
comment on table job_leases is 'Leases of jobs over all tenants. @global';
create index job_leases_active on job_leases (expires_at) where active;

do $$
declare t text;
begin
    foreach t in array array['jobs', 'job_schemas', 'secrets'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy tenant on %I using (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid)'
            || ' with check (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid)', t);
    end loop;
end $$;
