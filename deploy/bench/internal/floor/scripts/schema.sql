-- The tables of the floors: one wide row like a user's, one audit row, one
-- change row, with the indexes that such rows need at least. Keys are given by
-- who inserts: a generated column costs more than it holds.
create schema if not exists floor;
create table if not exists floor.object (
  tenant_id uuid not null, id uuid not null default gen_random_uuid(),
  name text not null, name_key text collate "C" not null,
  upn text not null, upn_key text collate "C" not null,
  a text, b text, c text, d text, e text, f text, g text, h text,
  enabled boolean not null default true, kind smallint not null default 1,
  created_at timestamptz not null default now(),
  primary key (tenant_id, id)
);
create unique index if not exists object_upn on floor.object (tenant_id, upn_key);
create index if not exists object_name on floor.object (tenant_id, name_key, id);
create table if not exists floor.audit (
  tenant_id uuid not null, id uuid not null default gen_random_uuid(), at timestamptz not null default now(),
  event jsonb not null, primary key (tenant_id, id)
);
create index if not exists audit_at on floor.audit (tenant_id, at, id);
create table if not exists floor.change (
  tenant_id uuid not null, xid xid8 not null default pg_current_xact_id(), seq bigint generated always as identity,
  object_id uuid not null, primary key (tenant_id, xid, seq)
);
create or replace function floor.object_id(n int) returns uuid language sql immutable as
  $$ select ('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid $$;
do $$
begin
  if not exists (select from floor.object) then
    insert into floor.object (tenant_id, id, name, name_key, upn, upn_key, a, b, c, d, e, f, g, h)
      select '11111111-1111-4111-8111-111111111111', floor.object_id(n), 'Person ' || n, 'person ' || n, 'person' || n || '@floor.example', 'person' || n || '@floor.example', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'
      from generate_series(1, 20000) as n;
  end if;
end $$;
