-- Who holds a lease, for messages. $1 name. Privileges: owner of ferrobase.leases. Oldest PostgreSQL: 14.
select holder, to_char(expires_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') from ferrobase.leases where name = $1
