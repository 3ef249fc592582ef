-- Takes or renews a lease. $1 name, $2 holder, $3 seconds. Gives the fence when it is held now, else no row.
-- Free is a lease whose time is over or whose session is gone: a process that died must not keep the next one waiting. A
-- session that pg_stat_activity does not show in full to this role counts as there, and so does one that is not noted.
-- Privileges: owner of ferrobase.leases. Oldest PostgreSQL: 14. The row lock lasts for this statement only.
insert into ferrobase.leases as lease (name, holder, expires_at, backend_pid, backend_start)
values (
    $1,
    $2,
    clock_timestamp() + make_interval(secs => $3::float8),
    pg_backend_pid(),
    (select a.backend_start from pg_catalog.pg_stat_activity a where a.pid = pg_backend_pid())
)
on conflict (name) do update
    set holder        = excluded.holder,
        fence         = lease.fence + case when lease.holder = excluded.holder then 0 else 1 end,
        expires_at    = excluded.expires_at,
        backend_pid   = excluded.backend_pid,
        backend_start = excluded.backend_start
    where lease.expires_at < clock_timestamp()
       or lease.holder = excluded.holder
       or (
            lease.backend_pid is not null
            and not exists (
                select
                from pg_catalog.pg_stat_activity a
                where a.pid = lease.backend_pid and coalesce(a.backend_start = lease.backend_start, true)
            )
       )
returning lease.fence::text
