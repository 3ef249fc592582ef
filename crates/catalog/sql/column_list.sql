-- Columns of exposed relations with types, defaults and grants. A domain is followed to the type that it stands on,
-- through domains over domains; on that way its modifier, its NOT NULL and its default are collected.
-- Types are named by format_type, which qualifies what is not in pg_catalog: run with an empty search_path.
-- Defaults follow what a caller may leave out: an identity BY DEFAULT shows the nextval it stands for, columns that
-- PostgreSQL alone writes show none. A default names no column, so it is shown without its table, which saves opening
-- every table: a third of this query's time on a new connection.
-- Parameters: $1 text, a JSON list of exposed schemas. Privileges: none. Oldest PostgreSQL: 14.
with shown as (
  select
    a.attrelid, a.attname, a.attnum, a.attnotnull, a.attidentity, a.attgenerated, a.attacl,
    a.atttypid, a.atttypmod, x.described,
    t.typnamespace, t.typtype, t.typdefaultbin,
    coalesce(db.base, a.atttypid) as base_type,
    case when db.base is null then a.atttypmod else db.typmod end as base_typmod,
    coalesce(db.not_null, false) as domain_not_null
  from pg_catalog.pg_attribute a
  join pg_catalog.pg_class c on c.oid = a.attrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  -- Whether there is anything to look for, once a relation: most columns have no comment.
  cross join lateral (
    select exists (
      select from pg_catalog.pg_description said
      where said.objoid = c.oid and said.objsubid > 0 and said.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
    ) as described
    offset 0
  ) as x
  join pg_catalog.pg_type t on t.oid = a.atttypid
  -- From the column's own type, because looking for all domains takes a look at all types.
  left join lateral (
    with recursive chain as (
      select t.typbasetype as base, t.typtypmod as typmod, t.typnotnull as not_null
      where t.typtype = 'd'
      union all
      select d.typbasetype, d.typtypmod, c.not_null or d.typnotnull
      from chain c
      join pg_catalog.pg_type d on d.oid = c.base
      where d.typtype = 'd'
    )
    select c.base, c.typmod, c.not_null
    from chain c
    join pg_catalog.pg_type d on d.oid = c.base
    where d.typtype <> 'd'
  ) as db on true
  where a.attnum > 0
    and not a.attisdropped
    and c.relkind in ('r', 'p', 'v', 'm', 'f')
    and not c.relispartition
    and n.nspname in (select pg_catalog.json_array_elements_text($1::json))
    and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
)
select
  s.attrelid,
  s.attname,
  s.attnum,
  case when s.described then (
    select said.description from pg_catalog.pg_description said
    where said.objoid = s.attrelid and said.objsubid = s.attnum and said.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
  ) end as description,
  not (s.attnotnull or s.domain_not_null) as nullable,
  pg_catalog.format_type(s.base_type, s.base_typmod) as base_type,
  pg_catalog.format_type(s.atttypid, s.atttypmod) as declared_type,
  case
    when b.typnamespace = 'pg_catalog'::pg_catalog.regnamespace then pg_catalog.format_type(s.base_type, null)
    else pg_catalog.format_type(s.atttypid, s.atttypmod)
  end as shown_type,
  s.base_type as type_oid,
  b.typtype as base_kind,
  b.typcategory as base_category,
  -- Values of arrays are the same when their elements are.
  coalesce(e.oid, b.oid) as compared_type,
  coalesce(e.typtype, b.typtype) as compared_kind,
  -- varchar and char count a header of four bytes in the modifier, bit strings do not.
  case
    when s.base_typmod < 0 then null
    when s.base_type in ('pg_catalog.bpchar'::pg_catalog.regtype, 'pg_catalog.varchar'::pg_catalog.regtype)
      then s.base_typmod - 4
    when s.base_type in ('pg_catalog.bit'::pg_catalog.regtype, 'pg_catalog.varbit'::pg_catalog.regtype)
      then s.base_typmod
  end as max_length,
  case
    when s.attgenerated <> '' or s.attidentity = 'a' then null
    when s.attidentity = 'd' then pg_catalog.format('nextval(%L)', (
      -- The sequence behind it.
      select i.objid::pg_catalog.regclass
      from pg_catalog.pg_depend i
      where i.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and i.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and i.deptype = 'i'
        and i.refobjid = s.attrelid
        and i.refobjsubid = s.attnum
    ))
    when ad.adbin is not null then pg_catalog.pg_get_expr(ad.adbin, 0)
    when s.typtype = 'd' then pg_catalog.pg_get_expr(s.typdefaultbin, 0)
  end as default_value,
  s.attidentity,
  s.attgenerated,
  pg_catalog.to_json(s.attacl::text[]) as acl
from shown s
join pg_catalog.pg_type b on b.oid = s.base_type
-- By itself, so that what was found for a type is remembered.
left join lateral (
  select
    case e.typtype when 'd' then e.typbasetype else e.oid end as oid,
    case e.typtype when 'd' then (select d.typtype from pg_catalog.pg_type d where d.oid = e.typbasetype) else e.typtype end as typtype
  from pg_catalog.pg_type e
  where b.typcategory = 'A' and e.oid = b.typelem
  offset 0
) as e on true
left join pg_catalog.pg_attrdef ad on ad.adrelid = s.attrelid and ad.adnum = s.attnum
order by s.attrelid, s.attnum
