//! Accounts that come from elsewhere: a dump of Supabase's schema `auth` goes on working.

use ferrobase_auth::mail::MailKind;
use serde_json::{Value, json};

use crate::harness::{Auth, auth, claims, text, with};
use crate::mfa::{answer, code};
use crate::proofs::{confirming, verify};

/// The room with what the file holds; everybody's password is `imported password`.
async fn imported() -> Auth {
    let auth = auth().await;
    // As that service writes it.
    let hash = bcrypt::hash("imported password", 10).expect("a hash").replacen("$2b$", "$2a$", 1);
    auth.db.script(&include_str!("import.sql").replace("HASH", &hash)).await;
    auth
}

#[tokio::test]
async fn passwords_of_a_dump_work_and_are_renewed() {
    let auth = imported().await;
    assert_eq!(auth.sign_in("ada@example.com", "another password").await.error().1, "invalid_credentials");
    let session = auth.sign_in("Ada@Example.com", "imported password").await.ok();
    assert_eq!(text(&session["user"]["user_metadata"], "name"), "Ada");
    assert_eq!(text(&claims(&session)["app_metadata"], "tenant_id"), "acme");
    let stored = "select left(encrypted_password, 9) from auth.users where email = ";
    assert_eq!(auth.value(&format!("{stored} 'ada@example.com'")).await, "$argon2id");
    assert_eq!(auth.value(&format!("{stored} 'bob@example.com'")).await.split_at(4).0, "$2a$");
    auth.sign_in("ada@example.com", "imported password").await.ok();
}

#[tokio::test]
async fn addresses_of_a_dump_may_have_capitals() {
    let auth = with(confirming(|_| {})).await;
    let hash = bcrypt::hash("imported password", 4).expect("a hash");
    auth.db
        .script(&format!(
            "insert into auth.users (id, email, encrypted_password, email_confirmed_at, aud, role)
             values (gen_random_uuid(), 'Imogen@Example.com', '{hash}', now(), 'authenticated', 'authenticated')"
        ))
        .await;
    let id = auth.value("select id::text from auth.users").await;
    for spelling in ["imogen@example.com", "Imogen@Example.com"] {
        let session = auth.sign_in(spelling, "imported password").await.ok();
        assert_eq!((text(&session["user"], "id"), text(&session["user"], "email")), (&*id, "imogen@example.com"));
        auth.post("/recover", json!({"email": spelling})).await.ok();
        let code = auth.mail(MailKind::Recovery, "imogen@example.com").await.code;
        verify(&auth, "recovery", spelling, &code.digits).await;
    }
    // Nobody else gets the address.
    auth.post("/signup", json!({"email": "imogen@example.com", "password": "strangers"})).await.ok();
    let email = json!({"email": "imogen@example.com"});
    assert_eq!(auth.admin("POST /admin/users", email.clone()).await.error().1, "email_exists");
    let other = auth.admin("POST /admin/users", json!({"email": "other@example.com"})).await.ok();
    let line = format!("PUT /admin/users/{}", text(&other, "id"));
    assert_eq!(auth.admin(&line, email.clone()).await.error().1, "email_exists");
    // To say it again in another spelling is no change.
    auth.admin(&format!("PUT /admin/users/{id}"), email).await.ok();
    assert_eq!(auth.value("select count(*)::text from auth.users where lower(email) like 'imogen%'").await, "1");
}

#[tokio::test]
async fn sessions_of_a_dump_go_on() {
    let auth = imported().await;
    let session = auth.refresh("secondtoken0").await.ok();
    assert_eq!(text(&claims(&session)["amr"][0], "method"), "password");
    let user = auth.call("GET /user", Some(text(&session, "access_token")), Value::Null).await.ok();
    assert_eq!(text(&user["identities"][0], "provider"), "email");
    auth.refresh(text(&session, "refresh_token")).await.ok();
}

#[tokio::test]
async fn factors_of_a_dump_count() {
    let auth = imported().await;
    let session = auth.sign_in("bob@example.com", "imported password").await.ok();
    let factor = text(&session["user"]["factors"][0], "id");
    let token = text(&session, "access_token");
    let code = code("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", 0);
    let raised = answer(&auth, token, factor, &code).await.ok();
    assert_eq!(text(&claims(&raised), "aal"), "aal2");
    let listed = auth.admin("GET /admin/users", Value::Null).await.ok();
    let anonymous = listed["users"].as_array().expect("users").iter().filter(|user| user["is_anonymous"] == true);
    assert_eq!(anonymous.count(), 1);
}

