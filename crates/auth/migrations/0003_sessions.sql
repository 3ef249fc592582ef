-- Signed-in devices, their refresh tokens, second factors and how each session proved itself.
create table if not exists auth.sessions (
    id                     uuid        not null primary key,
    user_id                uuid        not null,
    created_at             timestamptz,
    updated_at             timestamptz,
    factor_id              uuid,
    aal                    auth.aal_level,
    not_after              timestamptz,
    refreshed_at           timestamp,
    user_agent             text,
    ip                     inet,
    tag                    text,
    oauth_client_id        uuid,
    refresh_token_hmac_key text,
    refresh_token_counter  bigint,
    scopes                 text,
    constraint sessions_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade,
    constraint sessions_scopes_length check (char_length(scopes) <= 4096)
);
alter table auth.sessions
    add column if not exists oauth_client_id uuid,
    add column if not exists refresh_token_hmac_key text,
    add column if not exists refresh_token_counter bigint,
    add column if not exists scopes text;
comment on column auth.sessions.not_after is 'When it ends, whatever happens; null is no such time.';
comment on column auth.sessions.refresh_token_counter is 'Number of the refresh token that is good now.';
create index if not exists sessions_user_id_idx on auth.sessions (user_id);
create index if not exists user_id_created_at_idx on auth.sessions (user_id, created_at);
create index if not exists sessions_not_after_idx on auth.sessions (not_after desc);
create index if not exists sessions_oauth_client_id_idx on auth.sessions (oauth_client_id);

-- Refresh tokens of imported sessions; those that are made here are worked out from their session.
create table if not exists auth.refresh_tokens (
    instance_id uuid,
    id          bigserial    not null primary key,
    token       varchar(255),
    user_id     varchar(255),
    revoked     boolean,
    created_at  timestamptz,
    updated_at  timestamptz,
    parent      varchar(255),
    session_id  uuid,
    constraint refresh_tokens_token_unique unique (token),
    constraint refresh_tokens_session_id_fkey foreign key (session_id) references auth.sessions (id) on delete cascade
);
create index if not exists refresh_tokens_instance_id_idx on auth.refresh_tokens (instance_id);
create index if not exists refresh_tokens_instance_id_user_id_idx on auth.refresh_tokens (instance_id, user_id);
create index if not exists refresh_tokens_parent_idx on auth.refresh_tokens (parent);
create index if not exists refresh_tokens_session_id_revoked_idx on auth.refresh_tokens (session_id, revoked);
create index if not exists refresh_tokens_updated_at_idx on auth.refresh_tokens (updated_at desc);

create table if not exists auth.mfa_factors (
    id                           uuid               not null primary key,
    user_id                      uuid               not null,
    friendly_name                text,
    factor_type                  auth.factor_type   not null,
    status                       auth.factor_status not null,
    created_at                   timestamptz        not null,
    updated_at                   timestamptz        not null,
    secret                       text,
    phone                        text,
    last_challenged_at           timestamptz,
    web_authn_credential         jsonb,
    web_authn_aaguid             uuid,
    last_webauthn_challenge_data jsonb,
    constraint mfa_factors_last_challenged_at_key unique (last_challenged_at),
    constraint mfa_factors_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade
);
alter table auth.mfa_factors add column if not exists last_webauthn_challenge_data jsonb;
create unique index if not exists mfa_factors_user_friendly_name_unique
    on auth.mfa_factors (friendly_name, user_id) where trim(friendly_name) <> '';
create index if not exists mfa_factors_user_id_idx on auth.mfa_factors (user_id);
create index if not exists factor_id_created_at_idx on auth.mfa_factors (user_id, created_at);
create unique index if not exists unique_phone_factor_per_user on auth.mfa_factors (user_id, phone);

create table if not exists auth.mfa_challenges (
    id                     uuid        not null primary key,
    factor_id              uuid        not null,
    created_at             timestamptz not null,
    verified_at            timestamptz,
    ip_address             inet        not null,
    otp_code               text,
    web_authn_session_data jsonb,
    constraint mfa_challenges_auth_factor_id_fkey
        foreign key (factor_id) references auth.mfa_factors (id) on delete cascade
);
create index if not exists mfa_challenge_created_at_idx on auth.mfa_challenges (created_at desc);
create index if not exists mfa_challenges_factor_id_idx on auth.mfa_challenges (factor_id);

create table if not exists auth.mfa_amr_claims (
    session_id            uuid        not null,
    created_at            timestamptz not null,
    updated_at            timestamptz not null,
    authentication_method text        not null,
    id                    uuid        not null,
    constraint amr_id_pk primary key (id),
    constraint mfa_amr_claims_session_id_authentication_method_pkey unique (session_id, authentication_method),
    constraint mfa_amr_claims_session_id_fkey foreign key (session_id) references auth.sessions (id) on delete cascade
);
comment on table auth.mfa_amr_claims is 'How each session proved who its user is.';
