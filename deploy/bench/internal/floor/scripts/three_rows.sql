\set n random(1, 2000000000)
\set m random(1, 2000000000)
begin;
insert into floor.object (tenant_id, name, name_key, upn, upn_key, a, b, c, d, e, f, g, h) values ('11111111-1111-4111-8111-111111111111', 'Person ' || :n, 'person ' || :n, 'p' || :n || '-' || :m || '@floor.example', 'p' || :n || '-' || :m || '@floor.example', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
insert into floor.audit (tenant_id, event) values ('11111111-1111-4111-8111-111111111111', '{"activity": "Add user", "target": "person", "modified": [{"name": "displayName", "new": "Person"}]}');
insert into floor.change (tenant_id, object_id) values ('11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222');
commit;