/// Columns in the order that positional INSERTs and COPYs without a list rely on; what this room adds of its own comes after.
#[tokio::test]
async fn tables_have_the_columns_of_the_dump_in_its_order() {
    let auth = auth().await;
    let lists = include_str!("import.sql").lines().filter_map(|line| line.strip_prefix("INSERT INTO \"auth\".\""));
    let mut tables = 0;
    for line in lists {
        let (table, rest) = line.split_once('"').expect("a name");
        let columns =
            rest.split_once('(').and_then(|(_, rest)| rest.split_once(')')).expect("a list").0.replace('"', "");
        let sql = format!(
            "select string_agg(attname, ', ' order by attnum) from pg_attribute where attrelid = 'auth.{table}'::regclass
             and attnum > 0 and not attisdropped and attgenerated = ''"
        );
        let ours = auth.value(&sql).await;
        assert!(ours.starts_with(&columns), "{table}: {ours}, not {columns}");
        tables += 1;
    }
    assert_eq!(tables, 10);
}

#[tokio::test]
async fn constraints_have_the_names_of_the_dump() {
    let auth = auth().await;
    let names = auth
        .value("select string_agg(conname, ',') from pg_constraint where connamespace = 'auth'::regnamespace")
        .await;
    let names: Vec<&str> = names.split(',').collect();
    for name in [
        "users_phone_key",
        "users_email_change_confirm_status_check",
        "identities_provider_id_provider_unique",
        "identities_user_id_fkey",
        "sessions_user_id_fkey",
        "sessions_oauth_client_id_fkey",
        "sessions_scopes_length",
        "refresh_tokens_token_unique",
        "refresh_tokens_session_id_fkey",
        "mfa_factors_user_id_fkey",
        "mfa_factors_last_challenged_at_key",
        "mfa_challenges_auth_factor_id_fkey",
        "mfa_amr_claims_session_id_authentication_method_pkey",
        "mfa_amr_claims_session_id_fkey",
        "amr_id_pk",
        "one_time_tokens_user_id_fkey",
        "one_time_tokens_token_hash_check",
        "resource_id not empty",
        "domain not empty",
        "sso_domains_sso_provider_id_fkey",
        "entity_id not empty",
        "metadata_xml not empty",
        "metadata_url not empty",
        "saml_providers_entity_id_key",
        "saml_providers_sso_provider_id_fkey",
        "request_id not empty",
        "saml_relay_states_sso_provider_id_fkey",
        "saml_relay_states_flow_state_id_fkey",
        "oauth_authorizations_authorization_id_key",
        "oauth_consents_user_client_unique",
        "webauthn_challenges_challenge_type_check",
    ] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
}

#[tokio::test]
async fn rows_with_odd_values_fail_nobody() {
    let auth = imported().await;
    let session = auth.sign_in("bob@example.com", "imported password").await.ok();
    for until in ["infinity", "9999-12-31", "12000-01-01"] {
        auth.db
            .script(&format!(
                "update auth.users set banned_until = '{until}', raw_user_meta_data = '[1]', raw_app_meta_data = '\"text\"',
                    created_at = '-infinity' where email = 'ada@example.com'"
            ))
            .await;
        auth.admin("GET /admin/users", Value::Null).await.ok();
        assert_eq!(auth.sign_in("ada@example.com", "imported password").await.error().1, "user_banned", "{until}");
    }
    auth.db.script("update auth.sessions set created_at = null, refreshed_at = null").await;
    auth.call("GET /user", Some(text(&session, "access_token")), Value::Null).await.ok();
    auth.refresh(text(&session, "refresh_token")).await.ok();
}

#[tokio::test]
async fn sec_sessions_of_other_applications_are_not_refreshed_as_ones_of_ours() {
    let auth = imported().await;
    auth.db
        .script(
            "insert into auth.oauth_clients (id, registration_type, redirect_uris, grant_types)
             values ('0d7f8a52-0009-4000-8000-000000000001', 'manual', 'https://app.example', 'refresh_token');
             update auth.sessions set oauth_client_id = '0d7f8a52-0009-4000-8000-000000000001', scopes = 'openid'",
        )
        .await;
    assert_eq!(auth.refresh("secondtoken0").await.error().1, "refresh_token_not_found");
}
