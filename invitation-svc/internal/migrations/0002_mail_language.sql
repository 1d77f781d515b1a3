-- The language that the guest preferred when the mail became owed, so that the
-- directory need not be asked again for every mail. Null where nobody had told.
alter table mails add column language text;
