-- Opaque API keys. Only the hash of a key is kept: whoever reads this table can use none of them.
create table if not exists auth.api_keys (
    id           uuid        not null primary key default gen_random_uuid(),
    name         text        not null,
    role         text        not null,
    prefix       text        not null,
    hash         bytea       not null,
    created_at   timestamptz not null default now(),
    last_used_at timestamptz,
    revoked_at   timestamptz,
    constraint api_keys_hash_key unique (hash),
    constraint api_keys_hash_length check (octet_length(hash) = 32),
    constraint api_keys_name_length check (char_length(name) between 1 and 120)
);
create unique index if not exists api_keys_name_key on auth.api_keys (name) where revoked_at is null;
comment on table auth.api_keys is 'Opaque keys (sb_...): role is the database role that one stands for, its scope.';
alter table auth.api_keys enable row level security;
revoke all on auth.api_keys from public, anon, authenticated;
