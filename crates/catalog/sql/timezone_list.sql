-- Names of time zones. The server reads its whole zone folder for this (42 ms measured, 170 ms cold), so it is asked
-- for only when somebody wants to judge a name without trying it.
-- Parameters: none. Privileges: none. Oldest PostgreSQL: 14.
select name from pg_catalog.pg_timezone_names
