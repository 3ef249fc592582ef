-- Takes the lease if nobody lives in it. $1 who, $2 seconds. Gives the token, or no row when it is taken.
-- Taken means: its row is locked (a file's transaction is running), or its holder's session is there and either the time
-- has not run out or the session is at work (one long statement outside a transaction). What pg_stat_activity hides from
-- this role counts as alive. Never waits. Privileges: owner of ferrobase.migration_lease. Oldest PostgreSQL: 14.
with free as (
    select l.the_only
    from ferrobase.migration_lease l
    where l.holder is null
       or not exists (
            select
            from pg_catalog.pg_stat_activity a
            where a.pid = l.backend_pid
              and coalesce(a.backend_start = l.backend_start, true)
              and (l.expires_at > clock_timestamp() or coalesce(a.state, 'active') <> 'idle')
       )
    for update skip locked
)
update ferrobase.migration_lease l
set token = l.token + 1,
    holder = $1,
    backend_pid = pg_backend_pid(),
    backend_start = (select a.backend_start from pg_catalog.pg_stat_activity a where a.pid = pg_backend_pid()),
    expires_at = clock_timestamp() + make_interval(secs => $2::float8)
from free
where l.the_only = free.the_only
returning l.token
