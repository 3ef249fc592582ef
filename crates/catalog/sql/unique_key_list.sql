-- Unique keys of every user table: primary keys, unique constraints and unique indexes.
-- `constrained` marks those that a constraint declares (they make a foreign key one-to-one); `arbiter` those that
-- ON CONFLICT can name by their columns alone, and these come with how they compare each column: operator class, type of the
-- column, whether by its own collation. Included columns are not part of a key.
-- Parameters: none. Privileges: none. Oldest PostgreSQL: 14.
select
  i.indrelid,
  i.indisprimary,
  con.oid is not null as constrained,
  i.indimmediate and i.indisvalid and i.indpred is null and i.indexprs is null as arbiter,
  -- An int2vector counts from zero.
  pg_catalog.to_json((i.indkey::smallint[])[0:i.indnkeyatts - 1]),
  case when not i.indisprimary then (
    select pg_catalog.json_agg(pg_catalog.json_build_array(k.opclass::bigint, a.atttypid::bigint, k.collid = a.attcollation))
    from unnest(i.indclass::oid[], i.indcollation::oid[], i.indkey::smallint[]) as k (opclass, collid, attnum)
    -- Not joined: that would look at every column for a key of one.
    cross join lateral (
      select a.atttypid, a.attcollation from pg_catalog.pg_attribute a
      where a.attrelid = i.indrelid and a.attnum = k.attnum
      offset 0) as a
    where k.opclass is not null
  ) end as compared
from pg_catalog.pg_index i
join pg_catalog.pg_class c on c.oid = i.indrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
-- The table is named because there is no index by conindid.
left join pg_catalog.pg_constraint con
  on con.conrelid = i.indrelid and con.conindid = i.indexrelid and con.contype in ('p', 'u')
where (i.indisunique or con.oid is not null)
  and c.relkind in ('r', 'p', 'm')
  and not c.relispartition
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
order by i.indrelid, i.indexrelid
