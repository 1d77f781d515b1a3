\set n random(1, 19000)
select id, name, upn, a, b, c, d, e, f, g, h from floor.object where tenant_id = '11111111-1111-4111-8111-111111111111' and id > floor.object_id(:n) order by id limit 100;
