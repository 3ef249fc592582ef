-- Records how far a file without a transaction has come. $1 version, $2 name, $3 statements done, $4 statements in all,
-- $5 checksum of the done ones, $6 whether the next one was begun, $7 error or null.
-- Privileges: owner of ferrobase.migration_progress. Oldest PostgreSQL: 14.
insert into ferrobase.migration_progress as p (version, name, done, total, done_checksum, in_doubt, error)
values ($1::bigint, $2, $3::integer, $4::integer, $5, $6::boolean, $7)
on conflict (version) do update
    set name = excluded.name, done = excluded.done, total = excluded.total, done_checksum = excluded.done_checksum,
        in_doubt = excluded.in_doubt, error = excluded.error, updated_at = clock_timestamp()
