-- Fails with division by zero when code of a request left something in the session that RESET ALL does not cover:
-- a temporary object (it would shadow tables of whoever comes next) or a prepared statement made by SQL (it may carry
-- the name of one of ours). Also releases session-level advisory locks. Runs as the login, right after a request.
-- Parameters: none. Privileges: those of PUBLIC. Oldest PostgreSQL: 14. Every name is qualified, because the
-- search_path may be part of what was left.
select pg_catalog.pg_advisory_unlock_all(),
       1 operator(pg_catalog./) (case
           when pg_catalog.pg_my_temp_schema() operator(pg_catalog.<>) 0::pg_catalog.oid
             or pg_catalog.bool_or(s.from_sql) then 0
           else 1 end)
  from pg_catalog.pg_prepared_statement() as s
