-- What no single column or index can hold (the invariants of the directory).
-- Rules that a row meets only once its transaction is complete are checked at
-- the commit, on the row as it is then.

-- Whoever ends a tenant says so; there is nothing left to keep whole.
create function is_purging() returns boolean stable language sql as $$
	select coalesce(current_setting('app.purging', true), '') = 'on'
$$;

create or replace function purge_tenant(tenant uuid, due timestamptz, batch int) returns bigint language plpgsql security definer as $$
declare
	name text;
	gone bigint;
	total bigint := 0;
begin
	if not exists (select from tenants where id = tenant and state = 3 and deletion_scheduled_at <= due) then
		raise exception 'tenant % is not due', tenant using errcode = '42501';
	end if;
	perform set_config('app.tenant_id', tenant::text, true), set_config('app.evaluator', 'on', true), set_config('app.purging', 'on', true);
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

-- A change of an object has its row in the feed and its record in the audit
-- log, in the same transaction (INV-20).

create function note_recorded() returns trigger language plpgsql as $$
begin
	perform set_config('app.' || tg_argv[0], 'on', true);
	return null;
end $$;
create trigger change_log_noted after insert on change_log for each statement execute function note_recorded('fed');
create trigger audit_events_noted after insert on audit_events for each statement execute function note_recorded('audited');

create function check_recorded() returns trigger language plpgsql as $$
begin
	if not is_purging() and (current_setting('app.fed', true) is distinct from 'on' or current_setting('app.audited', true) is distinct from 'on') then
		raise exception '% of % without its rows in the feed and the audit log', lower(tg_op), tg_table_name
			using errcode = '23514', constraint = 'changes_recorded';
	end if;
	return null;
