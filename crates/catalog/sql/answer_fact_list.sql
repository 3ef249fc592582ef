-- What gives the same answer at any time, from the same rows and the same settings: of what stored expressions name, and of what stands behind it.
-- One row each: its sort and its oid. `table` and `view` are relations of which every column is one whose text says what it holds (see `restless`);
-- a table is one whose changes are in the write-ahead log, so neither unlogged nor temporary, nor a materialized view, which is as old as its last
-- refresh. `function` and `operator` are immutable, or have a body that is kept as an expression (which is looked at by itself), or are of
-- PostgreSQL's own and stable only because they look at settings that decide how values look. `type` is one of somebody's own whose text says what it holds, `input` a
-- type that text can be read as without a look at the clock (`now`, `today`). `restless` is a type of PostgreSQL's own whose text depends on something else: the
-- names of other objects (reg*), or today's offset (timetz).
-- Parameters: $1 text, a JSON list of oids (only objects that have one of them, but every `restless`). Privileges: none. Oldest PostgreSQL: 14.
with chosen as (
  select array(select e::oid from pg_catalog.json_array_elements_text($1::json) as e) as oids
), steady as not materialized (
  select p.oid
  from pg_catalog.pg_proc p
  where p.oid >= 16384 and p.prosqlbody is not null
    or p.provolatile = 'i'
    or p.oid < 16384 and p.provolatile = 's'
      and 'pg_catalog.timetz'::pg_catalog.regtype <> all (p.prorettype || p.proargtypes::oid[])
      and (
        p.proname in (
          'current_setting', 'current_database',
          'concat', 'concat_ws', 'format', 'quote_literal', 'quote_nullable', 'textanycat', 'anytextcat', 'array_to_string',
          'to_char', 'to_number',
          'to_json', 'to_jsonb', 'row_to_json', 'array_to_json', 'json_build_array', 'json_build_object', 'jsonb_build_array',
          'jsonb_build_object', 'json_agg', 'jsonb_agg', 'json_object_agg', 'jsonb_object_agg',
          'date', 'time', 'timestamp', 'timestamptz', 'date_trunc', 'date_part', 'extract', 'timezone', 'make_timestamptz',
          'timestamptz_pl_interval', 'timestamptz_mi_interval', 'interval_pl_timestamptz', 'generate_series', 'overlaps',
          'to_tsvector', 'to_tsquery', 'plainto_tsquery', 'phraseto_tsquery', 'websearch_to_tsquery', 'ts_headline')
        or p.proname ~ '^(date|timestamp|timestamptz)_(eq|ne|lt|le|gt|ge|cmp)_(date|timestamp|timestamptz)$')
), described as (
  select t.oid, t.typelem,
         (i.provolatile <> 'i' or o.provolatile <> 'i')
         and i.proname !~ '^(array|date|time|timestamp|timestamptz|interval|cash|enum|domain|range|multirange|record|xml)_in$'
         and i.proname !~ '^any.*_in$'
         -- Of text search; whatever renames them says so.
         and i.proname not in ('regconfigin', 'regdictionaryin') as is_restless
  from pg_catalog.pg_type t
  join pg_catalog.pg_proc i on i.oid = t.typinput
  join pg_catalog.pg_proc o on o.oid = t.typoutput
  where t.oid < 16384
), restless as materialized (
  select d.oid from described d
  where d.is_restless or exists (select from described e where e.oid = d.typelem and e.is_restless)
), rows (sort, number) as (
  select 'restless', r.oid from restless r
  union all
  select 'function', s.oid from steady s where s.oid = any ((select oids from chosen)::oid[])
  union all
  select 'operator', o.oid
  from pg_catalog.pg_operator o
  where o.oid = any ((select oids from chosen)::oid[]) and exists (select from steady s where s.oid = o.oprcode)
  union all
  select 'type', t.oid
  from pg_catalog.pg_type t
  join pg_catalog.pg_proc i on i.oid = t.typinput
  join pg_catalog.pg_proc o on o.oid = t.typoutput
  where t.oid = any ((select oids from chosen)::oid[]) and t.oid >= 16384
    -- What an array or a domain is made of is looked at by itself.
    and (t.typtype in ('e', 'd') or i.proname = 'array_in' or i.provolatile = 'i' and o.provolatile = 'i')
  union all
  select 'input', t.oid
  from pg_catalog.pg_type t
  join pg_catalog.pg_proc i on i.oid = t.typinput
  where t.oid = any ((select oids from chosen)::oid[])
    and (
      t.typtype = 'e' or i.provolatile = 'i' or i.proname in ('interval_in', 'cash_in', 'xml_in')
      or i.proname = 'array_in' and exists (
        select from pg_catalog.pg_type e
        join pg_catalog.pg_proc n on n.oid = e.typinput
        where e.oid = t.typelem and n.provolatile = 'i'))
  union all
  select case c.relkind when 'v' then 'view' else 'table' end, c.oid
  from pg_catalog.pg_class c
  where c.oid = any ((select oids from chosen)::oid[]) and c.oid >= 16384
    and (c.relkind = 'v' or c.relkind in ('r', 'p') and c.relpersistence = 'p')
    and not exists (
      select from pg_catalog.pg_attribute a
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.atttypid in (select oid from restless))
)
select sort, number::bigint
from rows
