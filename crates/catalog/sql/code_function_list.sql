-- Functions, and what could be taken for one of PostgreSQL's: sort `shadow` wherever anything is read, `shadow_of` where there are values
-- of the type with this number, `shadow_in_default` where a default has some. Why: `shadows`.
-- The columns, and when there is no row at all: `code_own_list.sql`.
-- Parameters: $1 text, a JSON list of oids (only objects that have one of them; every shadow), or null for everything. Privileges:
-- none. Oldest PostgreSQL: 14.
with chosen as (
  select array(select e::oid from pg_catalog.json_array_elements_text($1::json) as e) as oids
), native as (
  select oid from pg_catalog.pg_language where lanname in ('internal', 'c')
), rows (sort, number, harmless, opaque, leads, trees) as (
  -- Which functions shadow one is asked here, so that one scan does for both.
  select r.sort, r.number, r.harmless, r.opaque, r.leads, r.trees
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
          where a.aggfnoid = p.oid and (f.prolang not in (select oid from native)
            or f.oid < 16384 and (f.provolatile = 'v' or f.proparallel <> 's'))))
        -- It takes as many arguments as one of its name. (Names alone are asked for first: of all functions PostgreSQL does that at once.)
        and exists (
          select from pg_catalog.pg_proc b
          where b.proname = p.proname and b.pronamespace = 'pg_catalog'::pg_catalog.regnamespace and b.oid < 16384
            and (b.provariadic <> 0 or b.pronargs >= p.pronargs - p.pronargdefaults)
            and (p.provariadic <> 0 or p.pronargs >= b.pronargs - b.pronargdefaults))
    ) as s (is_shadow),
    lateral (
      select 'function' as sort, p.oid::bigint as number,
             p.prokind = 'f' and (p.prosqlbody is not null
               or p.prolang in (select oid from native) and p.provolatile <> 'v' and p.proparallel = 's'
                 -- Some of those that give rows for a text run it (xml2), and one that gives a row.
                 and not (p.proretset and 'pg_catalog.text'::pg_catalog.regtype = any (p.proargtypes::oid[]))
                 and p.proname <> 'standardize_address') as harmless,
             p.prosqlbody is null as opaque,
             pg_catalog.to_json(p.prorettype::bigint || p.proargtypes::oid[]::bigint[] || coalesce(p.proallargtypes, '{}')::bigint[])
               as leads,
             pg_catalog.json_build_array(p.prosqlbody::text, p.proargdefaults::text) as trees
      where $1::text is null or p.oid = any ((select oids from chosen)::oid[])
      union all
      select coalesce(w.sort, 'shadow'), coalesce(w.number, 0), false, false, '[]', '[]'
      from (select where s.is_shadow) as it
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
            select from pg_catalog.pg_proc b
            where b.proname = p.proname and b.pronamespace = 'pg_catalog'::pg_catalog.regnamespace and b.oid < 16384
              and 'pg_catalog.any'::pg_catalog.regtype = any (b.proargtypes::oid[]))
      ) as w (sort, number) on true
    ) as r
  where p.oid >= 16384
    and ($1::text is null or p.oid = any ((select oids from chosen)::oid[]) or s.is_shadow)
)
select sort, number, harmless, opaque, leads, trees
from rows
where (
  select pg_catalog.count(*) from pg_catalog.pg_event_trigger e
  where e.evtname in ('ferrobase_ddl', 'ferrobase_drop') and e.evtenabled in ('A', 'O')
) = 2
