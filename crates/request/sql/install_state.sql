-- What the installation must know about the cluster and the database, as one JSON value. $1 JSON list of role names.
-- Privileges: none. Oldest PostgreSQL: 14.
select jsonb_build_object(
    'user', current_user,
    'database', current_database(),
    'is_superuser', (select rolsuper from pg_catalog.pg_roles where rolname = current_user),
    'may_create_roles', (select rolsuper or rolcreaterole from pg_catalog.pg_roles where rolname = current_user),
    'may_bypass_rls', (select rolsuper or rolbypassrls from pg_catalog.pg_roles where rolname = current_user),
    'acts_as', (
        select coalesce(jsonb_agg(rolname), '[]')
        from pg_catalog.pg_roles
        where rolname in (select pg_catalog.jsonb_array_elements_text($1::jsonb))
          and pg_catalog.pg_has_role(current_user, oid, 'usage')
    ),
    'owns_database', (
        select pg_catalog.pg_has_role(datdba, 'usage') from pg_catalog.pg_database where datname = current_database()
    ),
    'is_replica', pg_catalog.pg_is_in_recovery(),
    'public_may_make_temporary', pg_catalog.has_database_privilege('public', current_database(), 'temporary'),
    'has_logical_wal', current_setting('wal_level') = 'logical',
    'has_publication', exists (select from pg_catalog.pg_publication where pubname = 'supabase_realtime'),
    'has_ddl_trigger', exists (select from pg_catalog.pg_event_trigger where evtname = 'ferrobase_index')
        and exists (select from pg_catalog.pg_event_trigger where evtname = 'ferrobase_ddl'),
    'has_bootstrap', (
        pg_catalog.to_regclass('ferrobase.leases') is not null
        and pg_catalog.to_regclass('ferrobase.own_migrations') is not null
        and pg_catalog.to_regclass('ferrobase.secrets') is not null
        and exists (
            select from pg_catalog.pg_attribute
            where attrelid = pg_catalog.to_regclass('ferrobase.leases') and attname = 'backend_start')
    ),
    'roles', coalesce((
        select jsonb_object_agg(rolname, jsonb_build_object(
            'superuser', rolsuper,
            'create_role', rolcreaterole,
            'bypass_rls', rolbypassrls,
            'replication', rolreplication,
            'login', rolcanlogin,
            'inherit', rolinherit,
            'comment', pg_catalog.shobj_description(oid, 'pg_authid'),
            'member_of', (
                select coalesce(jsonb_agg(granted.rolname order by granted.rolname), '[]')
                from pg_catalog.pg_roles as granted
                where granted.oid <> pg_roles.oid and not pg_roles.rolsuper
                  and pg_catalog.pg_has_role(pg_roles.oid, granted.oid, 'member')
            ),
            'reaches_bypass', not rolsuper and exists (
                select from pg_catalog.pg_roles as granted
                where (granted.rolsuper or granted.rolbypassrls)
                  and granted.oid <> pg_roles.oid
                  and pg_catalog.pg_has_role(pg_roles.oid, granted.oid, 'member')
            ),
            'owns_relations', exists (select from pg_catalog.pg_class where relowner = pg_roles.oid),
            'own_settings', (
                select coalesce(jsonb_agg(jsonb_build_object(
                    'name', pg_catalog.split_part(item, '=', 1), 'in_database', setdatabase <> 0)), '[]')
                from pg_catalog.pg_db_role_setting, unnest(setconfig) as item
                where setrole = pg_roles.oid
                  and setdatabase in (
                      0, (select oid from pg_catalog.pg_database where datname = current_database()))
                  -- PostgREST's configuration in the database, which PostgreSQL itself does not act on.
                  and item not like 'pgrst.%'
                  and not exists (
                      select from pg_catalog.pg_settings as p
                      where p.name = pg_catalog.split_part(item, '=', 1) and p.context <> 'user')
            ),
            'has_temp_file_limit', exists (
                select from pg_catalog.pg_db_role_setting
                where setrole = pg_roles.oid and setdatabase = 0
                  and exists (select from unnest(setconfig) as c where c like 'temp\_file\_limit=%')
            )
        ))
        from pg_catalog.pg_roles
        where rolname in (select jsonb_array_elements_text($1::jsonb))
    ), '{}')
)::text
