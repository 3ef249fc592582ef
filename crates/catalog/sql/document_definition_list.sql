-- The login, and of views and functions what they are made of. Tables have none.
-- Parameters: $1 text, a JSON object with lists of oids: views, functions. Privileges: none. Oldest PostgreSQL: 14.
select
  current_user,
  c.oid,
  pg_catalog.pg_get_viewdef(c.oid)
from pg_catalog.pg_class c
where c.relkind in ('v', 'm')
  and c.oid = any (array(select v::pg_catalog.oid from pg_catalog.json_array_elements_text($1::json -> 'views') v))
union all
select
  current_user,
  p.oid,
  p.prosrc || coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), '')
from pg_catalog.pg_proc p
where p.oid = any (array(select f::pg_catalog.oid from pg_catalog.json_array_elements_text($1::json -> 'functions') f))
-- The login is told whatever there is.
union all
select current_user, 0, ''
