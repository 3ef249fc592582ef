-- Functions. Sort `shadow` is one that could be taken for one of PostgreSQL's.
-- The columns, and when there is no row at all: `code_own_list.sql`.
-- Parameters: $1 text, a JSON list of oids (only objects that have one of them), or null for everything. Privileges: none. Oldest PostgreSQL: 14.
with chosen as (
  select array(select e::oid from pg_catalog.json_array_elements_text($1::json) as e) as oids
), native as (
  select oid from pg_catalog.pg_language where lanname in ('internal', 'c')
), rows (sort, number, harmless, opaque, leads, trees) as (
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
)
select sort, number, harmless, opaque, leads, trees
from rows
where (
  select pg_catalog.count(*) from pg_catalog.pg_event_trigger e
  where e.evtname in ('ferrobase_ddl', 'ferrobase_drop') and e.evtenabled in ('A', 'O')
) = 2
