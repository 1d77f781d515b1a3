-- Bulk work by CSV.

create table bulk_operations (
	tenant_id uuid not null,
	id uuid not null,
	kind text not null,
	group_id uuid,
	status smallint not null,
	total_count int not null,
	success_count int not null default 0,
	failure_count int not null default 0,
	started_by uuid not null,
	app_id uuid not null,
	scopes text[],
	created_at timestamptz not null,
	started_at timestamptz,
	completed_at timestamptz,
	primary key (tenant_id, id)
);
comment on column bulk_operations.scopes is 'Delegated permissions of the user who began; null for an application, whose permissions are those of the moment.';

create table bulk_rows (
	tenant_id uuid not null,
	operation_id uuid not null,
	row_number int not null,
	input text[] not null,
	secret bytea,
	outcome smallint,
	error_code text,
	error_message text,
	object_id uuid,
	primary key (tenant_id, operation_id, row_number),
	foreign key (tenant_id, operation_id) references bulk_operations (tenant_id, id) on delete cascade
);
comment on column bulk_rows.secret is 'Initial password under the installation''s key, gone when the row is done.';

-- Which operations wait, over all tenants, and who works on one until when.
create table bulk_queue (
	tenant_id uuid not null,
	operation_id uuid not null,
	lease_until timestamptz not null,
	primary key (tenant_id, operation_id)
);
comment on table bulk_queue is 'Bulk operations that are not finished. @global';
create index bulk_queue_due on bulk_queue (lease_until);

do $$
declare name text;
begin
	foreach name in array array['bulk_operations', 'bulk_rows'] loop
		execute format('alter table %I alter column tenant_id set (n_distinct = 1)', name);
		execute format('alter table %I enable row level security, force row level security', name);
		execute format('create policy tenant on %I using (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid)', name);
	end loop;
end $$;
