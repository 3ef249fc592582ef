-- Enums with their values in order, composite types with their fields, and domains with what they stand on, of every
-- user schema, each with its comment. A domain is followed to the end, through domains over domains. Row types of relations are left out.
-- Types are named by format_type, which qualifies what is not in pg_catalog: run with an empty search_path.
-- Parameters: none. Privileges: none. Oldest PostgreSQL: 14.
with recursive domain_chain as (
  select t.oid, t.typbasetype as base, t.typtypmod as typmod
  from pg_catalog.pg_type t
  where t.typtype = 'd'
  union all
  select c.oid, t.typbasetype, t.typtypmod
  from domain_chain c
  join pg_catalog.pg_type t on t.oid = c.base
  where t.typtype = 'd'
),
found as (
  select e.enumtypid as oid, pg_catalog.json_agg(e.enumlabel order by e.enumsortorder) as labels, null::json as fields,
    null::text as base_type, null::oid as base_oid
  from pg_catalog.pg_enum e
  group by e.enumtypid
  union all
  -- From pg_class, where free-standing types are few beside the relations. They have no file, and there is an index
  -- by that.
  select c.reltype, null,
    pg_catalog.json_agg(pg_catalog.json_build_array(a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod))
      order by a.attnum),
    null, null
  from pg_catalog.pg_class c
  join pg_catalog.pg_attribute a on a.attrelid = c.oid
  where c.relkind = 'c' and c.reltablespace = 0 and c.relfilenode = 0 and a.attnum > 0 and not a.attisdropped
  group by c.oid, c.reltype
  union all
  select c.oid, null, null, pg_catalog.format_type(c.base, c.typmod), c.base
  from domain_chain c
  where not exists (select from domain_chain further where further.oid = c.base)
)
select t.oid, n.nspname, t.typname, f.labels, f.fields, f.base_type, d.description, f.base_oid
from found f
join pg_catalog.pg_type t on t.oid = f.oid
join pg_catalog.pg_namespace n on n.oid = t.typnamespace
left join pg_catalog.pg_description d
  on d.objoid = t.oid and d.classoid = 'pg_catalog.pg_type'::pg_catalog.regclass and d.objsubid = 0
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
order by n.nspname, t.typname
