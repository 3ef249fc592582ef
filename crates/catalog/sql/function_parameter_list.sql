-- Parameters of the functions of exposed schemas, outputs included, in order of declaration.
-- char and bit without a length mean one character in a cast but any length in a parameter: both names are given.
-- Parameters: $1 text, a JSON list of exposed schemas. Privileges: none. Oldest PostgreSQL: 14.
select
  p.oid,
  -- i, o, b (both), v (variadic), t (TABLE column); null when all are plain inputs
  coalesce(a.mode, 'i') as mode,
  coalesce(a.name, '') as name,
  pg_catalog.format_type(a.type, null) as type_name,
  case a.type
    when 'pg_catalog.bit'::pg_catalog.regtype then 'bit varying'
    when 'pg_catalog.bit[]'::pg_catalog.regtype then 'bit varying[]'
    when 'pg_catalog.bpchar'::pg_catalog.regtype then 'character varying'
    when 'pg_catalog.bpchar[]'::pg_catalog.regtype then 'character varying[]'
    else pg_catalog.format_type(a.type, null)
  end as unbounded
from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
-- (This form of unnest is syntax: it cannot be qualified.)
cross join lateral unnest(
  coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargmodes, p.proargnames
) with ordinality as a(type, mode, name, position)
where p.prokind = 'f'
  and n.nspname in (select pg_catalog.json_array_elements_text($1::json))
  and a.type is not null
order by p.oid, a.position
