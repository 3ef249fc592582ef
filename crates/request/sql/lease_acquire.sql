-- Takes or renews a lease. $1 name, $2 holder, $3 seconds. Gives the fence when it is held now, else no row.
-- Privileges: owner of ferrobase.leases. Oldest PostgreSQL: 14. The row lock lasts for this statement only.
insert into ferrobase.leases as lease (name, holder, expires_at)
values ($1, $2, clock_timestamp() + make_interval(secs => $3::float8))
on conflict (name) do update
    set holder     = excluded.holder,
        fence      = lease.fence + case when lease.holder = excluded.holder then 0 else 1 end,
        expires_at = excluded.expires_at
    where lease.expires_at < clock_timestamp() or lease.holder = excluded.holder
returning lease.fence::text
