-- What foreign keys add to writes of the tables that they refer to.
-- The columns, and when there is no row at all: `code_own_list.sql`.
-- Parameters: $1 text, a JSON list of oids (only what refers to tables that have one of them), or null for everything. Privileges: none. Oldest PostgreSQL: 14.
with chosen as (
  select array(select e::oid from pg_catalog.json_array_elements_text($1::json) as e) as oids
), rows (sort, number, harmless, opaque, leads, trees) as (
  -- Rows of their own beside those of `code_write_list.sql`, because
  -- no index finds them by that table, and looking for them from each table takes the square of their number. For a few tables
  -- their dependencies lead to them.
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
    and ($1::text is null or k.oid in (
      select d.objid from pg_catalog.pg_depend d
      where d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid = any ((select oids from chosen)::oid[])
        and d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass))
    and ($1::text is null or k.confrelid = any ((select oids from chosen)::oid[]))
)
select sort, number, harmless, opaque, leads, trees
from rows
where (
  select pg_catalog.count(*) from pg_catalog.pg_event_trigger e
  where e.evtname in ('ferrobase_ddl', 'ferrobase_drop', 'ferrobase_index') and e.evtenabled in ('A', 'O')
) = 3
