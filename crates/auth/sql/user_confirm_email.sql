-- The address of an account counts as proved. $1 id. Privileges: owner of schema auth. Index: users_pkey.
-- Oldest PostgreSQL: 14.
update auth.users
set email_confirmed_at = coalesce(email_confirmed_at, now()),
    raw_user_meta_data = case jsonb_typeof(raw_user_meta_data) when 'object' then raw_user_meta_data else '{}' end
        || '{"email_verified": true}',
    updated_at = now()
where id = $1::uuid
