-- Who is a member of what, and what that gives: the group's privileges, or the right to SET ROLE to it.
-- Before PostgreSQL 16 the member's INHERIT attribute decides for all its memberships and every membership allows
-- SET ROLE; since then each membership says so itself. Going through JSON lets one text serve both.
-- The owner of a database is a member of pg_database_owner without a row that says so.
-- Parameters: none. Privileges: none. Oldest PostgreSQL: 14.
select
  member.rolname,
  granted.rolname,
  coalesce((pg_catalog.to_jsonb(m) ->> 'inherit_option')::boolean, member.rolinherit) as inherits,
  coalesce((pg_catalog.to_jsonb(m) ->> 'set_option')::boolean, true) as may_set
from pg_catalog.pg_auth_members m
join pg_catalog.pg_roles member on member.oid = m.member
join pg_catalog.pg_roles granted on granted.oid = m.roleid
union
select owner.rolname, 'pg_database_owner', owner.rolinherit, true
from pg_catalog.pg_database d
join pg_catalog.pg_roles owner on owner.oid = d.datdba
where d.datname = pg_catalog.current_database()
order by 1, 2
