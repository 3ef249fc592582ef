-- Defaults of the columns that views read, in every schema: an INSERT into a view that PostgreSQL can write by itself takes
-- them. A default names no column, so it is shown without its table. Identity columns have none of this sort, and what is
-- generated is no default.
-- Parameters: none. Privileges: none. Oldest PostgreSQL: 14.
select ad.adrelid, ad.adnum, pg_catalog.pg_get_expr(ad.adbin, 0)
from (
  select distinct d.refobjid, d.refobjsubid
  from pg_catalog.pg_rewrite r
  join pg_catalog.pg_class v on v.oid = r.ev_class and v.relkind = 'v'
  join pg_catalog.pg_depend d
    on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
    and d.objid = r.oid
    and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    and d.deptype = 'n'
    and d.refobjsubid > 0
  where r.ev_type = '1' and r.ev_class >= 16384
) as read
join pg_catalog.pg_attrdef ad on ad.adrelid = read.refobjid and ad.adnum = read.refobjsubid
join pg_catalog.pg_attribute a on a.attrelid = ad.adrelid and a.attnum = ad.adnum and a.attgenerated = ''
order by ad.adrelid, ad.adnum
