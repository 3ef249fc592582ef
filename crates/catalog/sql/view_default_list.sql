-- Defaults of the columns that views read, in every schema: an INSERT into a view that PostgreSQL can write by itself takes
-- them. A default names no column, so it is shown without its table. Identity columns have none of this sort, and what is
-- generated is no default. What several views read comes several times: to sort them out takes all of them at once.
-- Parameters: none. Privileges: none. Oldest PostgreSQL: 14.
select ad.adrelid, ad.adnum, pg_catalog.pg_get_expr(ad.adbin, 0)
from pg_catalog.pg_rewrite r
join pg_catalog.pg_class v on v.oid = r.ev_class and v.relkind = 'v'
-- View by view, column by column.
cross join lateral (
  select distinct d.refobjid, d.refobjsubid
  from pg_catalog.pg_depend d
  where d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
    and d.objid = r.oid
    and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    and d.deptype = 'n'
    and d.refobjsubid > 0
) as read
cross join lateral (
  select ad.adrelid, ad.adnum, ad.adbin
  from pg_catalog.pg_attrdef ad
  join pg_catalog.pg_attribute a on a.attrelid = ad.adrelid and a.attnum = ad.adnum and a.attgenerated = ''
  where ad.adrelid = read.refobjid and ad.adnum = read.refobjsubid
  offset 0
) as ad
where r.ev_type = '1' and r.ev_class >= 16384
