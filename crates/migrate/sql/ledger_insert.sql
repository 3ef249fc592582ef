-- Records a migration as applied, forgets its progress, and tells servers at commit that the schema changed.
-- $1 version, $2 name, $3 checksum, $4 duration in milliseconds. Runs in the transaction that applied the file, behind the
-- fence of lease_fence.sql. Privileges: owner of schema ferrobase. Oldest PostgreSQL: 14.
with forgotten as (
    delete from ferrobase.migration_progress where version = $1::bigint
), recorded as (
    insert into ferrobase.migrations (version, name, checksum, duration_ms)
    values ($1::bigint, $2, $3, $4::bigint)
    returning version
)
select pg_catalog.pg_notify('ferrobase', 'reload schema') from recorded
