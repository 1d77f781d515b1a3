-- One record per outcome of an object in a cycle (sync.md §14).
create table provisioning_log (
    tenant_id            uuid        not null,
    id                   uuid        not null,
    change_id            uuid        not null,
    cycle_id             uuid        not null,
    job_id               text        not null collate "C",
    at                   timestamptz not null,
    duration_ms          int         not null,
    action               smallint    not null, -- as ProvisioningAction
    status               smallint    not null, -- as ProvisioningResult
    error_code           text        not null,
    error_category       smallint    not null, -- as ProvisioningStatusErrorCategory
    reason               text        not null,
    details              text        not null,
    recommended          text        not null,
    source_id            text        not null collate "C",
    source_name          text        not null collate "C",
    source_upn           text        not null collate "C",
    target_id            text        not null collate "C",
    target_name          text        not null collate "C",
    target_upn           text        not null collate "C",
    identity_type        text        not null,
    service_principal_id text        not null collate "C",
    service_principal    text        not null collate "C",
    initiator_id         text        not null collate "C",
    initiator            text        not null collate "C",
    initiator_type       text        not null collate "C",
    modified             text        not null, -- JSON list
    steps                text        not null, -- JSON object of details by step
    primary key (tenant_id, id)
);
comment on table provisioning_log is 'Provisioning log. Records are added, and removed after their retention.';
create index provisioning_log_time on provisioning_log (tenant_id, at desc, id desc);
create index provisioning_log_source on provisioning_log (tenant_id, source_id);

alter table provisioning_log enable row level security;
alter table provisioning_log force row level security;
create policy tenant on provisioning_log using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
