-- Files that are applied in part. Privileges: SELECT on ferrobase.migration_progress. Oldest PostgreSQL: 14.
select version, name, done, total, done_checksum, in_doubt, error from ferrobase.migration_progress order by version
