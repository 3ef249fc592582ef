-- What foreign keys add to writes of the tables that they refer to.
-- The columns, and when there is no row at all: `code_own_list.sql`.
-- Parameters: none. Privileges: none. Oldest PostgreSQL: 14.
with rows (sort, number, harmless, opaque, leads, trees) as (
  -- Rows of their own beside those of `code_write_list.sql`, because
  -- no index finds them by that table, and looking for them from each table takes the square of their number.
  select w.sort, k.confrelid::bigint + w.number,
         -- SET DEFAULT runs defaults, and whatever those count up.
         w.action <> 'd',
         false,
         pg_catalog.to_json(array[k.conrelid::bigint
                                  + case w.action when 'c' then w.number when 'n' then 2::bigint << 32 else 0 end]),
         '[]'
  from pg_catalog.pg_constraint k,
    lateral (values ('update', 2::bigint << 32, k.confupdtype), ('delete', 3::bigint << 32, k.confdeltype))
      as w (sort, number, action)
  where k.contype = 'f' and k.confrelid >= 16384
)
select sort, number, harmless, opaque, leads, trees
from rows
where (
  select pg_catalog.count(*) from pg_catalog.pg_event_trigger e
  where e.evtname in ('ferrobase_ddl', 'ferrobase_drop', 'ferrobase_index') and e.evtenabled in ('A', 'O')
) = 3
