-- The schemas that Ferrobase owns (design 2.4), empty until their rooms fill them, and who may look into them.
-- A schema of this name that exists is adopted as it is. Needs the roles anon, authenticated and service_role.
create schema if not exists app;
create schema if not exists extensions;
create schema if not exists auth;
create schema if not exists storage;
create schema if not exists realtime;
create schema if not exists graphql_public;

-- Functions in these are called from policies and by the application's own code. A schema that somebody else made is
-- theirs to grant.
do $$
declare
    target text;
begin
    foreach target in array array['app', 'auth', 'extensions', 'graphql_public'] loop
        begin
            execute format('grant usage on schema %I to anon, authenticated, service_role', target);
        exception when insufficient_privilege then
            raise notice 'usage on schema % is not ours to grant', target;
        end;
    end loop;
end
$$;
