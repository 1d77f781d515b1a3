-- What a job knows about the objects it synchronizes.

-- Connections between source and target objects, and the last outcome of
-- objects without one.
create table links (
    tenant_id         uuid        not null,
    job_key           uuid        not null,
    source_id         uuid        not null,
    target_id         uuid,
    state             smallint    not null, -- 1 linked, 2 deleted by the job, 3 released, 4 skipped, 5 gone
    reason            text        not null default '',
    home_upn          text        not null default '',
    display_name      text        not null default '',
    disabled          boolean     not null default false,
    manager_source_id uuid,
    manager_state     smallint    not null default 0, -- 0 none, 1 set, 2 pending, 3 pending and reported
    changed_at        timestamptz not null,
    primary key (tenant_id, job_key, source_id)
);
create unique index links_target on links (tenant_id, job_key, target_id) where target_id is not null and state in (1, 2);
create index links_pending on links (tenant_id, job_key, manager_source_id) where manager_state in (2, 3);
create index links_state on links (tenant_id, job_key, state);

-- Failed operations with the time of their next attempt.
create table escrows (
    tenant_id uuid        not null,
    job_key   uuid        not null,
    source_id uuid        not null,
    code      text        not null,
    first_at  timestamptz not null,
    attempts  int         not null,
    next_at   timestamptz not null,
    primary key (tenant_id, job_key, source_id)
);
create index escrows_due on escrows (tenant_id, job_key, next_at);

-- Removals that wait for an administrator.
create table staged_deletions (
    tenant_id    uuid        not null,
    job_key      uuid        not null,
    source_id    uuid        not null,
    display_name text        not null,
    staged_at    timestamptz not null,
    primary key (tenant_id, job_key, source_id)
);

-- The batches a job has sent to the target, or is about to, and not yet
-- recorded: written before they are sent, removed with the records of their
-- outcome. After a crash they are sent again as they were, in their order.
create table batches (
    tenant_id uuid   not null,
    job_key   uuid   not null,
    seq       bigint not null,
    request   bytea  not null,
    drafts    bytea  not null,
    cycle     jsonb  not null,
    primary key (tenant_id, job_key, seq)
);

do $$
declare t text;
begin
    foreach t in array array['links', 'escrows', 'staged_deletions', 'batches'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy tenant on %I using (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid)'
            || ' with check (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid)', t);
    end loop;
end $$;
