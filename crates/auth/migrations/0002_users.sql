-- Who may sign in: accounts and the ways into them. Columns, constraints and indexes as Supabase's users, dumps, triggers
-- and foreign keys expect them. A table that exists (an imported schema) is adopted and gets the columns it lacks.
create table if not exists auth.users (
    instance_id                 uuid,
    id                          uuid         not null primary key,
    aud                         varchar(255),
    role                        varchar(255),
    email                       varchar(255),
    encrypted_password          varchar(255),
    email_confirmed_at          timestamptz,
    invited_at                  timestamptz,
    confirmation_token          varchar(255),
    confirmation_sent_at        timestamptz,
    recovery_token              varchar(255),
    recovery_sent_at            timestamptz,
    email_change_token_new      varchar(255),
    email_change                varchar(255),
    email_change_sent_at        timestamptz,
    last_sign_in_at             timestamptz,
    raw_app_meta_data           jsonb,
    raw_user_meta_data          jsonb,
    is_super_admin              boolean,
    created_at                  timestamptz,
    updated_at                  timestamptz,
    phone                       text         default null,
    phone_confirmed_at          timestamptz,
    phone_change                text         default '',
    phone_change_token          varchar(255) default '',
    phone_change_sent_at        timestamptz,
    confirmed_at                timestamptz  generated always as (least(email_confirmed_at, phone_confirmed_at)) stored,
    email_change_token_current  varchar(255) default '',
    email_change_confirm_status smallint     default 0,
    banned_until                timestamptz,
    reauthentication_token      varchar(255) default '',
    reauthentication_sent_at    timestamptz,
    is_sso_user                 boolean      not null default false,
    deleted_at                  timestamptz,
    is_anonymous                boolean      not null default false,
    constraint users_phone_key unique (phone),
    constraint users_email_change_confirm_status_check
        check (email_change_confirm_status >= 0 and email_change_confirm_status <= 2)
);
alter table auth.users
    add column if not exists is_sso_user boolean not null default false,
    add column if not exists deleted_at timestamptz,
    add column if not exists is_anonymous boolean not null default false;
comment on table auth.users is 'Accounts. Applications refer to id, and may have triggers here.';
comment on column auth.users.is_sso_user is
    'Accounts of single sign-on may share an address with others; the provider tells them apart.';

create unique index if not exists users_email_partial_key on auth.users (email) where is_sso_user = false;
create index if not exists users_instance_id_email_idx on auth.users (instance_id, lower(email));
create index if not exists users_instance_id_idx on auth.users (instance_id);
create index if not exists users_is_anonymous_idx on auth.users (is_anonymous);
-- Newest first, for lists.
create index if not exists users_created_at_idx on auth.users (created_at desc, id);
create unique index if not exists confirmation_token_idx
    on auth.users (confirmation_token) where confirmation_token !~ '^[0-9 ]*$';
create unique index if not exists recovery_token_idx
    on auth.users (recovery_token) where recovery_token !~ '^[0-9 ]*$';
create unique index if not exists email_change_token_current_idx
    on auth.users (email_change_token_current) where email_change_token_current !~ '^[0-9 ]*$';
create unique index if not exists email_change_token_new_idx
    on auth.users (email_change_token_new) where email_change_token_new !~ '^[0-9 ]*$';
create unique index if not exists reauthentication_token_idx
    on auth.users (reauthentication_token) where reauthentication_token !~ '^[0-9 ]*$';

create table if not exists auth.identities (
    provider_id     text        not null,
    user_id         uuid        not null,
    identity_data   jsonb       not null,
    provider        text        not null,
    last_sign_in_at timestamptz,
    created_at      timestamptz,
    updated_at      timestamptz,
    email           text        generated always as (lower(identity_data ->> 'email')) stored,
    id              uuid        not null default gen_random_uuid() primary key,
    constraint identities_provider_id_provider_unique unique (provider_id, provider),
    constraint identities_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade
);
comment on table auth.identities is 'Ways into accounts: the provider and who the account is there.';
create index if not exists identities_user_id_idx on auth.identities (user_id);
create index if not exists identities_email_idx on auth.identities (email text_pattern_ops);

create table if not exists auth.one_time_tokens (
    id         uuid                     not null primary key,
    user_id    uuid                     not null,
    token_type auth.one_time_token_type not null,
    token_hash text                     not null,
    relates_to text                     not null,
    created_at timestamp                not null default now(),
    updated_at timestamp                not null default now(),
    constraint one_time_tokens_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade,
    constraint one_time_tokens_token_hash_check check (char_length(token_hash) > 0)
);
create unique index if not exists one_time_tokens_user_id_token_type_key
    on auth.one_time_tokens (user_id, token_type);
create index if not exists one_time_tokens_token_hash_hash_idx on auth.one_time_tokens using hash (token_hash);
create index if not exists one_time_tokens_relates_to_hash_idx on auth.one_time_tokens using hash (relates_to);

create table if not exists auth.audit_log_entries (
    instance_id uuid,
    id          uuid        not null primary key,
    payload     json,
    created_at  timestamptz,
    ip_address  varchar(64) not null default ''
);
create index if not exists audit_logs_instance_id_idx on auth.audit_log_entries (instance_id);
create index if not exists audit_log_entries_created_at_idx on auth.audit_log_entries (created_at desc);

-- Of no use here; dumps have rows for them.
create table if not exists auth.instances (
    id              uuid not null primary key,
    uuid            uuid,
    raw_base_config text,
    created_at      timestamptz,
    updated_at      timestamptz
);
create table if not exists auth.schema_migrations (version varchar(255) not null primary key);
