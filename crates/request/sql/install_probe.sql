-- The database's name, and whether the tables that every installation begins with are there.
-- Parameters: none. Privileges: none. Oldest PostgreSQL: 14.
select current_database(),
       pg_catalog.to_regclass('ferrobase.leases') is not null
   and pg_catalog.to_regclass('ferrobase.own_migrations') is not null
   and pg_catalog.to_regclass('ferrobase.secrets') is not null
   and exists (
        select from pg_catalog.pg_attribute
        where attrelid = pg_catalog.to_regclass('ferrobase.leases') and attname = 'backend_start')
