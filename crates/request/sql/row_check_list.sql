-- The CHECK constraints of a table, with the columns that each looks at.
-- Parameters: 1 the table's oid. Privileges: none. Relies on pg_constraint_conrelid_contypid_conname_index.
-- Oldest PostgreSQL: 14.
select
  c.conname,
  pg_catalog.pg_get_expr(c.conbin, c.conrelid) as expression,
  pg_catalog.to_json(array(
    select a.attname
    from pg_catalog.pg_attribute a
    where a.attrelid = c.conrelid and a.attnum = any (c.conkey))) as columns
from pg_catalog.pg_constraint c
where c.conrelid = $1::oid and c.contype = 'c'
  -- PostgreSQL 18 has constraints that nothing enforces; going through JSON lets one text serve all.
  and coalesce((pg_catalog.to_jsonb(c) ->> 'conenforced')::boolean, true)
order by c.conname
