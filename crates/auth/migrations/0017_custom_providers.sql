-- Providers that administrators add while the server runs. Names and columns as Supabase has them; `trust_email` is ours:
-- whether the provider's confirmed addresses may open accounts.
create table if not exists auth.custom_oauth_providers (
    id                      uuid        not null primary key default gen_random_uuid(),
    provider_type           text        not null,
    identifier              text        not null,
    name                    text        not null,
    client_id               text        not null,
    client_secret           text        not null,
    acceptable_client_ids   text[]      not null default '{}',
    scopes                  text[]      not null default '{}',
    pkce_enabled            boolean     not null default true,
    attribute_mapping       jsonb       not null default '{}',
    authorization_params    jsonb       not null default '{}',
    enabled                 boolean     not null default true,
    email_optional          boolean     not null default false,
    issuer                  text,
    discovery_url           text,
    skip_nonce_check        boolean     not null default false,
    cached_discovery        jsonb,
    discovery_cached_at     timestamptz,
    authorization_url       text,
    token_url               text,
    userinfo_url            text,
    jwks_uri                text,
    created_at              timestamptz not null default now(),
    updated_at              timestamptz not null default now(),
    constraint custom_oauth_providers_provider_type_check check (provider_type in ('oauth2', 'oidc')),
    constraint custom_oauth_providers_identifier_format check (identifier ~ '^[a-z0-9][a-z0-9:-]{0,48}[a-z0-9]$'),
    constraint custom_oauth_providers_oidc_requires_issuer check (provider_type <> 'oidc' or issuer is not null),
    constraint custom_oauth_providers_oauth2_requires_endpoints check (
        provider_type <> 'oauth2' or num_nulls(authorization_url, token_url, userinfo_url) = 0)
);
alter table auth.custom_oauth_providers add column if not exists custom_claims_allowlist text[] not null default '{}';
alter table auth.custom_oauth_providers add column if not exists trust_email boolean not null default false;
create unique index if not exists custom_oauth_providers_identifier_key
    on auth.custom_oauth_providers (identifier);
comment on table auth.custom_oauth_providers is 'Providers of sign-in that administrators add; read by the auth server only.';
alter table auth.custom_oauth_providers enable row level security;
revoke all on auth.custom_oauth_providers from public, anon, authenticated;
