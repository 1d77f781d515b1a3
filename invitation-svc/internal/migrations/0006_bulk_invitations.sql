-- Invitations by CSV: jobs and their rows. Each row knows from the beginning
-- the id of the invitation it is to make, so that who goes on after a kill
-- finds it.

create table bulk_invitations (
	tenant_id uuid not null,
	id uuid not null,
	status smallint not null check (status between 1 and 5),
	total int not null,
	inviter_kind smallint not null check (inviter_kind in (1, 2)),
	inviter_id uuid not null,
	app_id uuid not null,
	scopes text[] not null,
	request_id text not null,
	created_at timestamptz not null,
	started_at timestamptz,
	completed_at timestamptz,
	primary key (tenant_id, id)
);
comment on column bulk_invitations.scopes is 'Delegated permissions of the user who began; empty for an application, whose permissions are those of the moment.';
-- One job of a tenant runs at a time.
create unique index bulk_invitations_running on bulk_invitations (tenant_id) where status in (1, 2);

create table bulk_invitation_rows (
	tenant_id uuid not null,
	bulk_id uuid not null,
	row_number int not null,
	input text[] not null,
	same_as int not null,
	invitation_id uuid not null,
	outcome smallint check (outcome in (1, 2)),
	error_code text,
	error_message text,
	user_id uuid,
	primary key (tenant_id, bulk_id, row_number),
	foreign key (tenant_id, bulk_id) references bulk_invitations (tenant_id, id) on delete cascade
);
comment on column bulk_invitation_rows.same_as is 'Earlier row with the same address, whose outcome this one shares; 0 for none.';
comment on column bulk_invitation_rows.outcome is '1 invited, 2 failed, null while it waits';

alter table bulk_invitations enable row level security;
alter table bulk_invitations force row level security;
create policy tenant on bulk_invitations
	using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
	with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);

alter table bulk_invitation_rows enable row level security;
alter table bulk_invitation_rows force row level security;
create policy tenant on bulk_invitation_rows
	using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
	with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);

-- Jobs that nobody works on any more, and those to forget.
alter table timers drop constraint timers_kind_check;
alter table timers add constraint timers_kind_check check (kind between 1 and 6);
