-- Sort `doubt`: domains and ranges named like a function of PostgreSQL's, because a call with one argument can be a cast to them. Why: `shadows`.
-- The columns, and when there is no row at all: `code_own_list.sql`.
-- Parameters: none. Privileges: none. Oldest PostgreSQL: 14.
select 'doubt' as sort, t.oid::bigint as number, false as harmless, false as opaque, '[]'::json as leads, '[]'::json as trees
from pg_catalog.pg_type t
where t.oid >= 16384 and t.typtype in ('d', 'r', 'm')
  and t.typname in (
    select b.proname from pg_catalog.pg_proc b
    where b.pronamespace = 'pg_catalog'::pg_catalog.regnamespace and b.oid < 16384)
  and (
    select pg_catalog.count(*) from pg_catalog.pg_event_trigger e
    where e.evtname in ('ferrobase_ddl', 'ferrobase_drop', 'ferrobase_index') and e.evtenabled in ('A', 'O')
  ) = 3
