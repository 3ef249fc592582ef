-- Settings beyond the ordinary ones that a login may set, by GRANT SET ON PARAMETER or as a superuser.
-- Run only when some role has such a setting.
-- Parameters: $1 text, the login; null is the current user. Privileges: none. Oldest PostgreSQL: 15.
select known.name
from pg_catalog.pg_settings known
join pg_catalog.pg_roles login on login.rolname = coalesce($1::text, current_user)
where known.context in ('superuser', 'superuser-backend')
  and pg_catalog.has_parameter_privilege(login.oid, known.name, 'set')
