-- Mail contacts: people with an address and no account.

create table contacts (
	tenant_id uuid not null,
	id uuid not null,
	display_name text not null check (length(display_name) between 1 and 256),
	mail text not null,
	mail_nickname text not null,
	given_name text,
	surname text,
	job_title text,
	department text,
	company_name text,
	phones jsonb,
	addresses jsonb,
	display_name_key text collate "C" generated always as (lower(display_name)) stored,
	mail_key text collate "C" generated always as (lower(mail)) stored,
	display_name_words text[],
	proxy_addresses text[],
	created_at timestamptz not null,
	version bigint not null default 1,
	primary key (tenant_id, id)
);
create index contacts_display_name on contacts (tenant_id, display_name_key, id);
create index contacts_mail on contacts (tenant_id, mail_key);

-- The address list in the order it is shown (DIR-121).
create index users_address_list on users (tenant_id, display_name_key, id)
	where deleted_at is null and mail is not null and show_in_address_list is distinct from false;

do $$
declare name text;
begin
	foreach name in array array['contacts'] loop
		execute format('alter table %I alter column tenant_id set (n_distinct = 1)', name);
		execute format('alter table %I enable row level security, force row level security', name);
		execute format('create policy tenant on %I using (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid)', name);
	end loop;
end $$;
