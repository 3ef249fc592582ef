-- Sets the session's lock_timeout to $2 if it is $1, both in milliseconds. One row when it was; none when the file set
-- another. Privileges: none. Oldest PostgreSQL: 14.
select pg_catalog.set_config('lock_timeout', $2, false)
from pg_catalog.pg_settings
where name = 'lock_timeout' and setting = $1
