-- Types, and the conditions of domains.
-- The columns, and when there is no row at all: `code_own_list.sql`.
-- Parameters: $1 text, a JSON list of oids (only objects that have one of them), or null for everything. Privileges: none. Oldest PostgreSQL: 14.
with chosen as (
  select array(select e::oid from pg_catalog.json_array_elements_text($1::json) as e) as oids
), native as (
  select oid from pg_catalog.pg_language where lanname in ('internal', 'c')
), unknown as not materialized (
  select p.oid from pg_catalog.pg_proc p
  where p.prolang not in (select oid from native)
    or p.oid < 16384 and (p.provolatile = 'v' or p.proparallel <> 's' or p.proname in ('pg_input_is_valid', 'pg_input_error_info'))
), converted as (
  -- Types with an operator or a cast of somebody's own, which PostgreSQL may choose where we compare or show a value.
  select e.oid
  from pg_catalog.pg_operator o
  join unknown u on u.oid = o.oprcode,
    lateral (values (o.oprleft), (o.oprright)) as e (oid)
  where o.oid >= 16384
  union
  select e.oid
  from pg_catalog.pg_cast c
  join unknown u on u.oid = c.castfunc,
    lateral (values (c.castsource), (c.casttarget)) as e (oid)
  where c.oid >= 16384
), rows (sort, number, harmless, opaque, leads, trees) as (
  select 'type', t.oid::bigint,
         t.oid not in (select oid from converted) and (
           t.typtype in ('e', 'd')
           or t.typtype = 'b' and not exists (
             select from pg_catalog.pg_proc p
             where p.oid in (t.typinput, t.typoutput) and p.prolang not in (select oid from native))),
         t.typtype = 'b' and t.typinput >= 16384,
         pg_catalog.to_json(array[t.typbasetype, t.typelem]::bigint[]),
         '[]'
  from pg_catalog.pg_type t
  where t.oid >= 16384
    and ($1::text is null or t.oid = any ((select oids from chosen)::oid[]))
  union all
  -- The conditions of domains as rows of their own, because no index finds them by domain.
  select 'type', k.contypid::bigint, true, false, '[]', pg_catalog.to_json(array[k.conbin::text])
  from pg_catalog.pg_constraint k
  -- No table has them, and there is an index by that.
  where k.conrelid = 0 and k.contypid >= 16384 and k.conbin is not null
    and ($1::text is null or k.contypid = any ((select oids from chosen)::oid[]))
)
select sort, number, harmless, opaque, leads, trees
from rows
where (
  select pg_catalog.count(*) from pg_catalog.pg_event_trigger e
  where e.evtname in ('ferrobase_ddl', 'ferrobase_drop', 'ferrobase_index') and e.evtenabled in ('A', 'O')
) = 3
