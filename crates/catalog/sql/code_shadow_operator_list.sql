-- Sort `shadow`, if an operator, a cast or part of an operator class could be taken for one of PostgreSQL's, or run where one of them is,
-- whatever is read. Why: `shadows`.
-- The columns, and when there is no row at all: `code_own_list.sql`.
-- Parameters: none. Privileges: none. Oldest PostgreSQL: 14.
with native as (
  select oid from pg_catalog.pg_language where lanname in ('internal', 'c')
), unknown as not materialized (
  -- What an operator or a cast should not run. Operators can be made of PostgreSQL's own functions by everybody.
  select p.oid from pg_catalog.pg_proc p
  where p.prolang not in (select oid from native)
    or p.oid < 16384 and (p.provolatile = 'v' or p.proparallel <> 's' or p.proname in ('pg_input_is_valid', 'pg_input_error_info'))
), rows (sort, number, harmless, opaque, leads, trees) as (
  select 'shadow', 0, false, false, '[]'::json, '[]'::json
  where exists (
    select from pg_catalog.pg_operator o
    join unknown u on u.oid = o.oprcode
    left join pg_catalog.pg_operator k on k.oid = o.oprcom
    left join unknown uk on uk.oid = k.oprcode,
    lateral (
      -- Sides of a type of somebody's own that values of other types become only when they are told to.
      select coalesce(pg_catalog.bool_or(t.oid = o.oprleft), false) as is_left,
             coalesce(pg_catalog.bool_or(t.oid = o.oprright), false) as is_right,
             coalesce(pg_catalog.bool_or(t.oid = o.oprright and t.typcategory <> 'S' and not t.typispreferred), false) as is_last
      from pg_catalog.pg_type t
      left join pg_catalog.pg_type e on e.oid = t.typelem and t.typcategory = 'A'
      where t.oid in (o.oprleft, o.oprright)
        and coalesce(e.oid, t.oid) >= 16384 and coalesce(e.typtype, t.typtype) in ('b', 'e', 'r', 'm')
        and not exists (
          select from pg_catalog.pg_cast c
          where c.castcontext = 'i' and c.casttarget in (t.oid, e.oid) and c.castsource <> c.casttarget)
    ) as own
    where o.oid >= 16384
      -- The left side always has a type, but for texts before `||`. PostgreSQL may turn sides round.
      and not (own.is_left and (own.is_right or o.oprname <> '||' and (k.oid is null or uk.oid is not null)))
      and not (o.oprleft = 0 and own.is_right)
      -- Of two operators with this left side a value without a type never goes to that of the other type.
      and not (own.is_last and exists (
        select from pg_catalog.pg_operator b
        where b.oprname = o.oprname and b.oprleft = o.oprleft and b.oprright = o.oprleft
          and b.oprnamespace in (o.oprnamespace, 'pg_catalog'::pg_catalog.regnamespace)))
  ) or exists (
    select from pg_catalog.pg_amproc m
    join pg_catalog.pg_proc p on p.oid = m.amproc
    where m.oid >= 16384 and p.prolang not in (select oid from native)
  ) or exists (
    select from pg_catalog.pg_cast c
    join unknown u on u.oid = c.castfunc
    where c.oid >= 16384 and c.castsource < 16384 and (c.casttarget < 16384 or c.castcontext = 'i')
  )
)
select sort, number, harmless, opaque, leads, trees
from rows
where (
  select pg_catalog.count(*) from pg_catalog.pg_event_trigger e
  where e.evtname in ('ferrobase_ddl', 'ferrobase_drop', 'ferrobase_index') and e.evtenabled in ('A', 'O')
) = 3
