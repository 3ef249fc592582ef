-- Ends a backend of our own login whose transaction has run for longer than a statement of ours may.
-- The age, the login and the database are checked again here, because behind a load balancer this connection may have
-- reached another server, where the process id is somebody else's.
-- Parameters: $1 process id, $2 least age of its transaction in seconds. Privileges: none beyond the same login
-- (PostgreSQL lets a role signal its own backends). Oldest PostgreSQL: 14.
select pg_catalog.pg_terminate_backend(a.pid)
  from pg_catalog.pg_stat_activity as a
 where a.pid operator(pg_catalog.=) $1::pg_catalog.int4
   and a.usename operator(pg_catalog.=) session_user
   and a.datname operator(pg_catalog.=) pg_catalog.current_database()
   and a.xact_start operator(pg_catalog.<) (
           pg_catalog.clock_timestamp() operator(pg_catalog.-) pg_catalog.make_interval(secs => $2::pg_catalog.float8))
