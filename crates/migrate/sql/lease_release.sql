-- Gives the lease back. $1 token. Privileges: owner of ferrobase.migration_lease. Oldest PostgreSQL: 14.
update ferrobase.migration_lease set holder = null, expires_at = '-infinity' where token = $1::bigint
