-- A first cycle fills tables faster than statistics follow by themselves, and
-- for a job that the planner has never heard of every index looks equally good.
-- The serving role owns nothing, so it asks for fresh statistics by this function.
create function refresh_statistics() returns void language plpgsql security definer set search_path from current as $$
begin
    analyze links;
    analyze escrows;
end $$;
comment on function refresh_statistics() is 'Brings the statistics of links and escrows up to date after a bulk of changes.';
