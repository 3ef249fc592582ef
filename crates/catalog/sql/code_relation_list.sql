-- Relations: policies, views, and whatever else the planner may evaluate.
-- The columns, and when there is no row at all: `code_own_list.sql`.
-- Parameters: $1 text, a JSON list of oids (only objects that have one of them), or null for everything. Privileges: none. Oldest PostgreSQL: 14.
with chosen as (
  select array(select e::oid from pg_catalog.json_array_elements_text($1::json) as e) as oids
), relations as (
  select c.oid, c.relkind, c.relhassubclass, c.relhasrules, c.relchecks, a.types, a.generated
  from pg_catalog.pg_class c,
    lateral (select pg_catalog.array_agg(a.atttypid::bigint) filter (where a.atttypid >= 16384) as types,
                    pg_catalog.bool_or(a.attgenerated <> '') as generated
             from pg_catalog.pg_attribute a
             where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as a
  where c.oid >= 16384 and c.relkind in ('r', 'p', 'v', 'm', 'f')
    and ($1::text is null or c.oid = any ((select oids from chosen)::oid[]))
), rows (sort, number, harmless, opaque, leads, trees) as (
  select 'relation', c.oid::bigint, c.relkind in ('r', 'p', 'v', 'm'), false,
         pg_catalog.to_json(
           coalesce(c.types, '{}')
           || case when c.relhassubclass then
                array(select i.inhrelid::bigint from pg_catalog.pg_inherits i where i.inhparent = c.oid) end),
         pg_catalog.to_json(
           array(select pol.polqual::text from pg_catalog.pg_policy pol
                 where pol.polrelid = c.oid and pol.polcmd in ('r', '*'))
           || case when c.relhasrules then
                array(select r.ev_action::text from pg_catalog.pg_rewrite r where r.ev_class = c.oid and r.ev_type = '1') end
           || case when c.generated then
                array(select d.adbin::text from pg_catalog.pg_attrdef d
                    join pg_catalog.pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
                    where d.adrelid = c.oid and a.attgenerated <> '') end
           || case when c.relchecks > 0 then
                array(select k.conbin::text from pg_catalog.pg_constraint k where k.conrelid = c.oid and k.conbin is not null) end
           -- Also those that could not be built: whoever builds them again need not tell.
           || array(select e.tree::text from pg_catalog.pg_index i,
                      lateral (values (i.indexprs), (i.indpred)) as e (tree)
                    where i.indrelid = c.oid and e.tree is not null)
           || array(select s.stxexprs::text from pg_catalog.pg_statistic_ext s
                    where s.stxrelid = c.oid and s.stxexprs is not null)
           || case when c.relkind = 'p' then
                array(select t.partexprs::text from pg_catalog.pg_partitioned_table t
                    where t.partrelid = c.oid and t.partexprs is not null) end)
  from relations c
)
select sort, number, harmless, opaque, leads, trees
from rows
where (
  select pg_catalog.count(*) from pg_catalog.pg_event_trigger e
  where e.evtname in ('ferrobase_ddl', 'ferrobase_drop', 'ferrobase_index') and e.evtenabled in ('A', 'O')
) = 3
