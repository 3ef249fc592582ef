-- Tables, views, materialized, foreign and partitioned tables of every user schema. Unexposed ones come too: views
-- read them and foreign keys of theirs reach through views. Partitions are left out.
-- The bits of pg_relation_is_updatable are 1 << CmdType: 4 UPDATE, 8 INSERT, 16 DELETE; INSTEAD OF triggers count.
-- It is asked for exposed relations only, because it takes a lock on each view.
-- Parameters: $1 text, a JSON list of exposed schemas. Privileges: none. Oldest PostgreSQL: 14.
select
  c.oid,
  n.nspname,
  c.relname,
  c.relkind,
  d.description,
  pg_catalog.pg_get_userbyid(c.relowner),
  c.relrowsecurity,
  c.relforcerowsecurity,
  c.relkind = 'v' and c.reloptions is not null and coalesce((
    select o.option_value::boolean
    from pg_catalog.pg_options_to_table(c.reloptions) o
    where o.option_name = 'security_invoker'
  ), false) as security_invoker,
  case
    when c.relkind in ('r', 'p') then 4 + 8 + 16
    when c.relkind in ('v', 'f') and n.nspname in (select pg_catalog.json_array_elements_text($1::json))
      then pg_catalog.pg_relation_is_updatable(c.oid, true)
    else 0
  end as writable,
  pg_catalog.to_json(coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner))::text[]),
  c.relhassubclass and c.relkind in ('r', 'f'),
  -- ON CONFLICT is refused where rules or, for views, triggers write instead (pg_trigger.tgtype: 64 INSTEAD OF, 4 INSERT).
  not exists (
    select from pg_catalog.pg_rewrite rule
    where c.relhasrules and rule.ev_class = c.oid and rule.ev_type in ('2', '3'))
  and not exists (
    select from pg_catalog.pg_trigger t
    where c.relkind = 'v' and c.relhastriggers and t.tgrelid = c.oid and t.tgtype & 68 = 68) as upsertable
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join pg_catalog.pg_description d
  on d.objoid = c.oid and d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objsubid = 0
where c.relkind in ('r', 'p', 'v', 'm', 'f')
  and not c.relispartition
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
order by c.oid
