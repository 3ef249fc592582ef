-- Who has the lease, for messages. Privileges: SELECT on ferrobase.migration_lease. Oldest PostgreSQL: 14.
select holder || coalesce(', backend ' || backend_pid, '') from ferrobase.migration_lease where holder is not null
