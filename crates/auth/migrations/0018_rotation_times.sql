-- When the last refresh tokens of a session were given out, the newest last: an old one is still taken for a while after its
-- own replacement, however often its successors were replaced since.
alter table auth.sessions add column if not exists refresh_token_rotations timestamptz[];
-- Imported tokens are looked for by their hash, so that none of them is in a statement, or in the log of statements.
create or replace function auth.refresh_token_hash(token text) returns text
language sql immutable strict parallel safe set search_path = pg_catalog
as $$ select encode(sha256(convert_to(token, 'UTF8')), 'hex') $$;
create index if not exists refresh_tokens_token_hash_idx on auth.refresh_tokens (auth.refresh_token_hash(token));
