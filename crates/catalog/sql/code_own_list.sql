-- What PostgreSQL comes with that does more than compute.
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
-- Here: sort `unsafe`, PostgreSQL's own functions that do more than compute.
-- Parameters: none. Privileges: none. Oldest PostgreSQL: 14.
with rows as (
  select 'unsafe' as sort, p.oid::bigint as number, false as harmless, false as opaque, '[]'::json as leads, '[]'::json as trees
  from pg_catalog.pg_proc p
  where p.oid < 16384
    -- The last two read a value as a type that is named by text, with whatever that type checks.
    and (p.provolatile = 'v' or p.proparallel <> 's' or p.proname in ('pg_input_is_valid', 'pg_input_error_info'))
    -- These are volatile because they give something else each time, and leave nothing behind.
    and p.proname not in ('clock_timestamp', 'timeofday', 'gen_random_uuid', 'uuidv4', 'uuidv7', 'random', 'random_normal')
)
select sort, number, harmless, opaque, leads, trees
from rows
where (
  select pg_catalog.count(*) from pg_catalog.pg_event_trigger e
  where e.evtname in ('ferrobase_ddl', 'ferrobase_drop', 'ferrobase_index') and e.evtenabled in ('A', 'O')
) = 3
