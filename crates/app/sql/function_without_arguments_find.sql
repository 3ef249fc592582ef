-- Whether there is a function that can be called without arguments.
-- Parameters: $1 text, its schema; $2 text, its name. Privileges: none. Oldest PostgreSQL: 14.
select exists (
  select from pg_catalog.pg_proc p
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  where n.nspname = $1 and p.proname = $2 and p.prokind = 'f' and p.pronargs = p.pronargdefaults
)
