-- Columns of exposed views and foreign tables that cannot be written although the relation can: they show an
-- expression. What a trigger does instead is unknown, so views that only triggers write have none. Every view is opened
-- and analysed once a column, which is why only those ask who need to know.
-- Parameters: $1 text, a JSON list of exposed schemas. Privileges: none. Oldest PostgreSQL: 14.
select a.attrelid, a.attname
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relkind in ('v', 'f')
  and n.nspname in (select pg_catalog.json_array_elements_text($1::json))
  and pg_catalog.pg_relation_is_updatable(c.oid, false) <> 0
  and not pg_catalog.pg_column_is_updatable(c.oid, a.attnum, false)
order by a.attrelid, a.attnum
