//! Bearer tokens (contract 0.4) and API keys (0.1).

use ferrobase_request::AuthRules;
use ferrobase_request::credentials::{AllowedRoles, RolePath};
use ferrobase_testkit::token;
use serde_json::{Value, json};

use crate::harness::{FOREIGN_SECRET, auth, claims, judged, section, text};

#[tokio::test]
async fn each_reason_has_its_words() {
    let auth = auth().await;
    let session = auth.sign_up("ada@example.com").await;
    let id = text(&session["user"], "id").to_owned();
    let expired = token::with_claims(&json!({"sub": id, "role": "authenticated", "exp": token::now() - 120}));
    let unknown = token::of_user("0190b6f0-0000-7000-8000-000000000009");
    let other_session =
        json!({"sub": id, "role": "authenticated", "session_id": "0190b6f0-0000-7000-8000-000000000009"});
    let cases = [
        (None, 401, "no_authorization", "This endpoint requires a valid Bearer token"),
        (Some("garbage".to_owned()), 403, "bad_jwt", "invalid JWT: unable to parse or verify signature, "),
        (Some(expired), 403, "bad_jwt", "invalid JWT: unable to parse or verify signature, "),
        (Some(token::of_role("anon")), 403, "bad_jwt", "invalid claim: missing sub claim"),
        (Some(token::of_user("7")), 400, "bad_jwt", "invalid claim: sub claim must be a UUID"),
        (Some(unknown), 403, "user_not_found", "User from sub claim in JWT does not exist"),
        (
            Some(token::with_claims(&other_session)),
            403,
            "session_not_found",
            "Session from session_id claim in JWT does not exist",
        ),
    ];
    for (bearer, status, code, message) in cases {
        let answer = auth.call("GET /user", bearer.as_deref(), Value::Null).await.error();
        assert_eq!((answer.0, answer.1.as_str()), (status, code), "{answer:?}");
        assert!(answer.2.starts_with(message), "{answer:?}");
    }
    // A token without a session is good as long as the account is there.
    let plain = token::of_user(&id);
    assert_eq!(auth.call("GET /user", Some(&plain), Value::Null).await.ok()["id"], json!(id));
    auth.admin(&format!("PUT /admin/users/{id}"), json!({"ban_duration": "1h"})).await.ok();
    let banned = auth.call("GET /user", Some(&plain), Value::Null).await.error();
    assert_eq!((banned.0, banned.1.as_str()), (403, "user_banned"));
}

#[tokio::test]
async fn a_key_in_apikey_is_no_token() {
    let auth = auth().await;
    let service = token::of_role("service_role");
    let version = ("x-supabase-api-version", "2024-01-01");
    for line in ["GET /user", "GET /admin/users"] {
        let answer = auth.send(line, &[("apikey", &service), version], "").await.error();
        assert_eq!((answer.0, answer.1.as_str()), (401, "no_authorization"), "{line}");
        assert!(answer.2.contains("Bearer token"));
    }
    let wrong = auth.send("POST /signup", &[("apikey", "wrong"), version], "{}").await;
    assert_eq!(wrong.status, 401, "{wrong:?}");
    assert_eq!(wrong.json()["error_code"], "no_authorization");
    // Browsers land there without any.
    let open = auth.send("GET /.well-known/jwks.json", &[], "").await;
    assert_eq!(open.status, 200);
    // The key repeated as Bearer is a key, and one of nobody.
    let bearer = format!("Bearer {service}");
    let same = auth.send("GET /user", &[("apikey", &service), ("authorization", &bearer), version], "").await.error();
    assert_eq!(same.2, "invalid claim: missing sub claim");
}

#[tokio::test]
async fn administrators_need_no_user_and_no_end() {
    let auth = auth().await;
    for role in ["service_role", "supabase_admin"] {
        let forever = token::with_claims(&json!({"role": role, "sub": "not a uuid"}));
        auth.call("GET /admin/users", Some(&forever), Value::Null).await.ok();
    }
    let session = auth.sign_up("ada@example.com").await;
    for bearer in [text(&session, "access_token").to_owned(), token::of_role("anon")] {
        let refused = auth.call("GET /admin/users", Some(&bearer), Value::Null).await.error();
        assert_eq!(refused, (403, "not_admin".to_owned(), "User not allowed".to_owned()));
    }
}

