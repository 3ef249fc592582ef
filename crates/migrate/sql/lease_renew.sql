-- Shows that the holder is alive; touches no row when somebody else took over. $1 token, $2 seconds.
-- Privileges: owner of ferrobase.migration_lease. Oldest PostgreSQL: 14.
update ferrobase.migration_lease
set expires_at = clock_timestamp() + make_interval(secs => $2::float8)
where token = $1::bigint and holder is not null
