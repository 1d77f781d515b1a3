-- In how many tenants the accounts of a tenant are external users (DIR-235).

create table external_accounts (
	key text collate "C" not null,
	tenant_id uuid not null,
	primary key (key, tenant_id)
);
comment on table external_accounts is 'Accounts of tenants of the installation (alternative_security_id) by the tenants where a live user is theirs. @global';
create index external_accounts_tenant on external_accounts (tenant_id);

alter table users no force row level security;
insert into external_accounts
	select alternative_security_id, tenant_id from users
		where deleted_at is null and substr(alternative_security_id, 37, 1) = ':' on conflict do nothing;
alter table users force row level security;

-- Accounts of tenants begin with a UUID and a colon; those of other issuers
-- are in no tenant.
create function note_external_account() returns trigger language plpgsql as $$
begin
	if tg_op <> 'INSERT' and old.alternative_security_id is not null then
		delete from external_accounts where key = old.alternative_security_id and tenant_id = old.tenant_id;
	end if;
	if tg_op <> 'DELETE' and new.deleted_at is null and substr(new.alternative_security_id, 37, 1) = ':' then
		insert into external_accounts values (new.alternative_security_id, new.tenant_id) on conflict do nothing;
	end if;
	return null;
end $$;
create trigger users_external_added after insert on users for each row
	when (new.alternative_security_id is not null) execute function note_external_account();
create trigger users_external_changed after update of alternative_security_id, deleted_at on users for each row
	when (old.alternative_security_id is not null or new.alternative_security_id is not null) execute function note_external_account();
create trigger users_external_removed after delete on users for each row
	when (old.alternative_security_id is not null and old.deleted_at is null) execute function note_external_account();
