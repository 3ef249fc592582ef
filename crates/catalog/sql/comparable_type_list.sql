-- Types whose values can be compared: those with an order or a hash of their own, and those that are taken for one of them
-- as they are. (Enums, ranges and arrays are compared by their kind.)
-- Parameters: none. Privileges: none. Oldest PostgreSQL: 14.
with own as (
  select o.opcintype as oid
  from pg_catalog.pg_opclass o
  join pg_catalog.pg_am m on m.oid = o.opcmethod
  where m.amname in ('btree', 'hash') and o.opcdefault
)
select own.oid from own
union
select c.castsource
from pg_catalog.pg_cast c
join own on own.oid = c.casttarget
where c.castmethod = 'b' and c.castcontext = 'i'
