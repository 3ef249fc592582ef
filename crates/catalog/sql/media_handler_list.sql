-- Domains named like a media type, and what makes their values: aggregates over the rows of a relation or over any
-- element, and functions that return the domain themselves.
-- Parameters: $1 text, a JSON list of exposed schemas. Privileges: none. Oldest PostgreSQL: 14.
with media_type as (
  select
    t.oid,
    n.nspname,
    t.typname,
    case t.typname when '*/*' then 'application/octet-stream' else t.typname end as content_type
  from pg_catalog.pg_type t
  join pg_catalog.pg_namespace n on n.oid = t.typnamespace
  where t.typtype = 'd' and (t.typname ~ '^[A-Za-z0-9.-]+/[A-Za-z0-9.+-]+$' or t.typname = '*/*')
)
select
  n.nspname,
  p.proname,
  an.nspname as target_schema,
  argument.typname as target_name,
  pg_catalog.lower(m.typname) as media_type,
  m.content_type,
  true as is_aggregate
from media_type m
join pg_catalog.pg_proc p on p.prorettype = m.oid and p.prokind = 'a' and p.pronargs = 1
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
join pg_catalog.pg_type argument on argument.oid = p.proargtypes[0]
join pg_catalog.pg_namespace an on an.oid = argument.typnamespace
left join pg_catalog.pg_class c on c.oid = argument.typrelid
where n.nspname in (select pg_catalog.json_array_elements_text($1::json))
  and (c.relkind in ('r', 'p', 'v', 'm', 'f') or argument.oid = 'pg_catalog.anyelement'::pg_catalog.regtype)
union
select m.nspname, m.typname, n.nspname, p.proname, pg_catalog.lower(m.typname), m.content_type, false
from media_type m
join pg_catalog.pg_proc p on p.prorettype = m.oid and p.prokind = 'f' and not p.proretset
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
where n.nspname in (select pg_catalog.json_array_elements_text($1::json))
order by 3, 4, 5, 1, 2
