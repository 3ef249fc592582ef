-- Records an applied migration, provided the lease is still ours: otherwise another process may be at it, no row is
-- inserted, and the caller rolls back. $1 room, $2 version, $3 name, $4 checksum, $5 program version, $6 lease name,
-- $7 holder, $8 fence. Privileges: owner of schema ferrobase. Oldest PostgreSQL: 14.
insert into ferrobase.own_migrations (room, version, name, checksum, applied_by)
select $1, $2::integer, $3, $4, $5
from ferrobase.leases
where leases.name = $6 and holder = $7 and fence = $8::bigint and expires_at > clock_timestamp()
