-- Every object through which reading or writing can run code, with the expressions that are kept for it: functions,
-- relations (policies, views, and whatever else the planner may evaluate), types and operators; and for tables what a
-- write of each kind adds (triggers, rules, defaults, policies, and what foreign keys make PostgreSQL read and write).
-- `proven` resolves them.
-- Gives one row each, and for some things several, which all count: its sort, its number, whether it is harmless by itself, whether it is code in C that does not come
-- with PostgreSQL (which may look at any setting), other numbers that it leads to (list), stored expressions (list). The number of an insert, update or delete is its table's oid plus 1, 2 or 3 times 2^32,
-- that of anything else its oid. Sort `unsafe` is one row: PostgreSQL's own functions that do more than compute, as the list of
-- oids. Sort `shadow` is there only if a function, aggregate, operator, cast or part of an operator class could be taken for one of
-- PostgreSQL's, or run where one of them is. No row at all
-- where nothing tells of schema changes (an event trigger is missing or disabled), because then nothing stays proven.
-- Harmless by itself: a function of PostgreSQL's own kind or of an extension in C that is not volatile and parallel
-- safe, which excludes whatever changes a session; a function whose body is stored as an expression; a write that fires
-- no trigger and no rule but PostgreSQL's own.
-- With a list of oids: only objects that have one of them, and no writes.
-- Parameters: $1 text, a JSON list of oids, or null for everything. Privileges: none. Oldest PostgreSQL: 14.
with chosen as (
  select array(select e::oid from pg_catalog.json_array_elements_text($1::json) as e) as oids
), native as (
  select oid from pg_catalog.pg_language where lanname in ('internal', 'c')
), converted as (
  -- Types with an operator or a cast of somebody's own, which PostgreSQL may choose where we compare or show a value.
  select e.oid
  from pg_catalog.pg_operator o
  join pg_catalog.pg_proc p on p.oid = o.oprcode,
    lateral (values (o.oprleft), (o.oprright)) as e (oid)
  where o.oid >= 16384 and p.prolang not in (select oid from native)
  union
  select e.oid
  from pg_catalog.pg_cast c
  join pg_catalog.pg_proc p on p.oid = c.castfunc,
    lateral (values (c.castsource), (c.casttarget)) as e (oid)
  where c.oid >= 16384 and p.prolang not in (select oid from native)
), rows as (
  select 'unsafe' as sort, 0::bigint as number, false as harmless, false as opaque,
         pg_catalog.json_agg(p.oid::bigint) as leads, '[]'::json as trees
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
    join pg_catalog.pg_proc p on p.oid = o.oprcode
    where o.oid >= 16384 and o.oprleft < 16384 and o.oprright < 16384 and p.prolang not in (select oid from native)
  ) or exists (
    select from pg_catalog.pg_amproc m
    join pg_catalog.pg_proc p on p.oid = m.amproc
    where m.oid >= 16384 and p.prolang not in (select oid from native)
  ) or exists (
    select from pg_catalog.pg_cast c
    join pg_catalog.pg_proc p on p.oid = c.castfunc
    where c.oid >= 16384 and c.castsource < 16384 and c.casttarget < 16384 and p.prolang not in (select oid from native)
  )
  union all
  -- Which functions shadow one is asked here, so that one scan does for both.
  select case when s.is_shadow then 'shadow' else 'function' end,
         p.oid::bigint,
         p.prokind = 'f' and (p.prosqlbody is not null
           or p.prolang in (select oid from native) and p.provolatile <> 'v' and p.proparallel = 's'
             -- Some of those that give rows for a text run it (xml2), and one that gives a row.
             and not (p.proretset and 'pg_catalog.text'::pg_catalog.regtype = any (p.proargtypes::oid[]))
             and p.proname <> 'standardize_address'),
         p.prosqlbody is null,
         pg_catalog.to_json(p.prorettype::bigint || p.proargtypes::oid[]::bigint[] || coalesce(p.proallargtypes, '{}')::bigint[]),
         pg_catalog.json_build_array(p.prosqlbody::text, p.proargdefaults::text)
  from pg_catalog.pg_proc p,
    lateral (
      select exists (
          select from pg_catalog.pg_proc b
          where b.proname = p.proname and b.pronamespace = 'pg_catalog'::pg_catalog.regnamespace and b.oid < 16384)
        -- An aggregate is in no language; what it calls is.
        and (p.prolang not in (select oid from native) or exists (
          select from pg_catalog.pg_aggregate a
          join pg_catalog.pg_proc f on f.oid in (
            a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn, a.aggmtransfn,
            a.aggminvtransfn, a.aggmfinalfn)
          where a.aggfnoid = p.oid and f.prolang not in (select oid from native)))
    ) as s (is_shadow)
  where p.oid >= 16384
    and ($1::text is null or p.oid = any ((select oids from chosen)::oid[]) or s.is_shadow)
  union all
  select 'relation', c.oid::bigint, c.relkind in ('r', 'p', 'v', 'm'), false,
         pg_catalog.to_json(
           array(select distinct a.atttypid::bigint from pg_catalog.pg_attribute a
                 where a.attrelid = c.oid and a.atttypid >= 16384 and a.attnum > 0 and not a.attisdropped)
           || array(select i.inhrelid::bigint from pg_catalog.pg_inherits i where i.inhparent = c.oid)),
         pg_catalog.to_json(
           array(select pol.polqual::text from pg_catalog.pg_policy pol
                 where pol.polrelid = c.oid and pol.polcmd in ('r', '*'))
           || array(select r.ev_action::text from pg_catalog.pg_rewrite r where r.ev_class = c.oid and r.ev_type = '1')
           || array(select d.adbin::text from pg_catalog.pg_attrdef d
                    join pg_catalog.pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
                    where d.adrelid = c.oid and a.attgenerated <> '')
           || array(select k.conbin::text from pg_catalog.pg_constraint k where k.conrelid = c.oid and k.conbin is not null)
           || array(select e.tree::text from pg_catalog.pg_index i,
                      lateral (values (i.indexprs), (i.indpred)) as e (tree)
                    where i.indrelid = c.oid and e.tree is not null)
           || array(select s.stxexprs::text from pg_catalog.pg_statistic_ext s
                    where s.stxrelid = c.oid and s.stxexprs is not null)
           || array(select t.partexprs::text from pg_catalog.pg_partitioned_table t
                    where t.partrelid = c.oid and t.partexprs is not null))
  from pg_catalog.pg_class c
  where c.oid >= 16384 and c.relkind in ('r', 'p', 'v', 'm', 'f')
    and ($1::text is null or c.oid = any ((select oids from chosen)::oid[]))
  union all
  select w.sort, c.oid::bigint + w.number,
         not exists (
           select from pg_catalog.pg_trigger g
           where g.tgrelid = c.oid and g.tgtype & w.fires <> 0 and (g.tgfoid >= 16384 or g.tgqual is not null))
         and not exists (select from pg_catalog.pg_rewrite r where r.ev_class = c.oid and r.ev_type = w.event),
         false,
         pg_catalog.to_json(
           array[c.oid::bigint]
           -- A row that is updated may move: it is deleted from one partition and inserted into another.
           || array(select i.inhrelid::bigint + n.number
                    from pg_catalog.pg_inherits i, (values (1::bigint << 32), (2::bigint << 32), (3::bigint << 32)) as n (number)
                    where i.inhparent = c.oid and (n.number = w.number or w.sort = 'update'))
           || array(select k.confrelid::bigint from pg_catalog.pg_constraint k
                    where k.conrelid = c.oid and k.contype = 'f' and w.sort <> 'delete')),
         pg_catalog.to_json(
           array(select e.tree::text
                 from pg_catalog.pg_policy pol, lateral (values (pol.polqual), (pol.polwithcheck)) as e (tree)
                 where pol.polrelid = c.oid and pol.polcmd in (w.command, '*') and e.tree is not null)
           || array(select d.adbin::text from pg_catalog.pg_attrdef d
                    where d.adrelid = c.oid and w.sort = 'insert')
           -- A column without a default of its own has its domain's.
           || array(select t.typdefaultbin::text
                    from pg_catalog.pg_attribute a
                    join pg_catalog.pg_type t on t.oid = a.atttypid
                    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and t.typdefaultbin is not null
                      and w.sort = 'insert')
           -- A row must be one of its partition, by the conditions of everything above it.
           || array(select t.partexprs::text
                    from pg_catalog.pg_partition_ancestors(c.oid) as up (relid)
                    join pg_catalog.pg_partitioned_table t on t.partrelid = up.relid
                    where c.relispartition and t.partexprs is not null))
  from pg_catalog.pg_class c,
    lateral (values ('insert', 1::bigint << 32, 4, '3', 'a'),
                    ('update', 2::bigint << 32, 16, '2', 'w'),
                    ('delete', 3::bigint << 32, 8, '4', 'd')) as w (sort, number, fires, event, command)
  where c.oid >= 16384 and c.relkind in ('r', 'p') and $1::text is null
  union all
  -- What a foreign key adds to the writes of the table that it refers to: rows of their own beside those above, because
  -- no index finds them by that table, and looking for them from each table takes the square of their number.
  select w.sort, k.confrelid::bigint + w.number,
         -- SET DEFAULT runs defaults, and whatever those count up.
         w.action <> 'd',
         false,
         pg_catalog.to_json(array[k.conrelid::bigint
                                  + case w.action when 'c' then w.number when 'n' then 2::bigint << 32 else 0 end]),
         '[]'
  from pg_catalog.pg_constraint k,
    lateral (values ('update', 2::bigint << 32, k.confupdtype), ('delete', 3::bigint << 32, k.confdeltype))
      as w (sort, number, action)
  where k.contype = 'f' and k.confrelid >= 16384 and $1::text is null
  union all
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
  -- The conditions of domains, beside them for the same reason.
  select 'type', k.contypid::bigint, true, false, '[]', pg_catalog.to_json(array[k.conbin::text])
  from pg_catalog.pg_constraint k
  -- (No table has them, and there is an index by that.)
  where k.conrelid = 0 and k.contypid >= 16384 and k.conbin is not null
    and ($1::text is null or k.contypid = any ((select oids from chosen)::oid[]))
  union all
  select 'operator', o.oid::bigint, true, false, pg_catalog.to_json(array[o.oprcode::oid::bigint]), '[]'
  from pg_catalog.pg_operator o
  where o.oid >= 16384
    and ($1::text is null or o.oid = any ((select oids from chosen)::oid[]))
)
select sort, number, harmless, opaque, leads, trees
from rows
where (
  select pg_catalog.count(*) from pg_catalog.pg_event_trigger e
  where e.evtname in ('ferrobase_ddl', 'ferrobase_drop') and e.evtenabled in ('A', 'O')
) = 2
