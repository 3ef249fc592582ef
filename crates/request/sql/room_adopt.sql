-- Gives a room's schema and what is in it to the room's role, after each migration of the room and in its transaction.
-- The settings ferrobase.room_schema and ferrobase.room_role name them. Functions stay whose they are: everybody's
-- policies call them. What belongs to somebody else is left alone. A login that is no superuser becomes a member of the
-- role, unless somebody has made it one, so that the application's migrations can still make triggers on its tables and foreign keys to them.
-- Privileges: owner of the objects, may grant the role or has it. Oldest PostgreSQL: 14.
do $$
declare
    room_schema constant name := current_setting('ferrobase.room_schema');
    room_role constant name := current_setting('ferrobase.room_role');
    statement text;
begin
    if not (select rolsuper from pg_roles where rolname = current_user)
        and not pg_has_role(current_user, room_role, 'usage')
    then
        execute format('grant %I to %I', room_role, current_user);
    end if;
    for statement in
        select format('alter schema %I owner to %I', nspname, room_role)
        from pg_namespace
        where nspname = room_schema and nspowner <> to_regrole(quote_ident(room_role))
          and pg_has_role(current_user, nspowner, 'usage')
        union all
        select format('alter table %I.%I owner to %I', room_schema, relname, room_role)
        from pg_class
        where relnamespace = to_regnamespace(quote_ident(room_schema)) and relkind in ('r', 'p', 'v', 'm')
          and relowner <> to_regrole(quote_ident(room_role)) and pg_has_role(current_user, relowner, 'usage')
        union all
        select format('alter type %I.%I owner to %I', room_schema, typname, room_role)
        from pg_type
        where typnamespace = to_regnamespace(quote_ident(room_schema)) and typtype in ('e', 'd')
          and typowner <> to_regrole(quote_ident(room_role)) and pg_has_role(current_user, typowner, 'usage')
    loop
        execute statement;
    end loop;
end
$$;
