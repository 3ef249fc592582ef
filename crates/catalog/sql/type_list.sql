-- Enums with their values in order, composite types with their fields, and domains with what they stand on, of every
-- user schema. A domain is followed to the end, through domains over domains. Row types of relations are left out.
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
labels as (
  select e.enumtypid, pg_catalog.json_agg(e.enumlabel order by e.enumsortorder) as labels
  from pg_catalog.pg_enum e
  group by e.enumtypid
),
-- From pg_class, where free-standing types are few beside the relations.
fields as (
  select
    c.reltype,
    pg_catalog.json_agg(pg_catalog.json_build_array(a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod))
      order by a.attnum) as fields
  from pg_catalog.pg_class c
  join pg_catalog.pg_attribute a on a.attrelid = c.oid
  where c.relkind = 'c' and a.attnum > 0 and not a.attisdropped
  group by c.reltype
)
select
  t.oid,
  n.nspname,
  t.typname,
  l.labels,
  f.fields,
  pg_catalog.format_type(d.base, d.typmod) as base_type
from pg_catalog.pg_type t
join pg_catalog.pg_namespace n on n.oid = t.typnamespace
left join labels l on l.enumtypid = t.oid
left join fields f on f.reltype = t.oid
left join domain_chain d
  on d.oid = t.oid and not exists (select from domain_chain o where o.oid = d.base)
where (l.labels is not null or f.fields is not null or d.oid is not null)
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
order by n.nspname, t.typname
