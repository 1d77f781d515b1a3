-- Invitations, the tickets and mails they give rise to, the browser flows that
-- redeem them, and what is counted against abuse. Secrets are kept as digests
-- only: tickets, verifiers, passcodes, and whoever a counter is about.

create table invitations (
	tenant_id uuid not null,
	id uuid not null,
	user_id uuid,
	state smallint not null check (state between 1 and 8),
	action smallint not null check (action between 1 and 4),
	address text not null,
	address_key text collate "C" not null,
	display_name text not null,
	user_type smallint not null check (user_type in (1, 2)),
	redirect_url text not null,
	send_message boolean not null,
	language text not null,
	message text not null,
	cc text not null,
	sponsors uuid[] not null,
	inviter_kind smallint not null check (inviter_kind between 1 and 3),
	inviter_id uuid,
	inviter_name text not null,
	inviter_mail text not null,
	inviter_guest boolean not null,
	home_tenant_id uuid,
	home_object_id uuid,
	created_at timestamptz not null,
	expires_at timestamptz not null,
	completed_at timestamptz,
	redemption_id uuid,
	redeeming_since timestamptz,
	abandoned boolean not null default false,
	primary key (tenant_id, id),
	constraint invitation_has_user check (user_id is not null or state in (1, 8)),
	constraint redeeming_has_holder check (state <> 3 or (redemption_id is not null and redeeming_since is not null)),
	constraint completed_has_time check ((state = 4) = (completed_at is not null))
);
-- One live link at a time: whoever is invited again supersedes what was open.
create unique index invitations_open on invitations (tenant_id, user_id) where state in (2, 3);
create index invitations_user on invitations (tenant_id, user_id, created_at);
create index invitations_address on invitations (tenant_id, address_key, created_at);

create table tickets (
	tenant_id uuid not null,
	invitation_id uuid not null,
	sum bytea not null check (octet_length(sum) = 32),
	class smallint not null check (class in (1, 2)),
	created_at timestamptz not null,
	primary key (tenant_id, invitation_id, sum),
	foreign key (tenant_id, invitation_id) references invitations (tenant_id, id) on delete cascade
);

create table flows (
	tenant_id uuid not null,
	id uuid not null,
	invitation_id uuid not null,
	user_id uuid not null,
	verifier_sum bytea not null check (octet_length(verifier_sum) = 32),
	state smallint not null check (state between 1 and 18),
	version bigint not null,
	link smallint not null check (link in (0, 1, 2)),
	candidates text[] not null,
	provider text not null,
	restarts smallint not null,
	identity_provider text not null,
	issuer text not null,
	subject text not null,
	home_tenant_id uuid,
	home_object_id uuid,
	identity_address text not null,
	evidence smallint not null check (evidence between 0 and 3),
	lists_invited boolean not null,
	proven boolean not null,
	waived boolean not null,
	consented boolean not null,
	terms_due text[] not null,
	code text not null,
	language text not null,
	started_at timestamptz not null,
	entered_at timestamptz not null,
	primary key (tenant_id, id),
	foreign key (tenant_id, invitation_id) references invitations (tenant_id, id) on delete cascade
);
create index flows_invitation on flows (tenant_id, invitation_id);

create table passcodes (
	tenant_id uuid not null,
	id uuid not null,
	flow_id uuid not null,
	purpose smallint not null check (purpose in (1, 2)),
	address_key text collate "C" not null,
	network text not null,
	language text not null,
	mac bytea check (octet_length(mac) = 32),
	asked_at timestamptz not null,
	expires_at timestamptz not null,
	tries smallint not null default 0 check (tries between 0 and 5),
	used_at timestamptz,
	voided_at timestamptz,
	primary key (tenant_id, id),
	foreign key (tenant_id, flow_id) references flows (tenant_id, id) on delete cascade
);
-- One live code per address and purpose: asking again voids the former.
create unique index passcodes_live on passcodes (tenant_id, address_key, purpose) where used_at is null and voided_at is null;
create index passcodes_flow on passcodes (tenant_id, flow_id, asked_at);

