-- Sign-ins of one request, in the order of the log.
drop index sign_ins_correlation;
create index sign_ins_correlation on sign_ins (tenant_id, correlation_id, created_at, id) where correlation_id is not null;
