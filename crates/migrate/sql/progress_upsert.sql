-- Records how far a file without a transaction has come. $1 version, $2 name, $3 statements done, $4 statements in all,
-- $5 checksum of those that are done or begun, $6 whether the next one was begun, $7 error or null, $8 the lease's token.
-- No row when somebody else took the lease over: their progress counts.
-- Privileges: owner of ferrobase.migration_progress and ferrobase.migration_lease. Oldest PostgreSQL: 14.
insert into ferrobase.migration_progress as p (version, name, done, total, done_checksum, in_doubt, error)
select $1::bigint, $2, $3::integer, $4::integer, $5, $6::boolean, $7
from ferrobase.migration_lease
where token = $8::bigint and holder is not null
for update
on conflict (version) do update
    set name = excluded.name, done = excluded.done, total = excluded.total, done_checksum = excluded.done_checksum,
        in_doubt = excluded.in_doubt, error = excluded.error, updated_at = clock_timestamp()
