-- Settings that the database has for the login (`pgrst.*`), by key without that prefix. For this database before those
-- for all databases; what a function set in this transaction comes last.
-- Parameters: $1 text[] names that count, with prefix; $2 boolean, whether a function was called before in this
-- transaction. Privileges: none. Oldest PostgreSQL: 14.
with role_setting as (
  select s.setdatabase as database, config.entry
  from pg_catalog.pg_db_role_setting s
  join pg_catalog.pg_roles r on r.oid = s.setrole
  cross join lateral pg_catalog.unnest(s.setconfig) as config(entry)
  where r.rolname = current_user
    and (
      s.setdatabase = 0
      or s.setdatabase = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
    )
), setting as (
  select
    database,
    pg_catalog.substr(entry, 1, pg_catalog.strpos(entry, '=') - 1) as name,
    pg_catalog.substr(entry, pg_catalog.strpos(entry, '=') + 1) as value
  from role_setting
  union all
  select null, name, pg_catalog.current_setting(name, true)
  from pg_catalog.unnest($1::text[]) as name
  where $2::boolean
)
select distinct on (name) pg_catalog.substr(name, pg_catalog.length('pgrst.') + 1) as key, value
from setting
where name = any ($1::text[]) and value is not null
order by name, database desc nulls last
