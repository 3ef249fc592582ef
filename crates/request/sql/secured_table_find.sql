-- One table with what decides whether a role may touch its rows.
-- Parameters: 1 schema, 2 name, 3 the role. Privileges: none. Oldest PostgreSQL: 14.
select
  c.oid,
  c.relkind,
  c.relrowsecurity,
  c.relforcerowsecurity,
  r.rolbypassrls or r.rolsuper as passes,
  pg_catalog.pg_has_role(r.oid, c.relowner, 'usage') as owns,
  pg_catalog.has_schema_privilege(r.oid, c.relnamespace, 'usage') as uses_schema,
  pg_catalog.has_table_privilege(r.oid, c.oid, 'delete') as deletes,
  r.oid is not null as has_role,
  -- The topmost table of a partition: what the API shows.
  (
    select pg_catalog.format('%s.%s', root_schema.nspname, root.relname)
    from pg_catalog.pg_class root
    join pg_catalog.pg_namespace root_schema on root_schema.oid = root.relnamespace
    where c.relispartition and root.oid = pg_catalog.pg_partition_root(c.oid)) as partition_of
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join pg_catalog.pg_roles r on r.rolname = $3::name
where n.nspname = $1::name and c.relname = $2::name
  and c.relkind in ('r', 'p', 'v', 'm', 'f')
