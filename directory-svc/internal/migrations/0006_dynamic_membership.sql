-- Dynamic membership: who belongs to a group or unit by its rule, how far the
-- evaluation of each rule has come, and where in the change feed it stands.

create table dynamic_positions (
	tenant_id uuid primary key,
	position text not null default '',
	-- The day, in UTC, for which rules that ask about time were evaluated last.
	evaluated_on date
);
comment on table dynamic_positions is 'How far the evaluation of membership rules has followed the change feed.';

create table dynamic_evaluations (
	tenant_id uuid not null,
	object_id uuid not null,
	object_type smallint not null check (object_type in (2, 7)),
	-- The rule that was or is being evaluated over all users.
	rule text not null,
	-- Users up to this id have been looked at; null when all have.
	after_id uuid,
	evaluated int not null default 0,
	total int not null default 0,
	updated_at timestamptz,
	primary key (tenant_id, object_id)
);
create index dynamic_evaluations_pending on dynamic_evaluations (tenant_id, after_id, object_id) where after_id is not null;

-- Groups that a user.memberOf rule names.
create table dynamic_sources (
	tenant_id uuid not null,
	object_id uuid not null,
	source_id uuid not null,
	primary key (tenant_id, object_id, source_id)
);
create index dynamic_sources_source on dynamic_sources (tenant_id, source_id);

create index groups_dynamic on groups (tenant_id, id) where dynamic;
create index administrative_units_dynamic on administrative_units (tenant_id, id) where dynamic;

-- Members of a dynamic group or unit come and go by its rule alone (INV-12):
-- only the evaluator, which says so in its transaction, writes them. Links
-- that sleep because their user was deleted may end with the user.
create function keep_rule_group() returns trigger language plpgsql as $$
declare
	link group_members := coalesce(new, old);
begin
	if exists (select from groups where tenant_id = link.tenant_id and id = link.group_id and dynamic) then
		raise exception 'the members of % follow from its rule', link.group_id
			using errcode = '23514', constraint = 'members_by_rule';
	end if;
	return link;
end $$;
create trigger group_members_added_by_rule before insert on group_members for each row
	when (current_setting('app.evaluator', true) is distinct from 'on') execute function keep_rule_group();
create trigger group_members_removed_by_rule before delete on group_members for each row
	when (not old.dormant and current_setting('app.evaluator', true) is distinct from 'on') execute function keep_rule_group();

create function keep_rule_unit() returns trigger language plpgsql as $$
declare
	link unit_members := coalesce(new, old);
begin
	if exists (select from administrative_units where tenant_id = link.tenant_id and id = link.unit_id and dynamic) then
		raise exception 'the members of % follow from its rule', link.unit_id
			using errcode = '23514', constraint = 'members_by_rule';
	end if;
	return link;
end $$;
create trigger unit_members_added_by_rule before insert on unit_members for each row
	when (current_setting('app.evaluator', true) is distinct from 'on') execute function keep_rule_unit();
create trigger unit_members_removed_by_rule before delete on unit_members for each row
	when (not old.dormant and current_setting('app.evaluator', true) is distinct from 'on') execute function keep_rule_unit();

do $$
declare name text;
begin
	foreach name in array array['dynamic_positions', 'dynamic_evaluations', 'dynamic_sources'] loop
		execute format('alter table %I alter column tenant_id set (n_distinct = 1)', name);
		execute format('alter table %I enable row level security, force row level security', name);
		execute format('create policy tenant on %I using (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid)', name);
	end loop;
end $$;
