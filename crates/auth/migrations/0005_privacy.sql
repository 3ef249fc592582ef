-- Nobody but the schema's owner reads or writes its tables: API roles have no grant, and row security without a policy
-- answers nothing if somebody grants one by mistake.
do $$
declare
    owned record;
begin
    for owned in
        select relname from pg_class where relnamespace = 'auth'::regnamespace and relkind in ('r', 'p')
    loop
        execute format('alter table auth.%I enable row level security', owned.relname);
        execute format('revoke all on auth.%I from public, anon, authenticated', owned.relname);
    end loop;
end
$$;
