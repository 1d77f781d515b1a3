-- The end of a tenant (DIR-20).

-- A tenant that is scheduled for deletion needs no administrator any more.
create or replace function keep_administrator(tenant uuid, principal uuid) returns void language plpgsql as $$
begin
	perform pg_advisory_xact_lock(hashtextextended(tenant::text, 15));
	if not exists (
		select from role_assignments a join users u on u.tenant_id = a.tenant_id and u.id = a.principal_id
		where a.tenant_id = tenant and a.role_id = '62e90394-69f5-4237-9190-012177145e10' and a.scope = '/'
		and u.account_enabled and u.deleted_at is null
	) and not exists (select from tenants where id = tenant and state = 3) then
		raise exception 'the last enabled global administrator % would be lost', principal
			using errcode = '23514', constraint = 'last_administrator';
	end if;
end $$;

create table deleted_tenants (
	id uuid primary key,
	display_name text not null,
	initial_domain text not null,
	deleted_at timestamptz not null
);
comment on table deleted_tenants is 'The operator''s log of tenants that were deleted permanently; their ids are never used again. @global @append-only';

create function keep_tenant_ids() returns trigger language plpgsql as $$
begin
	if exists (select from deleted_tenants where id = new.id) then
		raise exception 'the id % belonged to a tenant that was deleted', new.id using errcode = '23505', constraint = 'tenants_pkey';
	end if;
	return new;
end $$;
create trigger tenants_ids before insert on tenants for each row execute function keep_tenant_ids();

-- Ends at most `batch` rows of each table of a tenant whose time is over and
-- answers how many that were; with the last of them the tenant itself goes.
-- The rows of a table that refers to another go first, so that nothing is
-- deleted by a cascade of unknown size. It runs as the owner, since logs are
-- append-only for the service, and refuses every tenant that is not due.
create function purge_tenant(tenant uuid, due timestamptz, batch int) returns bigint language plpgsql security definer as $$
declare
	name text;
	gone bigint;
	total bigint := 0;
begin
	if not exists (select from tenants where id = tenant and state = 3 and deletion_scheduled_at <= due) then
		raise exception 'tenant % is not due', tenant using errcode = '42501';
	end if;
	perform set_config('app.tenant_id', tenant::text, true), set_config('app.evaluator', 'on', true);
	for name in
		select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
		where c.relnamespace = (select relnamespace from pg_class where oid = 'tenants'::regclass) and c.relkind = 'r' and c.relname <> 'domains'
		order by (select count(*) from pg_constraint f where f.contype = 'f' and f.confrelid = c.oid), c.relname
	loop
		execute format('delete from %1$I where ctid = any (array(select ctid from %1$I where tenant_id = $1 limit $2))', name) using tenant, batch;
		get diagnostics gone = row_count;
		total := total + gone;
	end loop;
	if total = 0 then
		delete from domains where tenant_id = tenant;
		with ended as (delete from tenants where id = tenant returning id, display_name, initial_domain)
			insert into deleted_tenants select id, display_name, initial_domain, clock_timestamp() from ended;
	end if;
	return total;
end $$;
