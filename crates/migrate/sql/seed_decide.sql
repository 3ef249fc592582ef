-- Records that the seed is applied, or that there was none. $1 checksum or null.
-- Privileges: owner of ferrobase.migration_seed. Oldest PostgreSQL: 14.
insert into ferrobase.migration_seed (checksum) values ($1)
