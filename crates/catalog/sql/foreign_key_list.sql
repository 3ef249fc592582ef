-- Foreign keys of every user table, once each: the copies that PostgreSQL makes for partitions are left out.
-- Parameters: none. Privileges: none. Oldest PostgreSQL: 14.
select
  con.conrelid,
  con.confrelid,
  con.conname,
  pg_catalog.to_json(con.conkey),
  pg_catalog.to_json(con.confkey)
from pg_catalog.pg_constraint con
where con.contype = 'f' and con.conparentid = 0
order by con.conrelid, con.conname