end $$;
do $$
declare name text;
begin
	foreach name in array array['users', 'groups', 'contacts', 'administrative_units', 'applications', 'service_principals'] loop
		execute format('create constraint trigger %I after insert or delete or update of version on %I deferrable initially deferred
			for each row execute function check_recorded()', name || '_recorded', name);
	end loop;
	foreach name in array array['role_assignments', 'app_role_assignments'] loop
		execute format('create constraint trigger %I after insert or delete on %I deferrable initially deferred
			for each row execute function check_recorded()', name || '_recorded', name);
	end loop;
end $$;

-- Only what was soft-deleted is purged (INV-19); security groups are deleted at
-- once.
create function refuse_purge() returns trigger language plpgsql as $$
begin
	if not is_purging() then
		raise exception '% % is live', tg_table_name, old.id using errcode = '23514', constraint = 'purge_of_live_object';
	end if;
	return old;
end $$;
create trigger users_purge before delete on users for each row when (old.deleted_at is null) execute function refuse_purge();
create trigger groups_purge before delete on groups for each row when (old.deleted_at is null and old.unified) execute function refuse_purge();
create trigger administrative_units_purge before delete on administrative_units for each row when (old.deleted_at is null) execute function refuse_purge();
create trigger applications_purge before delete on applications for each row when (old.deleted_at is null) execute function refuse_purge();
create trigger service_principals_purge before delete on service_principals for each row when (old.deleted_at is null) execute function refuse_purge();

-- A user as a whole. A new one is looked at as it is written, a change at the
-- commit, since it may take several statements.

-- Customers who sign in elsewhere alone were given a password before (INV-9).
-- The owner reads users of every tenant here, which row-level security would
-- hide while it is forced.
alter table users no force row level security;
update users set password_scheme = null, password_verifier = null, password_must_change = null, password_must_change_mfa = null
	where password_verifier is not null and identities @> '[{"type": 2}]' and not identities @> '[{"type": 3}]' and not identities @> '[{"type": 4}]';
alter table users force row level security;

-- The two functions say the same, and the first is called for a row that looks
-- wrong alone: to hand over a row of a hundred columns takes longer than to
-- write it.
create function check_new_user() returns trigger language plpgsql as $$
begin
	if new.password_verifier is null then
		if new.external_user_state is null and new.on_premises_immutable_id is null and (new.identities is null
			or not new.identities @> '[{"type": 2}]' or new.identities @> '[{"type": 3}]' or new.identities @> '[{"type": 4}]') then
			raise exception 'user %: no password and no identity of elsewhere', new.id using errcode = '23514', constraint = 'users_password';
		end if;
	elsif new.identities @> '[{"type": 2}]' and not new.identities @> '[{"type": 3}]' and not new.identities @> '[{"type": 4}]' then
		raise exception 'user %: a password beside identities of elsewhere alone', new.id using errcode = '23514', constraint = 'users_password';
	end if;
	if new.never_mail_enabled and new.user_type = 1 and exists (select from unnest(new.proxy_addresses) p where p like 'SMTP:%') then
		raise exception 'user %: a member invited as such is not mail-enabled', new.id using errcode = '23514', constraint = 'users_never_mail_enabled';
	end if;
	return null;
end $$;
create trigger users_new after insert on users for each row when (
		case when new.password_verifier is null then
			new.external_user_state is null and new.on_premises_immutable_id is null and (new.identities is null
				or not new.identities @> '[{"type": 2}]' or new.identities @> '[{"type": 3}]' or new.identities @> '[{"type": 4}]')
		else new.identities @> '[{"type": 2}]' and not new.identities @> '[{"type": 3}]' and not new.identities @> '[{"type": 4}]' end
		or new.never_mail_enabled and new.user_type = 1 and new.proxy_addresses is not null)
	execute function check_new_user();

-- By both bounds and in order, so that one index alone fits, whatever the
-- statistics say of a tenant that is new.
create function check_changed_user() returns trigger language plpgsql as $$
declare
	u record;
begin
	select id, password_verifier, external_user_state, on_premises_immutable_id, identities, never_mail_enabled, user_type, proxy_addresses into u
		from users where tenant_id = new.tenant_id and id >= new.id and id <= new.id order by id limit 1;
	if not found then
		return null;
	end if;
	if u.password_verifier is null then
		if u.external_user_state is null and u.on_premises_immutable_id is null and (u.identities is null
			or not u.identities @> '[{"type": 2}]' or u.identities @> '[{"type": 3}]' or u.identities @> '[{"type": 4}]') then
			raise exception 'user %: no password and no identity of elsewhere', u.id using errcode = '23514', constraint = 'users_password';
		end if;
	elsif u.identities @> '[{"type": 2}]' and not u.identities @> '[{"type": 3}]' and not u.identities @> '[{"type": 4}]' then
		raise exception 'user %: a password beside identities of elsewhere alone', u.id using errcode = '23514', constraint = 'users_password';
	end if;
	if u.never_mail_enabled and u.user_type = 1 and exists (select from unnest(u.proxy_addresses) p where p like 'SMTP:%') then
		raise exception 'user %: a member invited as such is not mail-enabled', u.id using errcode = '23514', constraint = 'users_never_mail_enabled';
	end if;
	return null;
end $$;
create constraint trigger users_changed after update of identities, external_user_state, password_verifier, on_premises_immutable_id, user_type, proxy_addresses on users
	deferrable initially deferred for each row execute function check_changed_user();

-- Keys sleep with the user (INV-19).
create function check_sleeping_keys() returns trigger language plpgsql as $$
begin
	if exists (select from addresses where tenant_id = new.tenant_id and owner_id = new.id and live <> (new.deleted_at is null))
		or exists (select from user_identities where tenant_id = new.tenant_id and user_id = new.id and live <> (new.deleted_at is null)) then
		raise exception 'user %: addresses or identities do not sleep with it', new.id using errcode = '23514', constraint = 'users_live_keys';
	end if;
	return null;
end $$;
create constraint trigger users_live_keys after update of deleted_at on users
	deferrable initially deferred for each row when ((old.deleted_at is null) <> (new.deleted_at is null)) execute function check_sleeping_keys();

-- INV-18. What is there already when a limit is lowered stays.
create function check_user_lists() returns trigger language plpgsql as $$
begin
	if cardinality(new.business_phones) > 1 then
		raise exception 'user %: several business phones', new.id using errcode = '23514', constraint = 'users_business_phones';
	end if;
	if cardinality(new.sponsor_ids) > limit_of(new.tenant_id, 'sponsorsPerUser', 5) then
		raise exception 'user %: too many sponsors', new.id using errcode = '23514', constraint = 'users_sponsors';
	end if;
	return null;
end $$;
create trigger users_new_lists after insert on users for each row
	when (cardinality(new.business_phones) > 1 or cardinality(new.sponsor_ids) > 1) execute function check_user_lists();
create trigger users_lists after update of business_phones, sponsor_ids on users for each row
	when (cardinality(new.business_phones) > 1 or cardinality(new.sponsor_ids) > coalesce(cardinality(old.sponsor_ids), 0)) execute function check_user_lists();

-- Every tenant has its initial domain and one default domain, both verified,
-- which the indexes keep from being more (INV-6).
create function check_domains() returns trigger language plpgsql as $$
declare
	tenant tenants;
begin
	select * into tenant from tenants where id = coalesce(new.tenant_id, old.tenant_id);
	if found and (
		not exists (select from domains where tenant_id = tenant.id and name = tenant.initial_domain and is_initial and is_verified)
		or not exists (select from domains where tenant_id = tenant.id and is_default and is_verified)) then
		raise exception 'tenant % would be without its initial or a default domain', tenant.id
			using errcode = '23514', constraint = 'domains_complete';
	end if;
	return null;
end $$;
create constraint trigger domains_complete after insert or update or delete on domains
	deferrable initially deferred for each row execute function check_domains();

-- What a group may hold (INV-11, INV-12). Members of a dynamic group are
-- written by the evaluator alone, and are users.
create or replace function keep_rule_group() returns trigger language plpgsql as $$
declare
	link group_members := coalesce(new, old);
	g groups;
begin
	select * into g from groups where tenant_id = link.tenant_id and id = link.group_id;
	if g.dynamic then
		raise exception 'the members of % follow from its rule', link.group_id
			using errcode = '23514', constraint = 'members_by_rule';
	end if;
	if tg_op = 'INSERT' and (g.unified and link.member_type <> 1 or g.is_assignable_to_role and link.member_type not in (1, 3)) then
		raise exception 'group % takes no object of type %', link.group_id, link.member_type
			using errcode = '23514', constraint = 'group_members_kind';
	end if;
	return link;
end $$;

create or replace function refuse_cycle() returns trigger language plpgsql as $$
begin
	perform pg_advisory_xact_lock(hashtextextended(new.tenant_id::text, 11));
	if exists (select from groups where tenant_id = new.tenant_id and id = new.member_id and unified) then
		raise exception 'group % takes no Microsoft 365 group', new.group_id
			using errcode = '23514', constraint = 'group_members_kind';
	end if;
	if exists (
		with recursive below (id) as (
			select new.member_id
			union
			select m.member_id from group_members m join below b on m.group_id = b.id
			where m.tenant_id = new.tenant_id and m.member_type = 2
		)
		select from below where id = new.group_id
	) then
		raise exception 'group % would contain itself', new.group_id
			using errcode = '23514', constraint = 'group_members_acyclic';
	end if;
	return new;
end $$;

create function keep_link() returns trigger language plpgsql as $$
begin
	raise exception 'a link never leads elsewhere' using errcode = '23514', constraint = 'links_immutable';
end $$;
create trigger group_members_immutable before update on group_members for each row
	when (old.group_id <> new.group_id or old.member_id <> new.member_id or old.member_type <> new.member_type) execute function keep_link();
create trigger unit_members_immutable before update on unit_members for each row
	when (old.unit_id <> new.unit_id or old.member_id <> new.member_id or old.member_type <> new.member_type) execute function keep_link();
create trigger role_assignments_immutable before update on role_assignments for each row
	when (old.principal_id <> new.principal_id or old.role_id <> new.role_id or old.scope <> new.scope) execute function keep_link();

-- Owners: at most a hundred, and a group that has a user for an owner keeps one
-- (INV-13).
create function limit_owners() returns trigger language plpgsql as $$
begin
	perform pg_advisory_xact_lock(hashtextextended(new.tenant_id::text || new.object_id::text, 13));
	if (select count(*) from object_owners where tenant_id = new.tenant_id and object_id = new.object_id)
		>= limit_of(new.tenant_id, 'ownersPerObject', 100) then
		raise exception 'object % has too many owners', new.object_id
			using errcode = '23514', constraint = 'object_owners_limit';
	end if;
	return new;
end $$;
create trigger object_owners_limit before insert on object_owners for each row execute function limit_owners();

create function keep_owner() returns trigger language plpgsql as $$
begin
	if is_purging() then
		return null;
	end if;
	perform pg_advisory_xact_lock(hashtextextended(old.tenant_id::text || old.object_id::text, 13));
	if exists (select from groups where tenant_id = old.tenant_id and id = old.object_id and deleted_at is null)
		and not exists (select from object_owners where tenant_id = old.tenant_id and object_id = old.object_id and owner_type = 1) then
		raise exception 'the last owner of group % would be lost', old.object_id
			using errcode = '23514', constraint = 'last_owner';
	end if;
	return null;
end $$;
create constraint trigger object_owners_last after delete on object_owners deferrable initially deferred for each row
	when (old.owner_type = 1 and old.object_type = 2 and not old.dormant) execute function keep_owner();

-- The limit of restricted units holds for one that comes back, too (INV-17).
create trigger administrative_units_restored_limit before update of deleted_at on administrative_units for each row
	when (new.restricted and old.deleted_at is not null and new.deleted_at is null) execute function limit_restricted_units();

-- An object has at most a hundred extension values (INV-23).
create function limit_extension_values() returns trigger language plpgsql as $$
begin
	perform pg_advisory_xact_lock(hashtextextended(new.tenant_id::text || new.object_id::text, 23));
	if (select count(*) from extension_values v where tenant_id = new.tenant_id and object_id = new.object_id
		and exists (select from extension_properties p where p.tenant_id = v.tenant_id and p.id = v.property_id))
		> limit_of(new.tenant_id, 'extensionValuesPerObject', 100) then
		raise exception 'object % has too many extension values', new.object_id
			using errcode = '23514', constraint = 'extension_values_limit';
	end if;
	return null;
end $$;
create trigger extension_values_limit after insert on extension_values for each row execute function limit_extension_values();

-- What runs as the owner does not depend on names that a caller puts in
-- between.
do $$ begin
	execute format('alter function purge_tenant(uuid, timestamptz, int) set search_path = %I, pg_temp', current_schema());
end $$;
