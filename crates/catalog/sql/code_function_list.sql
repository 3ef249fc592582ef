-- Functions.
-- The columns, and when there is no row at all: `code_own_list.sql`.
-- Parameters: $1 text, a JSON list of oids (only objects that have one of them), or null for everything. Privileges: none. Oldest PostgreSQL: 14.
with chosen as (
  select array(select e::oid from pg_catalog.json_array_elements_text($1::json) as e) as oids
), native as (
  select oid from pg_catalog.pg_language where lanname in ('internal', 'c')
), rows (sort, number, harmless, opaque, leads, trees) as (
  select 'function',
         p.oid::bigint,
         p.prokind = 'f' and (p.prosqlbody is not null
           or p.prolang in (select oid from native) and p.provolatile <> 'v' and p.proparallel = 's'
             -- Some of those that give rows for a text run it (xml2), and one that gives a row.
             and not (p.proretset and 'pg_catalog.text'::pg_catalog.regtype = any (p.proargtypes::oid[]))
             and p.proname <> 'standardize_address'),
         p.prosqlbody is null,
         pg_catalog.to_json(p.prorettype::bigint || p.proargtypes::oid[]::bigint[] || coalesce(p.proallargtypes, '{}')::bigint[]),
         pg_catalog.json_build_array(p.prosqlbody::text, p.proargdefaults::text)
  from pg_catalog.pg_proc p
  where p.oid >= 16384
    and ($1::text is null or p.oid = any ((select oids from chosen)::oid[]))
)
select sort, number, harmless, opaque, leads, trees
from rows
where (
  select pg_catalog.count(*) from pg_catalog.pg_event_trigger e
  where e.evtname in ('ferrobase_ddl', 'ferrobase_drop', 'ferrobase_index') and e.evtenabled in ('A', 'O')
) = 3
