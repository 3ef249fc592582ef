-- Tells every server that the schema changed. It only notifies and swallows every error, because an event trigger that
-- raises would block all DDL. A notification carries no data and proves nothing: anybody may send one.
-- One thing it does forbid: PREPARE TRANSACTION after DDL, because PostgreSQL prepares no transaction that notified.
-- Privileges: superuser. Oldest PostgreSQL: 14. Safe to repeat.
create or replace function ferrobase.notify_ddl() returns event_trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    begin
        if tg_event = 'ddl_command_start' then
            -- Builds an index in several transactions, and the others run the functions in it before the end is told, if there is one.
            if current_query() ~* '\mconcurrently\M' then
                perform pg_notify('ferrobase', 'reload schema');
            end if;
        elsif tg_event = 'sql_drop' then
            -- Temporary objects come and go without anybody caring.
            if exists (select from pg_event_trigger_dropped_objects() where not is_temporary) then
                perform pg_notify('ferrobase', 'reload schema');
            end if;
        elsif exists (
            select from pg_event_trigger_ddl_commands()
            where schema_name is distinct from 'pg_temp' and command_tag <> 'REFRESH MATERIALIZED VIEW'
        ) then
            perform pg_notify('ferrobase', 'reload schema');
        end if;
    exception when others then
        null;
    end;
end
$$;
drop event trigger if exists ferrobase_ddl;
drop event trigger if exists ferrobase_drop;
drop event trigger if exists ferrobase_index;
create event trigger ferrobase_ddl on ddl_command_end execute function ferrobase.notify_ddl();
create event trigger ferrobase_drop on sql_drop execute function ferrobase.notify_ddl();
create event trigger ferrobase_index on ddl_command_start when tag in ('CREATE INDEX') execute function ferrobase.notify_ddl();
-- Also in sessions of tools that switch triggers off (`session_replication_role = replica`).
alter event trigger ferrobase_ddl enable always;
alter event trigger ferrobase_drop enable always;
alter event trigger ferrobase_index enable always;
