-- Locks the lease until the end of the transaction; no row when somebody else took over. $1 token.
-- Privileges: owner of ferrobase.migration_lease. Oldest PostgreSQL: 14.
select token from ferrobase.migration_lease where token = $1::bigint and holder is not null for update
