-- Settings of roles (ALTER ROLE ... SET), those for this database before those for all databases, with the context
-- in which PostgreSQL lets them be set. Settings that the server does not know are left out: nobody can apply them
-- with a known meaning.
-- Parameters: none. Privileges: none. Oldest PostgreSQL: 14.
select
  r.rolname,
  pg_catalog.substr(config.entry, 1, pg_catalog.strpos(config.entry, '=') - 1) as name,
  pg_catalog.substr(config.entry, pg_catalog.strpos(config.entry, '=') + 1) as value,
  known.context
from pg_catalog.pg_db_role_setting s
join pg_catalog.pg_roles r on r.oid = s.setrole
cross join lateral pg_catalog.unnest(s.setconfig) with ordinality as config(entry, position)
join pg_catalog.pg_settings known
  on known.name = pg_catalog.substr(config.entry, 1, pg_catalog.strpos(config.entry, '=') - 1)
where s.setdatabase = 0
  or s.setdatabase = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
order by r.rolname, s.setdatabase desc, config.position
