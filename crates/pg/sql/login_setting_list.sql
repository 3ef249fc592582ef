-- Names of the settings that the session's login may have given itself (ALTER ROLE ... SET), comma-separated; null when
-- there are none. What only a superuser can give (temp_file_limit) is not among them, nor is PostgREST's configuration
-- in the database (pgrst.*), which PostgreSQL itself does not act on.
-- Parameters: none. Privileges: those of PUBLIC. Oldest PostgreSQL: 14. Every name is qualified, because search_path may
-- be one of them.
select pg_catalog.string_agg(pg_catalog.split_part(item, '=', 1), ', ')
  from pg_catalog.pg_db_role_setting as s,
       pg_catalog.unnest(s.setconfig) as item
 where s.setrole operator(pg_catalog.=) (
           select r.oid from pg_catalog.pg_roles as r where r.rolname operator(pg_catalog.=) session_user)
   and s.setdatabase operator(pg_catalog.=) any (
           select 0::pg_catalog.oid
           union all
           select d.oid from pg_catalog.pg_database as d
            where d.datname operator(pg_catalog.=) pg_catalog.current_database())
   and item operator(pg_catalog.!~~) 'pgrst.%'
   and not exists (
           select from pg_catalog.pg_settings as p
            where p.name operator(pg_catalog.=) pg_catalog.split_part(item, '=', 1)
              and p.context operator(pg_catalog.<>) 'user')
