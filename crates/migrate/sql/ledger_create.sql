-- What migrations need to remember. Run when one of the tables is missing; safe to repeat. Two runners at the same moment
-- can collide in the system catalogs; the caller tries again.
-- Privileges: owner of schema ferrobase, or CREATE on the database when it is missing. Oldest PostgreSQL: 14.
do $$
begin
    if to_regnamespace('ferrobase') is null then
        create schema ferrobase;
        revoke all on schema ferrobase from public;
        comment on schema ferrobase is 'State of Ferrobase itself. Not for applications.';
    end if;
end
$$;

-- The ledger: one row for each file that is applied completely.
create table if not exists ferrobase.migrations (
    version     bigint      primary key,
    name        text        not null,
    checksum    text        not null,
    applied_at  timestamptz not null default clock_timestamp(),
    duration_ms bigint      not null,
    applied_by  text        not null default session_user
);
comment on table ferrobase.migrations is 'Applied migration files of the user.';

-- Files without a transaction that were begun and not completed.
create table if not exists ferrobase.migration_progress (
    version       bigint      primary key,
    name          text        not null,
    done          integer     not null,
    total         integer     not null,
    done_checksum text        not null,
    in_doubt      boolean     not null,
    error         text,
    updated_at    timestamptz not null default clock_timestamp()
);

-- Who may apply migrations now: one row. Times are the database's; the token rises with every new holder.
create table if not exists ferrobase.migration_lease (
    the_only      boolean     primary key default true check (the_only),
    token         bigint      not null default 0,
    holder        text,
    backend_pid   integer,
    backend_start timestamptz,
    expires_at    timestamptz not null default '-infinity'
);
insert into ferrobase.migration_lease default values on conflict do nothing;

-- Whether this database has had its chance of being seeded: no row or one.
create table if not exists ferrobase.migration_seed (
    the_only   boolean     primary key default true check (the_only),
    checksum   text,
    decided_at timestamptz not null default clock_timestamp()
);

revoke all on ferrobase.migrations, ferrobase.migration_progress, ferrobase.migration_lease, ferrobase.migration_seed
    from public;
