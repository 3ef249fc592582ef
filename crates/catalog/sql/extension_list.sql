-- Extensions, each with the schema that its objects are in.
-- Parameters: none. Privileges: none beyond CONNECT. Oldest PostgreSQL: 14.
select e.extname, n.nspname
from pg_catalog.pg_extension e
join pg_catalog.pg_namespace n on n.oid = e.extnamespace
order by e.extname
