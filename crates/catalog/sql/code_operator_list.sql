-- Operators.
-- The columns, and when there is no row at all: `code_own_list.sql`.
-- Parameters: $1 text, a JSON list of oids (only objects that have one of them), or null for everything. Privileges: none. Oldest PostgreSQL: 14.
with chosen as (
  select array(select e::oid from pg_catalog.json_array_elements_text($1::json) as e) as oids
), rows (sort, number, harmless, opaque, leads, trees) as (
  select 'operator', o.oid::bigint, true, false, pg_catalog.to_json(array[o.oprcode::oid::bigint]), '[]'
  from pg_catalog.pg_operator o
  where o.oid >= 16384
    and ($1::text is null or o.oid = any ((select oids from chosen)::oid[]))
)
select sort, number, harmless, opaque, leads, trees
from rows
where (
  select pg_catalog.count(*) from pg_catalog.pg_event_trigger e
  where e.evtname in ('ferrobase_ddl', 'ferrobase_drop', 'ferrobase_index') and e.evtenabled in ('A', 'O')
) = 3
