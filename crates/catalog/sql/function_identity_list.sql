-- What functions there are under the names of some, with what calls by name depend on: whether a catalog that was read before
-- still tells of them. Types are named by format_type, as in function_list: run with an empty search_path.
-- Parameters: $1 text, a JSON list of oids. Privileges: none. Oldest PostgreSQL: 14.
select
  p.oid,
  n.nspname,
  p.proname,
  p.proretset,
  pg_catalog.format_type(p.prorettype, null),
  p.pronargdefaults,
  pg_catalog.to_json(array(
    select pg_catalog.json_build_array(coalesce(a.mode, 'i'), coalesce(a.name, ''), pg_catalog.format_type(a.type, null))
    from unnest(
      coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargmodes, p.proargnames
    ) with ordinality as a(type, mode, name, position)
    where a.type is not null
    order by a.position
  ))
from (
  select distinct f.pronamespace, f.proname
  from pg_catalog.pg_proc f
  where f.oid = any (array(select e::oid from pg_catalog.json_array_elements_text($1::json) as e))
) as asked
join pg_catalog.pg_proc p on p.proname = asked.proname and p.pronamespace = asked.pronamespace
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
