-- Takes everything out of an account that tells who it was. $1 id. Hashes stand for the address and the number, so that
-- they are free for a new account. Privileges: owner of schema auth. Index: users_pkey. Oldest PostgreSQL: 14.
update auth.users
set email = encode(sha256(convert_to(id::text || coalesce(email, ''), 'UTF8')), 'hex'),
    phone = case when phone is null then null
                 else left(encode(sha256(convert_to(id::text || phone, 'UTF8')), 'hex'), 15) end,
    encrypted_password = '',
    confirmation_token = '', recovery_token = '', email_change = '',
    email_change_token_current = '', email_change_token_new = '',
    phone_change = '', phone_change_token = '', reauthentication_token = '',
    raw_user_meta_data = '{}', raw_app_meta_data = '{}',
    deleted_at = now(), updated_at = now()
where id = $1::uuid
