-- Values by which a mail address finds a user and that no index of users
-- holds. Most users have none: their mail and the address they were invited
-- at are columns of their own.

create table mail_keys (
	tenant_id uuid not null,
	user_id uuid not null,
	key text collate "C" not null,
	live boolean not null,
	primary key (tenant_id, user_id, key)
);
comment on table mail_keys is 'Further keys of users by mail address: other mails, and the names of soft-deleted users.';
create index mail_keys_key on mail_keys (tenant_id, key, live);
alter table mail_keys alter column tenant_id set (n_distinct = 1);

-- The owner reads users of every tenant here, which row-level security would
-- hide while it is forced.
alter table users no force row level security;
insert into mail_keys (tenant_id, user_id, key, live)
	select u.tenant_id, u.id, k.key, u.deleted_at is null from users u
		cross join lateral (
			select lower(m) from unnest(u.other_mails) m
			union
			select u.user_principal_name_key where u.deleted_at is not null
		) k (key)
	where k.key is distinct from u.mail_key and k.key is distinct from u.invited_email_key;
alter table users force row level security;

alter table mail_keys enable row level security, force row level security;
create policy tenant on mail_keys using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
