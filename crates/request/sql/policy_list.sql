-- The policies of a table, and which of them bind a role.
-- Parameters: 1 the table's oid, 2 the role. Privileges: none. Relies on pg_policy_polrelid_polname_index.
-- Oldest PostgreSQL: 14.
select
  p.polname,
  p.polpermissive,
  p.polcmd,
  -- Role 0 is PUBLIC.
  pg_catalog.to_json(array(
    select case r when 0 then 'public' else pg_catalog.pg_get_userbyid(r) end
    from pg_catalog.unnest(p.polroles) as r)) as roles,
  exists (
    select from pg_catalog.unnest(p.polroles) as r
    where r = 0 or pg_catalog.pg_has_role($2::name, r, 'usage')) as applies,
  pg_catalog.pg_get_expr(p.polqual, p.polrelid) as using_,
  pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) as check_
from pg_catalog.pg_policy p
where p.polrelid = $1::oid
order by p.polpermissive desc, p.polname