create table passcode_locks (
	tenant_id uuid not null,
	address_key text collate "C" not null,
	failures smallint not null,
	first_at timestamptz,
	locked_until timestamptz,
	locks smallint not null,
	primary key (tenant_id, address_key)
);

create table mails (
	tenant_id uuid not null,
	id uuid not null,
	kind smallint not null check (kind between 1 and 4),
	invitation_id uuid not null,
	passcode_id uuid,
	state smallint not null check (state between 1 and 4),
	attempts smallint not null default 0,
	created_at timestamptz not null,
	settled_at timestamptz,
	primary key (tenant_id, id),
	foreign key (tenant_id, invitation_id) references invitations (tenant_id, id) on delete cascade,
	foreign key (tenant_id, passcode_id) references passcodes (tenant_id, id) on delete cascade
);
comment on column mails.kind is '1 invitation, 2 copy, 3 notice, 4 passcode';
comment on column mails.state is '1 queued, 2 sent, 3 failed, 4 not sent because the holder of the address blocked it';
create index mails_invitation on mails (tenant_id, invitation_id, kind, created_at);

create table blocked_addresses (
	tenant_id uuid not null,
	address_key text collate "C" not null,
	blocked_at timestamptz not null,
	primary key (tenant_id, address_key)
);

create table consents (
	tenant_id uuid not null,
	id uuid not null,
	user_id uuid not null,
	invitation_id uuid not null,
	given_at timestamptz not null,
	ip text not null,
	user_agent text not null,
	text_sum bytea not null check (octet_length(text_sum) = 32),
	language text not null,
	privacy_url text not null,
	primary key (tenant_id, id)
);
comment on table consents is 'What was shown and accepted at redemption. @append-only';
create index consents_user on consents (tenant_id, user_id, given_at);

create table settings (
	tenant_id uuid primary key,
	link_lifetime_hours int check (link_lifetime_hours between 1 and 8760),
	passcode_validity_minutes int check (passcode_validity_minutes between 1 and 30),
	strict_address boolean,
	redirect_hosts text[] not null default '{}'
);

alter table invitations enable row level security;
alter table invitations force row level security;
create policy tenant on invitations
	using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
	with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);

alter table tickets enable row level security;
alter table tickets force row level security;
create policy tenant on tickets
	using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
	with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);

alter table flows enable row level security;
alter table flows force row level security;
create policy tenant on flows
	using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
	with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);

alter table passcodes enable row level security;
alter table passcodes force row level security;
create policy tenant on passcodes
	using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
	with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);

alter table passcode_locks enable row level security;
alter table passcode_locks force row level security;
create policy tenant on passcode_locks
	using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
	with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);

alter table mails enable row level security;
alter table mails force row level security;
create policy tenant on mails
	using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
	with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);

alter table blocked_addresses enable row level security;
alter table blocked_addresses force row level security;
create policy tenant on blocked_addresses
	using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
	with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);

alter table consents enable row level security;
alter table consents force row level security;
create policy tenant on consents
	using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
	with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);

alter table settings enable row level security;
alter table settings force row level security;
create policy tenant on settings
	using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
	with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);

-- Events per subject and slice of time (package throttle). The subject is a
-- keyed digest, so the table says nothing about anybody.
create table counters (
	subject bytea not null,
	bucket timestamptz not null,
	events int not null,
	gone_at timestamptz not null,
	primary key (subject, bucket)
);
comment on table counters is 'Events against limits, of all tenants together. @global';
create index counters_gone on counters (gone_at);

-- What has to be looked at later, whatever happens to the process until then:
-- sagas to finish, commits to repeat, links to end, flows to forget.
create table timers (
	at timestamptz not null,
	kind smallint not null check (kind between 1 and 5),
	tenant_id uuid not null,
	id uuid not null,
	primary key (kind, tenant_id, id)
);
comment on table timers is 'Wake-up times by tenant; names no content. @global';
create index timers_at on timers (at);
