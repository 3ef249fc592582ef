-- Applied migrations, as one JSON value. Only when the bootstrap is there.
-- Privileges: owner of schema ferrobase. Oldest PostgreSQL: 14.
select coalesce(jsonb_agg(jsonb_build_object('room', room, 'version', version, 'name', name, 'checksum', checksum)
                          order by room, version), '[]')::text
from ferrobase.own_migrations
