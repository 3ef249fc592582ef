-- Nobody but the schema's owner reads or writes the tables of the migrations before: API roles have no grant, and row security
-- without a policy answers nothing if somebody grants one by mistake. What else stands in the schema is the application's
-- and stays as it is; later migrations do the same for their own tables.
do $$
declare
    own text;
begin
    foreach own in array array[
        'users', 'identities', 'one_time_tokens', 'audit_log_entries', 'instances', 'schema_migrations',
        'sessions', 'refresh_tokens', 'mfa_factors', 'mfa_challenges', 'mfa_amr_claims', 'flow_state',
        'oauth_client_states', 'sso_providers', 'sso_domains', 'saml_providers', 'saml_relay_states',
        'oauth_clients', 'oauth_authorizations', 'oauth_consents', 'webauthn_credentials',
        'webauthn_challenges'
    ]
    loop
        execute format('alter table auth.%I enable row level security', own);
        execute format('revoke all on auth.%I from public, anon, authenticated', own);
    end loop;
end
$$;
