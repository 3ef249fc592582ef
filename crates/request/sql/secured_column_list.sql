-- The columns of a table as a role may use them, with what gives them a value that a row does not name.
-- Parameters: 1 the table's oid, 2 the role. Privileges: none. Relies on pg_attribute_relid_attnum_index.
-- Oldest PostgreSQL: 14.
select
  a.attname,
  pg_catalog.format_type(a.atttypid, a.atttypmod) as type_name,
  -- A default that can be evaluated without leaving a trace: the next value of a sequence would be gone for good.
  case when a.attgenerated = '' and pg_catalog.pg_get_expr(d.adbin, d.adrelid) not like '%nextval(%'
       then pg_catalog.pg_get_expr(d.adbin, d.adrelid) end as default_,
  pg_catalog.has_column_privilege($2::name, a.attrelid, a.attnum, 'select') as selects,
  pg_catalog.has_column_privilege($2::name, a.attrelid, a.attnum, 'insert') as inserts,
  pg_catalog.has_column_privilege($2::name, a.attrelid, a.attnum, 'update') as updates,
  case when a.attgenerated <> '' then pg_catalog.pg_get_expr(d.adbin, d.adrelid) end as generated,
  a.attidentity = 'a' as is_identity,
  a.attnotnull as is_required,
  d.adbin is not null or a.attidentity <> '' or t.typdefault is not null as has_default
from pg_catalog.pg_attribute a
join pg_catalog.pg_type t on t.oid = a.atttypid
left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where a.attrelid = $1::oid and a.attnum > 0 and not a.attisdropped
order by a.attnum
