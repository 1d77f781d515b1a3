-- Whether a tenant was suspended when its deletion was asked for: it comes
-- back as it was (DIR-20).
alter table tenants add column suspended boolean not null default false;
