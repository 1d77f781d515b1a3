create table ended_tenants (
	id uuid primary key,
	ended_at timestamptz not null,
	-- Since then nothing comes after any more.
	settled_at timestamptz
);
comment on table ended_tenants is 'Tenants that directory-svc deleted permanently, whose rows here go, too. @global';
create index ended_tenants_open on ended_tenants (ended_at) where settled_at is null;

-- Deletes rows of a tenant that ended, at most `batch` of each table, and
-- answers how many those were; zero means that none is left. A table is not
-- begun before those that refer to it are empty, so that nothing is deleted by
-- a cascade of unknown size. It runs as the owner, since logs are append-only for
-- the service, and refuses every tenant that is not known to have ended.
create function purge_ended_tenant(tenant uuid, batch int) returns bigint language plpgsql security definer as $$
declare
	name text;
	gone bigint;
	total bigint := 0;
begin
	if not exists (select from ended_tenants where id = tenant) then
		raise exception 'tenant % has not ended', tenant using errcode = '42501';
	end if;
	perform set_config('app.tenant_id', tenant::text, true);
	for name in
		with recursive held(id, name) as (
			select c.oid, c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
			where c.relnamespace = (select relnamespace from pg_class where oid = 'ended_tenants'::regclass) and c.relkind = 'r'
		), referred(id, steps) as (
			select id, 0 from held
			union
			select f.confrelid, r.steps + 1 from referred r join pg_constraint f on f.conrelid = r.id and f.contype = 'f' and f.confrelid <> r.id
			where r.steps < 30
		)
		select h.name from held h join referred r using (id) group by h.name order by max(r.steps), h.name
	loop
		execute format('delete from %1$I where ctid = any (array(select ctid from %1$I where tenant_id = $1 limit $2))', name) using tenant, batch;
		get diagnostics gone = row_count;
		total := total + gone;
		exit when gone = batch;
	end loop;
	return total;
end $$;

-- What the owner may do must not depend on names that a caller puts in between.
do $$ begin
	execute format('alter function purge_ended_tenant(uuid, int) set search_path = %I, pg_temp', current_schema());
end $$;
