-- Foreign keys of every user table with their comments, once each: the copies that PostgreSQL makes for partitions are left out.
-- Parameters: none. Privileges: none. Oldest PostgreSQL: 14.
select
  con.conrelid,
  con.confrelid,
  con.conname,
  pg_catalog.to_json(con.conkey),
  pg_catalog.to_json(con.confkey),
  d.description
from pg_catalog.pg_constraint con
left join pg_catalog.pg_description d
  on d.objoid = con.oid and d.classoid = 'pg_catalog.pg_constraint'::pg_catalog.regclass and d.objsubid = 0
where con.contype = 'f' and con.conparentid = 0
order by con.conrelid, con.conname
