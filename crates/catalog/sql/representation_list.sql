-- Implicit casts with a function between a domain and json or text: how an author presents and reads a domain's
-- values. Only functions that the login may execute.
-- Parameters: $1 text, the login; null is the current user. Privileges: none. Oldest PostgreSQL: 14.
select
  pg_catalog.format_type(c.castsource, null),
  pg_catalog.format_type(c.casttarget, null),
  pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(p.proname)
from pg_catalog.pg_cast c
join pg_catalog.pg_type source on source.oid = c.castsource
join pg_catalog.pg_type target on target.oid = c.casttarget
join pg_catalog.pg_proc p on p.oid = c.castfunc
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
join pg_catalog.pg_roles login on login.rolname = coalesce($1::text, current_user)
where c.castcontext = 'i'
  and c.castmethod = 'f'
  and (
    source.typtype = 'd'
      and c.casttarget in ('pg_catalog.json'::pg_catalog.regtype, 'pg_catalog.text'::pg_catalog.regtype)
    or target.typtype = 'd'
      and c.castsource in ('pg_catalog.json'::pg_catalog.regtype, 'pg_catalog.text'::pg_catalog.regtype)
  )
  and pg_catalog.has_function_privilege(login.oid, p.oid, 'execute')
order by 1, 2
