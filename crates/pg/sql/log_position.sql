-- Where the next record of the log will be written, and its timeline, eight hexadecimal digits.
-- Privileges: none. Fails on a standby. Oldest PostgreSQL: 14.
select here.lsn, pg_catalog.substr(pg_catalog.pg_walfile_name(here.lsn), 1, 8)
  from pg_catalog.pg_current_wal_insert_lsn() as here(lsn)
