-- Data of a schema `auth` as `supabase db dump --data-only` writes it: INSERTs with column lists in that schema's order.
-- The people are made up; HASH stands for a bcrypt hash that the test puts in.
SET session_replication_role = replica;
SET statement_timeout = 0;
SET client_encoding = 'UTF8';
SELECT pg_catalog.set_config('search_path', '', false);
SET row_security = off;

INSERT INTO "auth"."audit_log_entries" ("instance_id", "id", "payload", "created_at", "ip_address") VALUES
	('00000000-0000-0000-0000-000000000000', '0d7f8a52-0001-4000-8000-000000000001', '{"action":"user_signedup","actor_id":"0d7f8a52-0000-4000-8000-00000000000a","actor_username":"ada@example.com","actor_via_sso":false,"log_type":"team"}', '2025-03-01 10:00:00.000001+00', '');

INSERT INTO "auth"."flow_state" ("id", "user_id", "auth_code", "code_challenge_method", "code_challenge", "provider_type", "provider_access_token", "provider_refresh_token", "created_at", "updated_at", "authentication_method", "auth_code_issued_at") VALUES
	('0d7f8a52-0002-4000-8000-000000000001', '0d7f8a52-0000-4000-8000-00000000000a', '0d7f8a52-0002-4000-8000-000000000002', 's256', 'kGuvv9A9HXPh0_8yr0TlXcMNUyWE5ZwIeyb6Dja5Cyo', 'email', '', '', '2025-03-01 10:00:00+00', '2025-03-01 10:00:01+00', 'email/signup', NULL);

INSERT INTO "auth"."users" ("instance_id", "id", "aud", "role", "email", "encrypted_password", "email_confirmed_at", "invited_at", "confirmation_token", "confirmation_sent_at", "recovery_token", "recovery_sent_at", "email_change_token_new", "email_change", "email_change_sent_at", "last_sign_in_at", "raw_app_meta_data", "raw_user_meta_data", "is_super_admin", "created_at", "updated_at", "phone", "phone_confirmed_at", "phone_change", "phone_change_token", "phone_change_sent_at", "email_change_token_current", "email_change_confirm_status", "banned_until", "reauthentication_token", "reauthentication_sent_at", "is_sso_user", "deleted_at", "is_anonymous") VALUES
	('00000000-0000-0000-0000-000000000000', '0d7f8a52-0000-4000-8000-00000000000a', 'authenticated', 'authenticated', 'ada@example.com', 'HASH', '2025-03-01 10:05:00+00', NULL, '', NULL, '', NULL, '', '', NULL, '2025-03-02 09:00:00+00', '{"provider": "email", "providers": ["email"], "tenant_id": "acme"}', '{"name": "Ada", "email_verified": true}', NULL, '2025-03-01 10:00:00+00', '2025-03-02 09:00:00+00', NULL, NULL, '', '', NULL, '', 0, NULL, '', NULL, false, NULL, false),
	('00000000-0000-0000-0000-000000000000', '0d7f8a52-0000-4000-8000-00000000000b', 'authenticated', 'authenticated', 'bob@example.com', 'HASH', '2025-03-01 10:05:00+00', NULL, '', NULL, '', NULL, '', '', NULL, '2025-03-02 09:00:00+00', '{"provider": "email", "providers": ["email"]}', '{}', NULL, '2025-03-01 10:00:00+00', '2025-03-02 09:00:00+00', NULL, NULL, '', '', NULL, '', 0, NULL, '', NULL, false, NULL, false),
	('00000000-0000-0000-0000-000000000000', '0d7f8a52-0000-4000-8000-00000000000c', 'authenticated', 'authenticated', NULL, '', NULL, NULL, '', NULL, '', NULL, '', '', NULL, '2025-03-02 09:00:00+00', '{}', '{}', NULL, '2025-03-01 10:00:00+00', '2025-03-02 09:00:00+00', NULL, NULL, '', '', NULL, '', 0, NULL, '', NULL, false, NULL, true);

