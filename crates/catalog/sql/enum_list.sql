-- Values of every enum type in their order.
-- Parameters: none. Privileges: none. Oldest PostgreSQL: 14.
select e.enumtypid, pg_catalog.json_agg(e.enumlabel order by e.enumsortorder)
from pg_catalog.pg_enum e
group by e.enumtypid
