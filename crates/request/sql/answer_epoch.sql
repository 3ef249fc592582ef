-- One text that is another one whenever something was changed that decides what a role sees of some objects: policies, row-level
-- security, ownership, grants (tables, columns, functions, schemas), definitions of views, functions and types, memberships
-- and attributes of the roles that count (the asking one, owners, those that policies name, and whatever these are members of),
-- settings that roles and the database bring, and settings that are in force and decide how values look.
-- A row of a catalog stands for what it says by where it is and who wrote it (`ctid`, `xmin`): each change writes another row, also one that puts
-- back what was there, and one that is gone is missing here. (A transaction's number comes again after four thousand million others; that
-- one of these then writes the same row at the same place is not looked at.) Of roles it is what they are, because their table is for superusers only.
-- Parameters: $1 text, a JSON list of oids; $2 text, the asking role; $3 text, a JSON list of further settings that count.
-- Privileges: none. Indexes: of each catalog by the oid that it is asked for. Oldest PostgreSQL: 14.
with recursive given as materialized (
  select array(select e::oid from pg_catalog.json_array_elements_text($1::json) as e) as oids,
         (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()) as database
), class as materialized (
  select c.oid, c.relowner as owner, c.relnamespace as schema, c.xmin, c.ctid
  from pg_catalog.pg_class c where c.oid = any ((select oids from given)::oid[])
), routine as materialized (
  select p.oid, p.proowner as owner, p.pronamespace as schema, p.xmin, p.ctid
  from pg_catalog.pg_proc p where p.oid = any ((select oids from given)::oid[])
), policy as materialized (
  select p.oid, p.polroles as roles, p.xmin, p.ctid
  from pg_catalog.pg_policy p where p.polrelid = any ((select oids from given)::oid[])
), reached (oid) as (
  select r.oid from pg_catalog.pg_roles r where r.rolname = $2::text::name
  union select owner from class
  union select owner from routine
  union select pg_catalog.unnest(roles) from policy
  union
  select m.roleid from reached r join pg_catalog.pg_auth_members m on m.member = r.oid
), known_role as materialized (
  select array(select oid from reached) as oids
), fact (fact) as (
  select pg_catalog.concat_ws(' ', 'class', oid, xmin, ctid) from class
  union all select pg_catalog.concat_ws(' ', 'function', oid, xmin, ctid) from routine
  union all select pg_catalog.concat_ws(' ', 'policy', oid, xmin, ctid) from policy
  union all
  select pg_catalog.concat_ws(' ', 'column', a.attrelid, a.attnum, a.xmin, a.ctid)
  from pg_catalog.pg_attribute a where a.attrelid = any ((select oids from given)::oid[]) and a.attnum > 0
  union all
  select pg_catalog.concat_ws(' ', 'generated', d.oid, d.xmin, d.ctid)
  from pg_catalog.pg_attrdef d where d.adrelid = any ((select oids from given)::oid[])
  union all
  select pg_catalog.concat_ws(' ', 'rule', r.oid, r.xmin, r.ctid)
  from pg_catalog.pg_rewrite r where r.ev_class = any ((select oids from given)::oid[])
  union all
  select pg_catalog.concat_ws(' ', 'below', i.inhrelid, i.inhparent, i.xmin, i.ctid)
  from pg_catalog.pg_inherits i where i.inhparent = any ((select oids from given)::oid[])
  union all
  select pg_catalog.concat_ws(' ', 'type', t.oid, t.xmin, t.ctid)
  from pg_catalog.pg_type t where t.oid = any ((select oids from given)::oid[])
  union all
  select pg_catalog.concat_ws(' ', 'label', e.oid, e.xmin, e.ctid)
  from pg_catalog.pg_enum e where e.enumtypid = any ((select oids from given)::oid[])
  union all
  select pg_catalog.concat_ws(' ', 'schema', n.oid, n.xmin, n.ctid)
  from pg_catalog.pg_namespace n
  where n.oid = any (array(select schema from class union select schema from routine)::oid[])
  union all
  select pg_catalog.concat_ws(' ', 'role', r.oid, pg_catalog.to_json(r.rolname), r.rolsuper, r.rolinherit, r.rolbypassrls)
  from pg_catalog.pg_roles r where r.oid = any ((select oids from known_role)::oid[])
  union all
  select pg_catalog.concat_ws(' ', 'member', m.member, m.roleid, m.xmin, m.ctid)
  from pg_catalog.pg_auth_members m where m.member = any ((select oids from known_role)::oid[])
  union all
  -- The owner of a database is a member of pg_database_owner without a row that says so.
  select pg_catalog.concat_ws(' ', 'database', d.oid, d.xmin, d.ctid)
  from pg_catalog.pg_database d where d.oid = (select database from given)
  union all
  select pg_catalog.concat_ws(' ', 'brings', s.setdatabase, s.setrole, s.xmin, s.ctid)
  from pg_catalog.pg_db_role_setting s
  where s.setdatabase in (0, (select database from given)) and s.setrole = any ((select 0::oid || oids from known_role)::oid[])
  union all
  select pg_catalog.concat_ws(' ', 'setting', pg_catalog.to_json(name), pg_catalog.to_json(pg_catalog.current_setting(name, true)))
  from (
    select pg_catalog.unnest(array[
      'TimeZone', 'DateStyle', 'IntervalStyle', 'timezone_abbreviations', 'extra_float_digits', 'bytea_output',
      'default_text_search_config', 'lc_monetary', 'lc_numeric', 'lc_time', 'xmlbinary', 'xmloption', 'array_nulls',
      'standard_conforming_strings', 'backslash_quote', 'transform_null_equals', 'quote_all_identifiers', 'search_path',
      'row_security', 'session_replication_role', 'client_encoding'])
    union select pg_catalog.json_array_elements_text($3::json)
  ) as counts (name)
)
select pg_catalog.encode(
  pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.string_agg(fact, e'\n' order by fact collate "C"), 'UTF8')), 'hex')
from fact
