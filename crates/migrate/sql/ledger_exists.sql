-- Whether the tables of ledger_create.sql are there. Privileges: none. Oldest PostgreSQL: 14.
-- The catalog is asked directly: to_regclass would need USAGE on the schema.
select count(*) = 4
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'ferrobase'
  and c.relkind = 'r'
  and c.relname in ('migrations', 'migration_progress', 'migration_lease', 'migration_seed')
