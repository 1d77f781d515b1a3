\set n random(1, 20000)
select * from floor.object where tenant_id = '11111111-1111-4111-8111-111111111111' and id = floor.object_id(:n);
