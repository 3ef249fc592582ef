-- Functions of exposed schemas that SQL can call: no procedures, aggregates, window functions or triggers. The type
-- of the result is followed through domains; for a relation's row type the relation is named.
-- Parameters: $1 text, a JSON list of exposed schemas. Privileges: none. Oldest PostgreSQL: 14.
select
  p.oid,
  n.nspname,
  p.proname,
  d.description,
  pg_catalog.pg_get_userbyid(p.proowner),
  l.lanname,
  p.provolatile,
  p.prosecdef,
  p.proretset,
  p.pronargs,
  p.pronargdefaults,
  p.proretset and p.prorows = 1 as rows_one,
  pg_catalog.format_type(p.prorettype, null) as type_name,
  coalesce(p.proargmodes::text[] && '{o,b,t}', false) as has_output_columns,
  rn.nspname as result_schema,
  coalesce(rc.relname, rt.typname) as result_name,
  rt.typtype as result_kind,
  db.base is not null as result_is_domain,
  -- A free-standing composite type has an entry in pg_class too, of kind c.
  case when rc.relkind in ('r', 'p', 'v', 'm', 'f') then rc.oid end as result_relation,
  pg_catalog.to_json(p.proconfig) as settings,
  pg_catalog.to_json(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))::text[])
from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
join pg_catalog.pg_language l on l.oid = p.prolang
join pg_catalog.pg_type t on t.oid = p.prorettype
left join lateral (
  with recursive chain as (
    select t.typbasetype as base
    where t.typtype = 'd'
    union all
    select d.typbasetype
    from chain c
    join pg_catalog.pg_type d on d.oid = c.base
    where d.typtype = 'd'
  )
  select c.base
  from chain c
  join pg_catalog.pg_type d on d.oid = c.base
  where d.typtype <> 'd'
) as db on true
join pg_catalog.pg_type rt on rt.oid = coalesce(db.base, p.prorettype)
join pg_catalog.pg_namespace rn on rn.oid = rt.typnamespace
left join pg_catalog.pg_class rc on rc.oid = rt.typrelid
left join pg_catalog.pg_description d
  on d.objoid = p.oid and d.classoid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objsubid = 0
where p.prokind = 'f'
  and n.nspname in (select pg_catalog.json_array_elements_text($1::json))
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  -- Results that only the server itself can use.
  and p.prorettype not in (
    'pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype,
    'pg_catalog.internal'::pg_catalog.regtype, 'pg_catalog.language_handler'::pg_catalog.regtype,
    'pg_catalog.fdw_handler'::pg_catalog.regtype, 'pg_catalog.index_am_handler'::pg_catalog.regtype,
    'pg_catalog.table_am_handler'::pg_catalog.regtype, 'pg_catalog.tsm_handler'::pg_catalog.regtype
  )
  and not ('pg_catalog.internal'::pg_catalog.regtype = any (p.proargtypes::oid[]))
order by p.oid