INSERT INTO "auth"."identities" ("provider_id", "user_id", "identity_data", "provider", "last_sign_in_at", "created_at", "updated_at", "id") VALUES
	('0d7f8a52-0000-4000-8000-00000000000a', '0d7f8a52-0000-4000-8000-00000000000a', '{"sub": "0d7f8a52-0000-4000-8000-00000000000a", "email": "ada@example.com", "email_verified": true, "phone_verified": false}', 'email', '2025-03-01 10:00:00+00', '2025-03-01 10:00:00+00', '2025-03-01 10:00:00+00', '0d7f8a52-0003-4000-8000-00000000000a'),
	('0d7f8a52-0000-4000-8000-00000000000b', '0d7f8a52-0000-4000-8000-00000000000b', '{"sub": "0d7f8a52-0000-4000-8000-00000000000b", "email": "bob@example.com", "email_verified": true, "phone_verified": false}', 'email', '2025-03-01 10:00:00+00', '2025-03-01 10:00:00+00', '2025-03-01 10:00:00+00', '0d7f8a52-0003-4000-8000-00000000000b');

INSERT INTO "auth"."sessions" ("id", "user_id", "created_at", "updated_at", "factor_id", "aal", "not_after", "refreshed_at", "user_agent", "ip", "tag", "oauth_client_id", "refresh_token_hmac_key", "refresh_token_counter", "scopes") VALUES
	('0d7f8a52-0004-4000-8000-00000000000a', '0d7f8a52-0000-4000-8000-00000000000a', '2025-03-02 09:00:00+00', '2025-03-02 09:00:00+00', NULL, 'aal1', NULL, '2025-03-02 09:59:00', 'node', '192.0.2.7', NULL, NULL, NULL, NULL, NULL);

INSERT INTO "auth"."mfa_amr_claims" ("session_id", "created_at", "updated_at", "authentication_method", "id") VALUES
	('0d7f8a52-0004-4000-8000-00000000000a', '2025-03-02 09:00:00+00', '2025-03-02 09:00:00+00', 'password', '0d7f8a52-0005-4000-8000-00000000000a');

INSERT INTO "auth"."mfa_factors" ("id", "user_id", "friendly_name", "factor_type", "status", "created_at", "updated_at", "secret", "phone", "last_challenged_at", "web_authn_credential", "web_authn_aaguid", "last_webauthn_challenge_data") VALUES
	('0d7f8a52-0006-4000-8000-00000000000b', '0d7f8a52-0000-4000-8000-00000000000b', 'telephone', 'totp', 'verified', '2025-03-01 11:00:00+00', '2025-03-01 11:00:00+00', 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ', NULL, '2025-03-01 11:00:00+00', NULL, NULL, NULL);

INSERT INTO "auth"."mfa_challenges" ("id", "factor_id", "created_at", "verified_at", "ip_address", "otp_code", "web_authn_session_data") VALUES
	('0d7f8a52-0007-4000-8000-00000000000b', '0d7f8a52-0006-4000-8000-00000000000b', '2025-03-01 11:00:00+00', '2025-03-01 11:00:10+00', '192.0.2.8', '', NULL);

INSERT INTO "auth"."one_time_tokens" ("id", "user_id", "token_type", "token_hash", "relates_to", "created_at", "updated_at") VALUES
	('0d7f8a52-0008-4000-8000-00000000000b', '0d7f8a52-0000-4000-8000-00000000000b', 'recovery_token', 'b5e9a1f4b1f54d0d3f0a5e7e3d5b8f6c9b2e7a1d4c3f2e1d0c9b8a76', 'bob@example.com', '2025-03-01 10:00:00', '2025-03-01 10:00:00');

INSERT INTO "auth"."refresh_tokens" ("instance_id", "id", "token", "user_id", "revoked", "created_at", "updated_at", "parent", "session_id") VALUES
	('00000000-0000-0000-0000-000000000000', 1, 'firsttoken00', '0d7f8a52-0000-4000-8000-00000000000a', true, '2025-03-02 09:00:00+00', '2025-03-02 09:59:00+00', NULL, '0d7f8a52-0004-4000-8000-00000000000a'),
	('00000000-0000-0000-0000-000000000000', 2, 'secondtoken0', '0d7f8a52-0000-4000-8000-00000000000a', false, '2025-03-02 09:59:00+00', '2025-03-02 09:59:00+00', 'firsttoken00', '0d7f8a52-0004-4000-8000-00000000000a');

SELECT pg_catalog.setval('"auth"."refresh_tokens_id_seq"', 2, true);

RESET ALL;
