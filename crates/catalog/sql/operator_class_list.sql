-- Operator classes: what unique indexes compare their columns by.
-- Parameters: none. Privileges: none. Oldest PostgreSQL: 14.
select c.oid, c.opcfamily, c.opcdefault
from pg_catalog.pg_opclass c