#[tokio::test]
async fn sec_tokens_of_other_issuers_are_neither_users_nor_administrators() {
    let auth = auth().await;
    let session = auth.sign_up("ada@example.com").await;
    let header = jsonwebtoken::Header { kid: Some("foreign".to_owned()), ..jsonwebtoken::Header::default() };
    let key = jsonwebtoken::EncodingKey::from_secret(FOREIGN_SECRET.as_bytes());
    let foreign = |claims: Value| jsonwebtoken::encode(&header, &claims, &key).expect("a token");
    let user = foreign(json!({"sub": session["user"]["id"], "role": "authenticated", "exp": token::now() + 60}));
    let admin = foreign(json!({"role": "service_role", "exp": token::now() + 60}));
    for (line, token) in [("GET /user", &user), ("GET /admin/users", &admin)] {
        let refused = auth.call(line, Some(token), Value::Null).await.error();
        assert_eq!((refused.0, refused.1.as_str()), (403, "bad_jwt"), "{line}");
    }
}

#[tokio::test]
async fn sec_there_are_no_administrators_where_their_role_is_not_allowed() {
    let rules = AuthRules { allowed_roles: AllowedRoles::only(["anon", "authenticated"]), ..AuthRules::default() };
    let auth = judged(section(|_| {}), rules, |_| None).await;
    for role in ["service_role", "supabase_admin"] {
        let refused = auth.call("GET /admin/users", Some(&token::of_role(role)), Value::Null).await.error();
        assert_eq!((refused.0, refused.1.as_str()), (403, "not_admin"), "{role}");
    }
}

#[tokio::test]
async fn sec_administrators_are_those_whose_role_is_where_the_configuration_says() {
    let role_claim = RolePath::parse(".app.role").expect("a path");
    let rules = AuthRules { role_claim, anon_role: Some("service_role".to_owned()), ..AuthRules::default() };
    let auth = judged(section(|_| {}), rules, |_| None).await;
    let asks =
        async |claims: Value| auth.call("GET /admin/users", Some(&token::with_claims(&claims)), Value::Null).await;
    for elsewhere in [
        json!({"role": "service_role", "app": {"role": "anon"}}),
        json!({"role": "service_role", "app": {"role": ["service_role"]}}),
        json!({"role": "supabase_admin"}),
        json!({}),
    ] {
        let refused = asks(elsewhere.clone()).await.error();
        assert_eq!((refused.0, refused.1.as_str()), (403, "not_admin"), "{elsewhere}");
    }
    asks(json!({"role": "job title", "app": {"role": "service_role"}})).await.ok();
}

#[tokio::test]
async fn tokens_carry_their_role_to_where_the_configuration_looks_for_it() {
    let role_claim = RolePath::parse(".app_metadata.role").expect("a path");
    let rules = AuthRules { role_claim, ..AuthRules::default() };
    let auth = judged(section(|_| {}), rules, |_| None).await;
    let session = auth.sign_up("ada@example.com").await;
    assert_eq!(claims(&session)["app_metadata"]["role"], json!("authenticated"));
    assert_eq!(claims(&session)["role"], json!("authenticated"));
    auth.call("GET /user", Some(text(&session, "access_token")), Value::Null).await.ok();
    // What is there was put there on purpose, by who may.
    auth.db.script("update auth.users set raw_app_meta_data = '{\"role\": \"anon\"}'").await;
    let decided = auth.sign_in("ada@example.com", "password").await.ok();
    assert_eq!(claims(&decided)["app_metadata"]["role"], json!("anon"));
}

#[tokio::test]
async fn tokens_are_for_the_configured_audience() {
    let rules = AuthRules { audience: Some("my-app".to_owned()), ..AuthRules::default() };
    let auth = judged(section(|_| {}), rules, |_| None).await;
    let session = auth.sign_up("ada@example.com").await;
    auth.call("GET /user", Some(text(&session, "access_token")), Value::Null).await.ok();
}
