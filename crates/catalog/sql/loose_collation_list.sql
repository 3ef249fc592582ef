-- Collations by which different texts may be equal.
-- Parameters: none. Privileges: none. Oldest PostgreSQL: 14.
select c.oid
from pg_catalog.pg_collation c
where not c.collisdeterministic
