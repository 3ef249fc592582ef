-- What a backend of our own login is doing: a state of pg_stat_activity, or 'gone' when this server has none like it.
-- Parameters: $1 process id. Privileges: none beyond the same login (PostgreSQL shows a role its own sessions).
-- Oldest PostgreSQL: 14.
select coalesce((
    select a.state
      from pg_catalog.pg_stat_activity as a
     where a.pid operator(pg_catalog.=) $1::pg_catalog.int4
       and a.usename operator(pg_catalog.=) session_user
       and a.datname operator(pg_catalog.=) pg_catalog.current_database()), 'gone')
