-- Which relation each view reads directly, in every user schema. pg_depend also knows what is read in subqueries,
-- CTEs and conditions; it does not know what a function inside the view reads. What is read twice comes twice.
-- Parameters: none. Privileges: none. Oldest PostgreSQL: 14.
select r.ev_class, d.refobjid
from pg_catalog.pg_rewrite r
join pg_catalog.pg_class v on v.oid = r.ev_class and v.relkind in ('v', 'm')
join pg_catalog.pg_depend d
  on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
  and d.objid = r.oid
  and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
  and d.deptype = 'n'
join pg_catalog.pg_class c on c.oid = d.refobjid and c.relkind in ('r', 'p', 'v', 'm', 'f')
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where r.ev_type = '1'
  and d.refobjid <> r.ev_class
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
order by r.ev_class, d.refobjid
