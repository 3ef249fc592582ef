-- What applications written for Supabase expect: objects that the owner makes in public from now on are granted to the
-- API roles, and row-level security decides (design 8.6). TRUNCATE is left out, because no policy binds it.
-- Once, at the first installation. Privileges: CREATE on schema public, for the defaults to matter.
-- Oldest PostgreSQL: 14.
do $$
begin
    grant usage on schema public to anon, authenticated, service_role;
exception when insufficient_privilege then
    raise notice 'usage on schema public is not ours to grant';
end
$$;
alter default privileges in schema public
    grant select, insert, update, delete on tables to anon, authenticated;
alter default privileges in schema public
    grant usage, select on sequences to anon, authenticated;
alter default privileges in schema public
    grant execute on functions to anon, authenticated, service_role;
alter default privileges in schema public
    grant all on tables to service_role;
alter default privileges in schema public
    grant all on sequences to service_role;
