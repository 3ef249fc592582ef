-- Where the rows of a streamed insert wait until the caller's role takes them (docs/adr/0006).
--
-- API roles and the request logins may make no temporary objects, because a temporary table shadows real ones in
-- functions that do not say otherwise. This function is the one exception: it makes one table and one sequence, always
-- the same, under names that nothing else has, in the session that calls it and only until its transaction ends. Who
-- calls it by other ways gains nothing by it, and the pool closes a session that has had temporary objects.
-- Both belong to the owner: nobody else can add triggers, columns or rules to them.
create schema if not exists ferrobase_staging;
revoke all on schema ferrobase_staging from public;
grant usage on schema ferrobase_staging to public;
comment on schema ferrobase_staging is 'Streamed inserts of Ferrobase. Not for applications.';

create or replace function ferrobase_staging.open() returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    create temporary table ferrobase_stage (line bigint not null, doc text not null) on commit drop;
    -- Sequences do not roll back: after a failure this one still knows which line was at work.
    create temporary sequence ferrobase_line owned by pg_temp.ferrobase_stage.line;
    grant select, insert on pg_temp.ferrobase_stage to public;
    grant select, update on sequence pg_temp.ferrobase_line to public;
end
$$;
comment on function ferrobase_staging.open() is 'Makes the table that a streamed insert waits in, for one transaction.';
