-- The same for the ways into the account: hashes stand for who it was there. $1 id of the account.
-- Privileges: owner of schema auth. Index: identities_user_id_idx. Oldest PostgreSQL: 14.
update auth.identities
set provider_id = encode(sha256(convert_to(user_id::text || provider_id, 'UTF8')), 'hex'),
    identity_data = '{}',
    updated_at = now()
where user_id = $1::uuid
