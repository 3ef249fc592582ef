-- Signing in elsewhere, and this installation as the place where others sign in.
create table if not exists auth.flow_state (
    id                     uuid        not null primary key,
    user_id                uuid,
    auth_code              text,
    code_challenge_method  auth.code_challenge_method,
    code_challenge         text,
    provider_type          text        not null,
    provider_access_token  text,
    provider_refresh_token text,
    created_at             timestamptz,
    updated_at             timestamptz,
    authentication_method  text        not null,
    auth_code_issued_at    timestamptz,
    invite_token           text,
    referrer               text,
    oauth_client_state_id  uuid,
    linking_target_id      uuid,
    email_optional         boolean     not null default false
);
alter table auth.flow_state
    alter column auth_code drop not null,
    alter column code_challenge_method drop not null,
    alter column code_challenge drop not null,
    add column if not exists invite_token text,
    add column if not exists referrer text,
    add column if not exists oauth_client_state_id uuid,
    add column if not exists linking_target_id uuid,
    add column if not exists email_optional boolean not null default false;
create index if not exists idx_auth_code on auth.flow_state (auth_code);
create index if not exists idx_user_id_auth_method on auth.flow_state (user_id, authentication_method);
create index if not exists flow_state_created_at_idx on auth.flow_state (created_at desc);

create table if not exists auth.oauth_client_states (
    id            uuid        not null primary key,
    provider_type text        not null,
    code_verifier text,
    created_at    timestamptz not null
);
create index if not exists idx_oauth_client_states_created_at on auth.oauth_client_states (created_at);

create table if not exists auth.sso_providers (
    id          uuid not null primary key,
    resource_id text,
    created_at  timestamptz,
    updated_at  timestamptz,
    disabled    boolean,
    constraint resource_id_not_empty check (resource_id is null or char_length(resource_id) > 0)
);
alter table auth.sso_providers add column if not exists disabled boolean;
create unique index if not exists sso_providers_resource_id_idx on auth.sso_providers (lower(resource_id));

create table if not exists auth.sso_domains (
    id              uuid not null primary key,
    sso_provider_id uuid not null,
    domain          text not null,
    created_at      timestamptz,
    updated_at      timestamptz,
    constraint domain_not_empty check (char_length(domain) > 0),
    constraint sso_domains_sso_provider_id_fkey
        foreign key (sso_provider_id) references auth.sso_providers (id) on delete cascade
);
create unique index if not exists sso_domains_domain_idx on auth.sso_domains (lower(domain));
create index if not exists sso_domains_sso_provider_id_idx on auth.sso_domains (sso_provider_id);

create table if not exists auth.saml_providers (
    id                uuid not null primary key,
    sso_provider_id   uuid not null,
    entity_id         text not null,
    metadata_xml      text not null,
    metadata_url      text,
    attribute_mapping jsonb,
    created_at        timestamptz,
    updated_at        timestamptz,
    name_id_format    text,
    constraint saml_providers_entity_id_key unique (entity_id),
    constraint entity_id_not_empty check (char_length(entity_id) > 0),
    constraint metadata_xml_not_empty check (char_length(metadata_xml) > 0),
    constraint metadata_url_not_empty check (metadata_url is null or char_length(metadata_url) > 0),
    constraint saml_providers_sso_provider_id_fkey
        foreign key (sso_provider_id) references auth.sso_providers (id) on delete cascade
);
create index if not exists saml_providers_sso_provider_id_idx on auth.saml_providers (sso_provider_id);

create table if not exists auth.saml_relay_states (
    id              uuid not null primary key,
    sso_provider_id uuid not null,
    request_id      text not null,
    for_email       text,
    redirect_to     text,
    created_at      timestamptz,
    updated_at      timestamptz,
    flow_state_id   uuid,
    constraint request_id_not_empty check (char_length(request_id) > 0),
    constraint saml_relay_states_sso_provider_id_fkey
        foreign key (sso_provider_id) references auth.sso_providers (id) on delete cascade,
    constraint saml_relay_states_flow_state_id_fkey
        foreign key (flow_state_id) references auth.flow_state (id) on delete cascade
);
create index if not exists saml_relay_states_sso_provider_id_idx on auth.saml_relay_states (sso_provider_id);
create index if not exists saml_relay_states_for_email_idx on auth.saml_relay_states (for_email);
create index if not exists saml_relay_states_created_at_idx on auth.saml_relay_states (created_at desc);

create table if not exists auth.oauth_clients (
    id                         uuid                         not null primary key,
    client_secret_hash         text,
    registration_type          auth.oauth_registration_type not null,
    redirect_uris              text                         not null,
    grant_types                text                         not null,
    client_name                text,
    client_uri                 text,
    logo_uri                   text,
    created_at                 timestamptz                  not null default now(),
    updated_at                 timestamptz                  not null default now(),
    deleted_at                 timestamptz,
    client_type                auth.oauth_client_type       not null default 'confidential',
    token_endpoint_auth_method text                         not null default 'client_secret_basic',
    constraint oauth_clients_client_name_length check (char_length(client_name) <= 1024),
    constraint oauth_clients_client_uri_length check (char_length(client_uri) <= 2048),
    constraint oauth_clients_logo_uri_length check (char_length(logo_uri) <= 2048),
    constraint oauth_clients_token_endpoint_auth_method_check
        check (token_endpoint_auth_method in ('client_secret_basic', 'client_secret_post', 'none'))
);
create index if not exists oauth_clients_deleted_at_idx on auth.oauth_clients (deleted_at);

