-- Rewritten queries of views, in PostgreSQL's own node notation, which says for every column from which column of
-- which relation it was taken as it is. (The text of pg_get_viewdef would have to be parsed again.)
-- Parameters: $1 text, a JSON list of schemas. Privileges: none. Oldest PostgreSQL: 14.
select c.oid, r.ev_action::text
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_rewrite r on r.ev_class = c.oid and r.ev_type = '1'
where c.relkind in ('v', 'm')
  and n.nspname in (select pg_catalog.json_array_elements_text($1::json))
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
order by c.oid
