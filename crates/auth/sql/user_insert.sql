-- Makes an account. $1 id, $2 audience, $3 role, $4 address, $5 number, $6 hash of the password or '', $7 and $8 metadata
-- of the server and of the user, $9 whether it is anonymous, $10 whether single sign-on vouches for it. Token columns are
-- empty and not NULL: other programs that read this schema expect that.
-- Privileges: owner of schema auth. Index: users_email_partial_key, users_phone_key. Oldest PostgreSQL: 14.
insert into auth.users (
    instance_id, id, aud, role, email, phone, encrypted_password, raw_app_meta_data, raw_user_meta_data,
    is_anonymous, is_sso_user, created_at, updated_at,
    confirmation_token, recovery_token, email_change_token_new, email_change
)
values (
    '00000000-0000-0000-0000-000000000000', $1::uuid, $2, $3, $4, $5, $6, $7::jsonb, $8::jsonb,
    $9::bool, $10::bool, now(), now(),
    '', '', '', ''
)
