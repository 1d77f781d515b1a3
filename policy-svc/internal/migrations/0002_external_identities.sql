-- What external identities may do about themselves; no row means the default,
-- by which they may leave.
create table external_identities (
    tenant_id uuid not null primary key,
    may_leave boolean not null,
    revision bigint not null
);
alter table external_identities enable row level security;
alter table external_identities force row level security;
create policy tenant on external_identities using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
