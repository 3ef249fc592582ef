-- What the installation itself stands on: its schema, leases, ledger and secrets. Run as the owner when one of them is
-- missing; safe to repeat. Two processes that run it at the same moment can collide in the system catalogs; the caller
-- tries again. Privileges: CREATE on the database. Oldest PostgreSQL: 14.
create schema if not exists ferrobase;
revoke all on schema ferrobase from public;
comment on schema ferrobase is 'State of Ferrobase itself. Not for applications.';

-- Leadership without advisory locks, which anybody may take and which have no owner. Times are the database's.
create table if not exists ferrobase.leases (
    name       text        primary key,
    holder     text        not null,
    fence      bigint      not null default 1,
    expires_at timestamptz not null
);
-- The session that took it, to see when it is gone. Added to tables of before.
alter table ferrobase.leases
    add column if not exists backend_pid   integer,
    add column if not exists backend_start timestamptz;

create table if not exists ferrobase.own_migrations (
    room       text        not null,
    version    integer     not null,
    name       text        not null,
    checksum   text        not null,
    applied_at timestamptz not null default clock_timestamp(),
    applied_by text        not null,
    primary key (room, version)
);

-- Passwords of the request logins, and choices made at the first installation. The owner's alone.
create table if not exists ferrobase.secrets (
    name       text        primary key,
    value      text        not null,
    created_at timestamptz not null default clock_timestamp()
);
revoke all on all tables in schema ferrobase from public;
