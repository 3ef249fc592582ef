-- What PostgreSQL comes with that does more than compute, and whether something could be taken for it.
-- This and the other `code_*_list.sql` are every object through which reading or writing can run code, with the expressions
-- that are kept for it; `proven` resolves them. They are several, because PostgreSQL plans each in one go. Each gives one row an object,
-- and for some objects several, which all count: its sort, its number, whether it is harmless by itself, whether it is code in C that does not come
-- with PostgreSQL (which may look at any setting), other numbers that it leads to (list), stored expressions (list). The number of an insert,
-- update or delete is its table's oid plus 1, 2 or 3 times 2^32, that of anything else its oid.
-- Harmless by itself: a function of PostgreSQL's own kind or of an extension in C that is not volatile and parallel
-- safe, which excludes whatever changes a session; a function whose body is stored as an expression; a write that fires
-- no trigger and no rule but PostgreSQL's own.
-- No row at all where nothing tells of schema changes (an event trigger is missing or disabled), because then nothing
-- stays proven.
-- Here: sort `unsafe`, PostgreSQL's own functions that do more than compute. Sort `shadow` is there only if an operator, a cast or
-- part of an operator class could be taken for one of PostgreSQL's, or run where one of them is, whatever is read. Sort `doubt`
-- are domains and ranges named like a function of PostgreSQL's: a call with one argument can be a cast to them. Why: `shadows`.
-- Parameters: none. Privileges: none. Oldest PostgreSQL: 14.
with native as (
  select oid from pg_catalog.pg_language where lanname in ('internal', 'c')
), unknown as not materialized (
  -- What an operator or a cast should not run. Operators can be made of PostgreSQL's own functions by everybody.
  select p.oid from pg_catalog.pg_proc p
  where p.prolang not in (select oid from native) or p.oid < 16384 and (p.provolatile = 'v' or p.proparallel <> 's')
), rows as (
  select 'unsafe' as sort, p.oid::bigint as number, false as harmless, false as opaque, '[]'::json as leads, '[]'::json as trees
  from pg_catalog.pg_proc p
  where p.oid < 16384
    -- The last two read a value as a type that is named by text, with whatever that type checks.
    and (p.provolatile = 'v' or p.proparallel <> 's' or p.proname in ('pg_input_is_valid', 'pg_input_error_info'))
    -- These are volatile because they give something else each time, and leave nothing behind.
    and p.proname not in ('clock_timestamp', 'timeofday', 'gen_random_uuid', 'uuidv4', 'uuidv7', 'random', 'random_normal')
  union all
  select 'shadow', 0, false, false, '[]', '[]'
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
  union all
  select 'doubt', t.oid::bigint, false, false, '[]', '[]'
  from pg_catalog.pg_type t
  where t.oid >= 16384 and t.typtype in ('d', 'r', 'm') and exists (
    select from pg_catalog.pg_proc b
    where b.proname = t.typname and b.pronamespace = 'pg_catalog'::pg_catalog.regnamespace and b.oid < 16384)
)
select sort, number, harmless, opaque, leads, trees
from rows
where (
  select pg_catalog.count(*) from pg_catalog.pg_event_trigger e
  where e.evtname in ('ferrobase_ddl', 'ferrobase_drop') and e.evtenabled in ('A', 'O')
) = 2
