-- Operators that are an equality by which B-tree indexes tell values apart, those of extensions among them.
-- Parameters: none. Privileges: none. Oldest PostgreSQL: 14.
select distinct o.amopopr
from pg_catalog.pg_amop o
join pg_catalog.pg_am m on m.oid = o.amopmethod
where m.amname = 'btree' and o.amopstrategy = 3