create table if not exists auth.oauth_authorizations (
    id                    uuid                            not null primary key,
    authorization_id      text                            not null,
    client_id             uuid                            not null,
    user_id               uuid,
    redirect_uri          text                            not null,
    scope                 text                            not null,
    state                 text,
    resource              text,
    code_challenge        text,
    code_challenge_method auth.code_challenge_method,
    response_type         auth.oauth_response_type        not null default 'code',
    status                auth.oauth_authorization_status not null default 'pending',
    authorization_code    text,
    created_at            timestamptz                     not null default now(),
    expires_at            timestamptz                     not null default now() + interval '3 minutes',
    approved_at           timestamptz,
    nonce                 text,
    constraint oauth_authorizations_authorization_id_key unique (authorization_id),
    constraint oauth_authorizations_authorization_code_key unique (authorization_code),
    constraint oauth_authorizations_client_id_fkey
        foreign key (client_id) references auth.oauth_clients (id) on delete cascade,
    constraint oauth_authorizations_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade,
    constraint oauth_authorizations_authorization_code_length check (char_length(authorization_code) <= 255),
    constraint oauth_authorizations_code_challenge_length check (char_length(code_challenge) <= 128),
    constraint oauth_authorizations_expires_at_future check (expires_at > created_at),
    constraint oauth_authorizations_nonce_length check (char_length(nonce) <= 255),
    constraint oauth_authorizations_redirect_uri_length check (char_length(redirect_uri) <= 2048),
    constraint oauth_authorizations_resource_length check (char_length(resource) <= 2048),
    constraint oauth_authorizations_scope_length check (char_length(scope) <= 4096),
    constraint oauth_authorizations_state_length check (char_length(state) <= 4096)
);
create index if not exists oauth_auth_pending_exp_idx
    on auth.oauth_authorizations (expires_at) where status = 'pending';

create table if not exists auth.oauth_consents (
    id         uuid        not null primary key,
    user_id    uuid        not null,
    client_id  uuid        not null,
    scopes     text        not null,
    granted_at timestamptz not null default now(),
    revoked_at timestamptz,
    constraint oauth_consents_user_client_unique unique (user_id, client_id),
    constraint oauth_consents_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade,
    constraint oauth_consents_client_id_fkey
        foreign key (client_id) references auth.oauth_clients (id) on delete cascade,
    constraint oauth_consents_revoked_after_granted check (revoked_at is null or revoked_at >= granted_at),
    constraint oauth_consents_scopes_length check (char_length(scopes) <= 2048),
    constraint oauth_consents_scopes_not_empty check (char_length(trim(scopes)) > 0)
);
create index if not exists oauth_consents_active_client_idx
    on auth.oauth_consents (client_id) where revoked_at is null;
create index if not exists oauth_consents_active_user_client_idx
    on auth.oauth_consents (user_id, client_id) where revoked_at is null;
create index if not exists oauth_consents_user_order_idx on auth.oauth_consents (user_id, granted_at desc);

create table if not exists auth.webauthn_credentials (
    id               uuid        not null default gen_random_uuid() primary key,
    user_id          uuid        not null,
    credential_id    bytea       not null,
    public_key       bytea       not null,
    attestation_type text        not null default '',
    aaguid           uuid,
    sign_count       bigint      not null default 0,
    transports       jsonb       not null default '[]',
    backup_eligible  boolean     not null default false,
    backed_up        boolean     not null default false,
    friendly_name    text        not null default '',
    created_at       timestamptz not null default now(),
    updated_at       timestamptz not null default now(),
    last_used_at     timestamptz,
    constraint webauthn_credentials_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade
);
create unique index if not exists webauthn_credentials_credential_id_key
    on auth.webauthn_credentials (credential_id);
create index if not exists webauthn_credentials_user_id_idx on auth.webauthn_credentials (user_id);

create table if not exists auth.webauthn_challenges (
    id             uuid        not null default gen_random_uuid() primary key,
    user_id        uuid,
    challenge_type text        not null,
    session_data   jsonb       not null,
    created_at     timestamptz not null default now(),
    expires_at     timestamptz not null,
    constraint webauthn_challenges_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade,
    constraint webauthn_challenges_challenge_type_check
        check (challenge_type in ('signup', 'registration', 'authentication'))
);
create index if not exists webauthn_challenges_expires_at_idx on auth.webauthn_challenges (expires_at);
create index if not exists webauthn_challenges_user_id_idx on auth.webauthn_challenges (user_id);
