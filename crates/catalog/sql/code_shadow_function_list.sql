-- Functions that could be taken for one of PostgreSQL's: sort `shadow` wherever anything is read, `shadow_of` where there are values
-- of the type with this number, `shadow_in_default` where a default has some. Why: `shadows`.
-- The columns, and when there is no row at all: `code_own_list.sql`.
-- Parameters: none. Privileges: none. Oldest PostgreSQL: 14.
with native as (
  select oid from pg_catalog.pg_language where lanname in ('internal', 'c')
), own as not materialized (
  select * from pg_catalog.pg_proc b
  where b.pronamespace = 'pg_catalog'::pg_catalog.regnamespace and b.oid < 16384
), named as materialized (
  -- A list of names that is made once: to look for each name would take ten times as long.
  select p.* from pg_catalog.pg_proc p
  where p.oid >= 16384 and p.proname in (select b.proname from own b)
), shadows as (
  select p.* from named p
  where
    -- An aggregate is in no language; what it calls is.
    (p.prolang not in (select oid from native) or exists (
      select from pg_catalog.pg_aggregate a
      join pg_catalog.pg_proc f on f.oid in (
        a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn, a.aggmtransfn,
        a.aggminvtransfn, a.aggmfinalfn)
      where a.aggfnoid = p.oid and (f.prolang not in (select oid from native)
        or f.oid < 16384
          and (f.provolatile = 'v' or f.proparallel <> 's' or f.proname in ('pg_input_is_valid', 'pg_input_error_info')))))
    -- It takes as many arguments as one of its name.
    and exists (
      select from own b
      where b.proname = p.proname
        and (b.provariadic <> 0 or b.pronargs >= p.pronargs - p.pronargdefaults)
        and (p.provariadic <> 0 or p.pronargs >= b.pronargs - b.pronargdefaults))
)
select coalesce(w.sort, 'shadow') as sort, coalesce(w.number, 0) as number, false as harmless, false as opaque,
       '[]'::json as leads, '[]'::json as trees
from shadows p
left join lateral (
  -- Its first argument is of a type of somebody's own that values of other types become only when they are told to.
  select case when p.proname in (
             -- Our statements call none of these with a column.
             'regexp_match', 'regexp_matches', 'regexp_replace', 'regexp_split_to_array', 'regexp_split_to_table',
             'replace', 'split_part', 'strpos', 'translate')
           then 'shadow_in_default' else 'shadow_of' end,
         n.number::bigint
  from pg_catalog.pg_type t
  left join pg_catalog.pg_type e on e.oid = t.typelem and t.typcategory = 'A',
    lateral (values (t.oid), (e.oid)) as n (number)
  where t.oid = p.proargtypes[0] and p.pronargs > p.pronargdefaults and n.number is not null
    and coalesce(e.oid, t.oid) >= 16384 and coalesce(e.typtype, t.typtype) in ('b', 'e', 'r', 'm')
    and not exists (
      select from pg_catalog.pg_cast c
      where c.castcontext = 'i' and c.casttarget in (t.oid, e.oid) and c.castsource <> c.casttarget)
    -- The first argument of PostgreSQL's has a type in our statements, but for these and those that take any.
    and p.proname not in (
      'current_setting', 'set_config', 'to_tsvector', 'to_tsquery', 'plainto_tsquery', 'phraseto_tsquery',
      'websearch_to_tsquery', 'setval')
    and not exists (
      select from own b
      where b.proname = p.proname and 'pg_catalog.any'::pg_catalog.regtype = any (b.proargtypes::oid[]))
) as w (sort, number) on true
where (
  select pg_catalog.count(*) from pg_catalog.pg_event_trigger e
  where e.evtname in ('ferrobase_ddl', 'ferrobase_drop', 'ferrobase_index') and e.evtenabled in ('A', 'O')
) = 3
