-- What users without a role created, for their quota (DIR-235).

create table created_objects (
	tenant_id uuid not null,
	object_id uuid not null,
	creator_id uuid not null,
	created_at timestamptz not null,
	primary key (tenant_id, object_id)
);
create index created_objects_creator on created_objects (tenant_id, creator_id);

do $$
declare name text;
begin
	foreach name in array array['created_objects'] loop
		execute format('alter table %I alter column tenant_id set (n_distinct = 1)', name);
		execute format('alter table %I enable row level security, force row level security', name);
		execute format('create policy tenant on %I using (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid)', name);
	end loop;
end $$;
