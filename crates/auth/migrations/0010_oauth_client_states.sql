-- What a sign-in at another provider is bound to, besides its verifier: the ID token that will come (nonce) and the browser
-- that began (hash of its cookie; null where no browser could be given one, which then needs PKCE).
alter table auth.oauth_client_states
    add column if not exists nonce text,
    add column if not exists browser_hash text;
