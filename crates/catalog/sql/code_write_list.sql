-- What a write of each kind adds to its table: triggers, rules, defaults, policies, and the tables that foreign keys read.
-- The columns, and when there is no row at all: `code_own_list.sql`.
-- Parameters: $1 text, a JSON list of oids (only tables that have one of them), or null for everything. Privileges: none. Oldest PostgreSQL: 14.
with chosen as (
  select array(select e::oid from pg_catalog.json_array_elements_text($1::json) as e) as oids
), tables as (
  select c.oid, c.relhasrules, c.relhassubclass, c.relispartition,
         -- The flags of a table are up where there are or once were such objects.
         case when c.relhastriggers then
           (select pg_catalog.bit_or(g.tgtype) from pg_catalog.pg_trigger g
            where g.tgrelid = c.oid and (g.tgfoid >= 16384 or g.tgqual is not null)) end as fires,
         array(select k.confrelid::bigint from pg_catalog.pg_constraint k
               where k.conrelid = c.oid and k.contype = 'f') as refers
  from pg_catalog.pg_class c
  where c.oid >= 16384 and c.relkind in ('r', 'p')
    and ($1::text is null or c.oid = any ((select oids from chosen)::oid[]))
  offset 0
), rows (sort, number, harmless, opaque, leads, trees) as (
  select w.sort, c.oid::bigint + w.number,
         coalesce(c.fires & w.fires, 0) = 0
         and not (c.relhasrules and exists (
           select from pg_catalog.pg_rewrite r where r.ev_class = c.oid and r.ev_type = w.event)),
         false,
         pg_catalog.to_json(
           array[c.oid::bigint]
           -- A row that is updated may move: it is deleted from one partition and inserted into another.
           || case when c.relhassubclass then
                array(select i.inhrelid::bigint + n.number
                    from pg_catalog.pg_inherits i, (values (1::bigint << 32), (2::bigint << 32), (3::bigint << 32)) as n (number)
                    where i.inhparent = c.oid and (n.number = w.number or w.sort = 'update')) end
           || case when w.sort <> 'delete' then c.refers end),
         pg_catalog.to_json(
           array(select e.tree::text
                 from pg_catalog.pg_policy pol, lateral (values (pol.polqual), (pol.polwithcheck)) as e (tree)
                 where pol.polrelid = c.oid and pol.polcmd in (w.command, '*') and e.tree is not null)
           || case when w.sort = 'insert' then
                array(select d.adbin::text from pg_catalog.pg_attrdef d where d.adrelid = c.oid)
           -- A column without a default of its own has its domain's.
                || case when exists (
                     select from pg_catalog.pg_depend d
                     join pg_catalog.pg_type t on t.oid = d.refobjid
                     where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid
                       and d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass and t.typdefaultbin is not null
                     offset 0) then
                   array(select t.typdefaultbin::text
                         from pg_catalog.pg_attribute a
                         join pg_catalog.pg_type t on t.oid = a.atttypid
                         where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and t.typdefaultbin is not null) end
              end
           -- A row must be one of its partition, by the conditions of everything above it.
           || case when c.relispartition then array(select t.partexprs::text
                    from pg_catalog.pg_partition_ancestors(c.oid) as up (relid)
                    join pg_catalog.pg_partitioned_table t on t.partrelid = up.relid
                    where t.partexprs is not null) end)
  from tables c,
    lateral (values ('insert', 1::bigint << 32, 4::smallint, '3'::"char", 'a'::"char"),
                    ('update', 2::bigint << 32, 16::smallint, '2'::"char", 'w'::"char"),
                    ('delete', 3::bigint << 32, 8::smallint, '4'::"char", 'd'::"char")) as w (sort, number, fires, event, command)
)
select sort, number, harmless, opaque, leads, trees
from rows
where (
  select pg_catalog.count(*) from pg_catalog.pg_event_trigger e
  where e.evtname in ('ferrobase_ddl', 'ferrobase_drop', 'ferrobase_index') and e.evtenabled in ('A', 'O')
) = 3
