-- Functions that can be called with one row of a user relation: those that return rows of a relation are computed
-- relationships, all that do not return a set are computed fields.
-- Parameters: $1 text, a JSON list of schemas in which functions are looked for. Privileges: none.
-- Oldest PostgreSQL: 14.
select
  n.nspname,
  p.proname,
  source.oid as source_relation,
  target.oid as target_relation,
  p.pronargs = 1 as takes_the_row_only,
  p.proretset,
  -- A row estimate of one is how an author says that a set has at most one row.
  not p.proretset or p.prorows = 1 as to_one,
  pg_catalog.format_type(p.prorettype, null) as type_name,
  rt.typtype as result_kind,
  rt.typcategory as result_category,
  p.prorettype,
  d.description,
  pg_catalog.to_json(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))::text[])
from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
join pg_catalog.pg_type argument on argument.oid = p.proargtypes[0]
join pg_catalog.pg_class source on source.oid = argument.typrelid and source.relkind in ('r', 'p', 'v', 'm', 'f')
join pg_catalog.pg_type rt on rt.oid = p.prorettype
left join pg_catalog.pg_class target on target.oid = rt.typrelid and target.relkind in ('r', 'p', 'v', 'm', 'f')
left join pg_catalog.pg_description d
  on d.objoid = p.oid and d.classoid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objsubid = 0
where p.prokind = 'f'
  and p.pronargs >= 1
  -- The row of a relation that does not come with PostgreSQL; most functions need no look at the type.
  and p.proargtypes[0] >= 16384
  and p.pronargs - p.pronargdefaults <= 1
  and n.nspname in (select pg_catalog.json_array_elements_text($1::json))
  and p.prorettype not in ('pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.void'::pg_catalog.regtype)
order by p.oid
