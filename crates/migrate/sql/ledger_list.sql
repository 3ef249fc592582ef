-- The applied migrations. Privileges: SELECT on ferrobase.migrations. Oldest PostgreSQL: 14.
select version, name, checksum, to_char(applied_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), duration_ms, applied_by
from ferrobase.migrations
order by version
