-- The search tokens of users in a table of their own (DIR-206): a token is found
-- by its beginning, which no index of an array does. The array stays: it is
-- what the tokens are made from.

create table user_words (
	tenant_id uuid not null,
	user_id uuid not null,
	word text collate "C" not null,
	primary key (tenant_id, word, user_id)
);
create index user_words_user on user_words (tenant_id, user_id, word);
comment on table user_words is 'Search tokens of the names of users: written with a new user, kept by triggers after that.';
alter table user_words alter column tenant_id set (n_distinct = 1);

alter table users no force row level security;
insert into user_words select distinct tenant_id, id, unnest(display_name_words) from users;
alter table users force row level security;

alter table user_words enable row level security, force row level security;
create policy tenant on user_words using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);

create function keep_words() returns trigger language plpgsql as $$
begin
	delete from user_words where tenant_id = old.tenant_id and user_id = old.id;
	if tg_op = 'UPDATE' then
		insert into user_words select distinct new.tenant_id, new.id, unnest(new.display_name_words);
	end if;
	return null;
end $$;
create trigger users_words_changed after update of display_name_words on users for each row
	when (old.display_name_words is distinct from new.display_name_words) execute function keep_words();
create trigger users_words_gone after delete on users for each row when (cardinality(old.display_name_words) > 0) execute function keep_words();
