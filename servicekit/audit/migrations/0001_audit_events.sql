create table audit_events (
	tenant_id   uuid        not null,
	id          uuid        not null,
	at          timestamptz not null,
	activity    text        not null,
	category    text        not null,
	service     text        not null,
	operation   text        not null,
	result      smallint    not null,
	reason      text,
	correlation text        not null,
	initiator   jsonb       not null,
	targets     jsonb       not null,
	details     jsonb       not null,
	-- What targets can be found by, folded, element by element.
	target_ids   text[]     not null,
	target_names text[]     not null,
	primary key (tenant_id, id)
);
comment on table audit_events is 'What was done, by whom, to what. @append-only';

-- Lists go by time, either way; other conditions filter on the way.
create index audit_events_at on audit_events (tenant_id, at, id);

alter table audit_events enable row level security;
alter table audit_events force row level security;
create policy tenant on audit_events
	using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
	with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
