-- What relations are called now, and their columns with their types, what these stand on, and defaults, written as in column_list: whether a catalog that was
-- read before still tells of them. Types are named by format_type: run with an empty search_path.
-- Parameters: $1 text, a JSON list of oids. Privileges: none. Oldest PostgreSQL: 14.
select
  c.oid,
  n.nspname,
  c.relname,
  pg_catalog.to_json(array(
    select pg_catalog.json_build_array(
      a.attname,
      pg_catalog.format_type(a.atttypid, a.atttypmod),
      coalesce((
        with recursive chain as (
          select t.typbasetype as base, t.typtypmod as typmod
          where t.typtype = 'd'
          union all
          select d.typbasetype, d.typtypmod
          from chain c
          join pg_catalog.pg_type d on d.oid = c.base
          where d.typtype = 'd'
        )
        select pg_catalog.format_type(c.base, c.typmod)
        from chain c
        join pg_catalog.pg_type d on d.oid = c.base
        where d.typtype <> 'd'
      ), pg_catalog.format_type(a.atttypid, a.atttypmod)),
      case
        when a.attgenerated <> '' or a.attidentity = 'a' then null
        when a.attidentity = 'd' then pg_catalog.format('nextval(%L)', (
          select i.objid::pg_catalog.regclass
          from pg_catalog.pg_depend i
          where i.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            and i.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
            and i.deptype = 'i'
            and i.refobjid = a.attrelid
            and i.refobjsubid = a.attnum
        ))
        when ad.adbin is not null then pg_catalog.pg_get_expr(ad.adbin, 0)
        when t.typtype = 'd' then pg_catalog.pg_get_expr(t.typdefaultbin, 0)
      end
    )
    from pg_catalog.pg_attribute a
    join pg_catalog.pg_type t on t.oid = a.atttypid
    left join pg_catalog.pg_attrdef ad on ad.adrelid = a.attrelid and ad.adnum = a.attnum
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    order by a.attnum
  ))
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.oid = any (array(select e::oid from pg_catalog.json_array_elements_text($1::json) as e))
