-- What a write of each kind adds to its table: triggers, rules, defaults, policies, and the tables that foreign keys read.
-- The columns, and when there is no row at all: `code_own_list.sql`.
-- Parameters: none. Privileges: none. Oldest PostgreSQL: 14.
with rows (sort, number, harmless, opaque, leads, trees) as (
  select w.sort, c.oid::bigint + w.number,
         not exists (
           select from pg_catalog.pg_trigger g
           where g.tgrelid = c.oid and g.tgtype & w.fires <> 0 and (g.tgfoid >= 16384 or g.tgqual is not null))
         and not exists (select from pg_catalog.pg_rewrite r where r.ev_class = c.oid and r.ev_type = w.event),
         false,
         pg_catalog.to_json(
           array[c.oid::bigint]
           -- A row that is updated may move: it is deleted from one partition and inserted into another.
           || array(select i.inhrelid::bigint + n.number
                    from pg_catalog.pg_inherits i, (values (1::bigint << 32), (2::bigint << 32), (3::bigint << 32)) as n (number)
                    where i.inhparent = c.oid and (n.number = w.number or w.sort = 'update'))
           || array(select k.confrelid::bigint from pg_catalog.pg_constraint k
                    where k.conrelid = c.oid and k.contype = 'f' and w.sort <> 'delete')),
         pg_catalog.to_json(
           array(select e.tree::text
                 from pg_catalog.pg_policy pol, lateral (values (pol.polqual), (pol.polwithcheck)) as e (tree)
                 where pol.polrelid = c.oid and pol.polcmd in (w.command, '*') and e.tree is not null)
           || array(select d.adbin::text from pg_catalog.pg_attrdef d
                    where d.adrelid = c.oid and w.sort = 'insert')
           -- A column without a default of its own has its domain's.
           || array(select t.typdefaultbin::text
                    from pg_catalog.pg_attribute a
                    join pg_catalog.pg_type t on t.oid = a.atttypid
                    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and t.typdefaultbin is not null
                      and w.sort = 'insert')
           -- A row must be one of its partition, by the conditions of everything above it.
           || array(select t.partexprs::text
                    from pg_catalog.pg_partition_ancestors(c.oid) as up (relid)
                    join pg_catalog.pg_partitioned_table t on t.partrelid = up.relid
                    where c.relispartition and t.partexprs is not null))
  from pg_catalog.pg_class c,
    lateral (values ('insert', 1::bigint << 32, 4, '3', 'a'),
                    ('update', 2::bigint << 32, 16, '2', 'w'),
                    ('delete', 3::bigint << 32, 8, '4', 'd')) as w (sort, number, fires, event, command)
  where c.oid >= 16384 and c.relkind in ('r', 'p')
)
select sort, number, harmless, opaque, leads, trees
from rows
where (
  select pg_catalog.count(*) from pg_catalog.pg_event_trigger e
  where e.evtname in ('ferrobase_ddl', 'ferrobase_drop') and e.evtenabled in ('A', 'O')
) = 2
