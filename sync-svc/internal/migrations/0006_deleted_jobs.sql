-- A deleted job keeps its lease, which nobody claims, until nothing is left of
-- it: without one its tenant is not found among all tenants.
alter table jobs no force row level security;
insert into job_leases (tenant_id, job_key, job_id, source, active, due_at)
    select tenant_id, key, id, tenant_id, false, due_at from jobs where deleted_at is not null
    on conflict do nothing;
alter table jobs force row level security;
