-- Whether this database has been seeded, or was not to be. Privileges: SELECT on ferrobase.migration_seed.
-- Oldest PostgreSQL: 14.
select 1 from ferrobase.migration_seed
