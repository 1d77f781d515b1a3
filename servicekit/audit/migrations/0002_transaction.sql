-- The transaction of a record, which is that of the change it is about.
alter table audit_events add column xid xid8;
alter table audit_events alter column xid set default pg_current_xact_id();
