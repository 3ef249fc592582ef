//! `POST /token?grant_type=password` (contract 2.2).

use serde_json::{Value, json};

use crate::harness::{auth, section, text, with};

#[tokio::test]
async fn a_password_opens_a_session_whose_token_says_who() {
    let auth = auth().await;
    auth.sign_up("ada@example.com").await;
    let session = auth.sign_in("ada@example.com", "password").await.ok();
    let claims = claims(text(&session, "access_token"));
    assert_eq!(text(&claims, "iss"), "http://localhost:8000/auth/v1");
    assert_eq!((text(&claims, "aud"), text(&claims, "role")), ("authenticated", "authenticated"));
    assert_eq!((text(&claims, "sub"), text(&claims, "email")), (text(&session["user"], "id"), "ada@example.com"));
    assert_eq!((text(&claims, "aal"), text(&claims["amr"][0], "method")), ("aal1", "password"));
    assert_eq!((text(&claims, "phone"), &claims["is_anonymous"]), ("", &json!(false)));
    assert_eq!(claims["app_metadata"]["provider"], "email");
    assert_eq!(claims["exp"].as_i64(), session["expires_at"].as_i64());
    assert!(claims.get("jti").is_none());
    let stored = format!("select user_id::text from auth.sessions where id = '{}'", text(&claims, "session_id"));
    assert_eq!(auth.value(&stored).await, text(&claims, "sub"));
}

fn claims(token: &str) -> Value {
    use base64_decode as decode;
    serde_json::from_slice(&decode(token.split('.').nth(1).expect("a payload"))).expect("claims")
}

fn base64_decode(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).expect("base64url")
}

#[tokio::test]
async fn whatever_is_wrong_is_told_in_the_same_words() {
    let auth = auth().await;
    auth.sign_up("ada@example.com").await;
    auth.admin("POST /admin/users", json!({"email": "no@example.com", "email_confirm": true})).await.ok();
    for (email, password) in [
        ("ada@example.com", "Password"),
        ("ada@example.com", ""),
        ("no@example.com", ""),
        ("nobody@example.com", "password"),
        ("nonsense", "password"),
    ] {
        let refused = auth.sign_in(email, password).await.error();
        let expected = (400, "invalid_credentials".to_owned(), "Invalid login credentials".to_owned());
        assert_eq!(refused, expected, "{email} {password}");
    }
}

#[tokio::test]
async fn bodies_and_grants_that_make_no_sense() {
    let auth = auth().await;
    let grant = async |grant: &str, body| auth.post(&format!("/token?grant_type={grant}"), body).await.error();
    assert_eq!(grant("password", json!({"password": "x"})).await.2, "missing email or phone");
    assert_eq!(
        grant("password", json!({"email": "a@b.c", "phone": "1", "password": "x"})).await.1,
        "validation_failed"
    );
    let unknown = (400, "invalid_credentials".to_owned(), "unsupported_grant_type".to_owned());
    assert_eq!(grant("magic", json!({})).await, unknown);
    assert_eq!(grant("password", json!({"phone": "49151", "password": "x"})).await.1, "phone_provider_disabled");
}

#[tokio::test]
async fn who_is_banned_learns_it_only_with_the_password() {
    let auth = auth().await;
    let id = text(&auth.sign_up("ada@example.com").await["user"], "id").to_owned();
    auth.admin(&format!("PUT /admin/users/{id}"), json!({"ban_duration": "1h"})).await.ok();
    assert_eq!(auth.sign_in("ada@example.com", "password").await.error().1, "user_banned");
    assert_eq!(auth.sign_in("ada@example.com", "wrong").await.error().1, "invalid_credentials");
    auth.admin(&format!("PUT /admin/users/{id}"), json!({"ban_duration": "none"})).await.ok();
    auth.sign_in("ada@example.com", "password").await.ok();
}

#[tokio::test]
async fn imported_hashes_work_and_are_replaced_at_the_next_sign_in() {
    let auth = auth().await;
    // bcrypt of "imported", as a Supabase project would bring it.
    let hash = bcrypt_of("imported");
    let body = json!({"email": "ada@example.com", "password_hash": hash, "email_confirm": true});
    auth.admin("POST /admin/users", body).await.ok();
    let stored = "select encrypted_password from auth.users";
    assert_eq!(auth.value(stored).await, hash);
    assert_eq!(auth.sign_in("ada@example.com", "another").await.status, 400);
    assert_eq!(auth.value(stored).await, hash);
    auth.sign_in("ada@example.com", "imported").await.ok();
    let now = auth.value(stored).await;
    assert!(now.starts_with("$argon2id$v=19$m=19456,t=1,p=1$"), "{now}");
    auth.sign_in("ada@example.com", "imported").await.ok();
    assert_eq!(auth.value(stored).await, now);
}

fn bcrypt_of(password: &str) -> String {
    bcrypt::hash(password, 4).expect("a hash")
}

#[tokio::test]
async fn a_password_that_would_not_be_taken_today_still_works() {
    let auth = with(section(|section| section.password.min_length = 12)).await;
    let body = json!({"email": "ada@example.com", "password": "password", "email_confirm": true});
    auth.admin("POST /admin/users", body).await.ok();
    let session = auth.sign_in("ada@example.com", "password").await.ok();
    assert_eq!(session["weak_password"]["reasons"], json!(["length"]));
    assert!(text(&session["weak_password"], "message").contains("12 characters"));
}

#[tokio::test]
async fn nothing_of_a_password_is_stored_or_answered() {
    let auth = auth().await;
    let body = json!({"email": "ada@example.com", "password": "canary-password"});
    let session = auth.post("/signup", body).await;
    assert!(!session.body.contains("canary") && !session.body.contains("argon2"), "{}", session.body);
    let dump = "select (select string_agg(u::text, '') from auth.users u) || (select string_agg(payload::text, '')
        from auth.audit_log_entries)";
    assert!(!auth.value(dump).await.contains("canary"));
}
