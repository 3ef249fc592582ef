-- All secrets: name and value. Results are not written into the server's log, parameters can be.
-- Privileges: owner of ferrobase.secrets. Oldest PostgreSQL: 14.
select name, value from ferrobase.secrets
