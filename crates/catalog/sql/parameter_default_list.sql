-- The defaults of a function's input parameters as SQL, in order; NULL where there is none.
-- Parameters: $1 text, the oid of the function. Privileges: none. Oldest PostgreSQL: 14.
select pg_catalog.pg_get_function_arg_default(p.oid, a.place::int)
from pg_catalog.pg_proc p
cross join lateral pg_catalog.unnest(
  coalesce(p.proargmodes, pg_catalog.array_fill('i'::"char", array[p.pronargs::int]))
) with ordinality as a(mode, place)
where p.oid = $1::text::oid and a.mode in ('i', 'b', 'v')
order by a.place
