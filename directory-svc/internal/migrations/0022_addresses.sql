-- An address is one object's whatever its kind (INV-3, DIR-115). Of SMTP
-- addresses the unique index says so; the few others are compared here, with
-- those of any kind that another object has.

create index addresses_other on addresses (tenant_id, address_key) where live and kind <> 'smtp';

create function keep_address() returns trigger language plpgsql as $$
declare
	held boolean;
begin
	-- Generated columns are not there yet.
	if new.kind = 'smtp' then
		held := exists (select from addresses where tenant_id = new.tenant_id and address_key = lower(new.address) and live and kind <> 'smtp' and owner_id <> new.owner_id);
	else
		held := exists (select from addresses where tenant_id = new.tenant_id and address_key = lower(new.address) and live and kind = 'smtp' and owner_id <> new.owner_id)
			or exists (select from addresses where tenant_id = new.tenant_id and address_key = lower(new.address) and live and kind <> 'smtp' and owner_id <> new.owner_id);
	end if;
	if held then
		raise exception 'address % is of another object', new.address using errcode = '23505', constraint = 'addresses_unique';
	end if;
	return new;
end $$;
create trigger addresses_one_owner before insert on addresses for each row when (new.live) execute function keep_address();
