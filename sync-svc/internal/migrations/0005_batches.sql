-- Stored batches live for a moment, and most of what storing them costs is
-- their compression: the quicker method, where the server was built with it.
do $$
begin
    alter table batches alter column request set compression lz4;
    alter table batches alter column drafts set compression lz4;
exception when feature_not_supported then
    null;
end $$;
