-- User schemas with comments and who may use them.
-- Parameters: none. Privileges: none beyond CONNECT (pg_catalog is world-readable). Oldest PostgreSQL: 14.
select
  n.nspname,
  d.description,
  pg_catalog.pg_get_userbyid(n.nspowner),
  pg_catalog.to_json(coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))::text[])
from pg_catalog.pg_namespace n
left join pg_catalog.pg_description d
  on d.objoid = n.oid and d.classoid = 'pg_catalog.pg_namespace'::pg_catalog.regclass and d.objsubid = 0
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
order by n.nspname
