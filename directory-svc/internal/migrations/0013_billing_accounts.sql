-- Tenants by the account that pays for them (DIR-220).
create index tenants_billing_account on tenants (billing_account_id) where billing_account_id is not null;
