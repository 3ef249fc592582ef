-- Operators that say whether two values are the same to every key of their types: the equality of the B-tree operator
-- family that is the default of both sides. An operator that settings have a word in (a time with and one without a zone)
-- is none: by it one value may be the same as two.
-- Parameters: none. Privileges: none. Oldest PostgreSQL: 14.
select distinct o.amopopr
from pg_catalog.pg_amop o
join pg_catalog.pg_am m on m.oid = o.amopmethod
join pg_catalog.pg_opclass l on l.opcfamily = o.amopfamily and l.opcintype = o.amoplefttype and l.opcdefault
join pg_catalog.pg_opclass r on r.opcfamily = o.amopfamily and r.opcintype = o.amoprighttype and r.opcdefault
join pg_catalog.pg_operator e on e.oid = o.amopopr
join pg_catalog.pg_proc p on p.oid = e.oprcode
where m.amname = 'btree' and o.amopstrategy = 3 and p.provolatile = 'i'
