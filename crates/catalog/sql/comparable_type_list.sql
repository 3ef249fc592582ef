-- Types whose values can be compared: those with an order or a hash of their own, and those that are taken for one of them
-- as they are. (Enums, ranges and arrays are compared by their kind.) With the B-tree operator family that does it
-- where nothing else is said: of a type without one, that of the preferred type which it is taken for.
-- Parameters: none. Privileges: none. Oldest PostgreSQL: 14.
with own as (
  select o.opcintype as oid, max(o.opcfamily) filter (where m.amname = 'btree') as family
  from pg_catalog.pg_opclass o
  join pg_catalog.pg_am m on m.oid = o.opcmethod
  where m.amname in ('btree', 'hash') and o.opcdefault
  group by o.opcintype
),
taken as (
  select c.castsource as oid,
    max(own.family) filter (where t.typispreferred and t.typcategory = s.typcategory) as family
  from pg_catalog.pg_cast c
  join own on own.oid = c.casttarget
  join pg_catalog.pg_type s on s.oid = c.castsource
  join pg_catalog.pg_type t on t.oid = c.casttarget
  where c.castmethod = 'b' and c.castcontext = 'i'
  group by c.castsource
)
select coalesce(own.oid, taken.oid), case when own.oid is null then taken.family else own.family end
from own
full join taken on taken.oid = own.oid
