-- What a key may be used for beside what its role may do: rooms or parts of them; null is everything.
alter table auth.api_keys add column if not exists scopes text[];
alter table auth.api_keys drop constraint if exists api_keys_scopes_not_empty;
alter table auth.api_keys add constraint api_keys_scopes_not_empty check (cardinality(scopes) between 1 and 20);
comment on table auth.api_keys is 'Opaque keys (sb_...): role is the database role that one stands for, scopes limit it.';
