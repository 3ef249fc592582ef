-- The triggers of a table that may change a row before policies are asked of it, with the columns on whose change they wait.
-- Parameters: 1 the table's oid. Privileges: none. Relies on pg_trigger_tgrelid_tgname_index. Oldest PostgreSQL: 14.
select
  t.tgname,
  -- The bits of tgtype: 4 INSERT, 16 UPDATE.
  t.tgtype & 4 <> 0 as inserts,
  t.tgtype & 16 <> 0 as updates,
  pg_catalog.to_json(array(
    select a.attname
    from pg_catalog.pg_attribute a
    where a.attrelid = t.tgrelid and a.attnum = any (t.tgattr))) as columns
from pg_catalog.pg_trigger t
where t.tgrelid = $1::oid and not t.tgisinternal and t.tgenabled in ('O', 'A')
  -- 1 FOR EACH ROW, 2 BEFORE.
  and t.tgtype & 3 = 3
order by t.tgname
