-- Every role of the cluster, predefined ones included: they appear in grants and memberships.
-- Parameters: none. Privileges: none (pg_roles hides passwords). Oldest PostgreSQL: 14.
select r.rolname, r.rolsuper, r.rolbypassrls, r.rolcanlogin, r.rolcreaterole, r.rolreplication
from pg_catalog.pg_roles r
order by r.rolname
