-- What relations are called now, and their columns with their types, written as in column_list: whether a catalog that was
-- read before still tells of them. Types are named by format_type: run with an empty search_path.
-- Parameters: $1 text, a JSON list of oids. Privileges: none. Oldest PostgreSQL: 14.
select
  c.oid,
  n.nspname,
  c.relname,
  pg_catalog.to_json(array(
    select pg_catalog.json_build_array(a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod))
    from pg_catalog.pg_attribute a
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    order by a.attnum
  ))
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.oid = any (array(select e::oid from pg_catalog.json_array_elements_text($1::json) as e))
