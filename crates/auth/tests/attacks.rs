//! What attackers try; each is refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ferrobase_base::config::SecretJson;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::harness::{auth, section, text, with};

#[tokio::test]
async fn sec_users_cannot_write_what_the_server_says_of_them() {
    let auth = auth().await;
    let forged = json!({"email": "ada@example.com", "password": "password", "app_metadata": {"tenant_id": "evil"},
        "role": "service_role", "aud": "evil", "id": "0190b6f0-0000-7000-8000-000000000001",
        "data": {"app_metadata": {"tenant_id": "evil"}}});
    let session = auth.post("/signup", forged).await.ok();
    let token = text(&session, "access_token");
    let body = json!({"app_metadata": {"tenant_id": "evil"}, "role": "service_role", "raw_app_meta_data": {},
        "data": {"role": "service_role"}, "banned_until": null, "is_super_admin": true});
    let user = auth.call("PUT /user", Some(token), body).await.ok();
    assert_eq!(user["app_metadata"], json!({"provider": "email", "providers": ["email"]}));
    assert_eq!(text(&user, "role"), "authenticated");
    assert_ne!(text(&user, "id"), "0190b6f0-0000-7000-8000-000000000001");
    let refreshed = auth.refresh(text(&session, "refresh_token")).await.ok();
    let payload = text(&refreshed, "access_token").split('.').nth(1).map(|part| URL_SAFE_NO_PAD.decode(part));
    let claims: Value = serde_json::from_slice(&payload.expect("a payload").expect("base64url")).expect("claims");
    assert_eq!((text(&claims, "role"), claims["app_metadata"].get("tenant_id")), ("authenticated", None));
}

/// A token that somebody puts together.
fn forged(header: &Value, claims: &Value, key: Option<&[u8]>) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = key.map_or_else(String::new, |key| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key");
        mac.update(signed.as_bytes());
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    });
    format!("{signed}.{signature}")
}

#[tokio::test]
async fn sec_algorithms_are_the_keys_choice() {
    let keys = json!([{"kty": "EC", "crv": "P-256", "kid": "now", "key_ops": ["sign"],
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}]);
    let auth = with(section(|section| section.signing_keys = Some(SecretJson::from(keys)))).await;
    let published = auth.call("GET /.well-known/jwks.json", None, Value::Null).await;
    let key = published.json()["keys"][0].to_string();
    let claims = json!({"role": "service_role", "exp": 4_102_444_800_i64});
    let attacker = json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode("attacker's own key, long enough!")});
    for (header, secret) in [
        (json!({"alg": "none"}), None),
        (json!({"alg": "None", "kid": "now"}), None),
        (json!({"alg": "HS256", "kid": "now"}), Some(key.as_bytes())),
        (json!({"alg": "HS256", "kid": "now"}), Some(published.body.as_bytes())),
        (json!({"alg": "HS256", "jwk": attacker}), Some(&b"attacker's own key, long enough!"[..])),
        (json!({"alg": "HS256", "jku": "https://evil.example/keys"}), Some(&b"attacker's own key, long enough!"[..])),
        (json!({"alg": "HS256", "kid": "../../dev/null"}), Some(&b""[..])),
        (json!({"alg": "HS256", "kid": "' or 1=1 --"}), Some(&b""[..])),
        (json!({"alg": "ES256", "kid": "now"}), Some(key.as_bytes())),
    ] {
        let token = forged(&header, &claims, secret);
        let refused = auth.call("GET /admin/users", Some(&token), Value::Null).await.error();
        assert_eq!((refused.0, refused.1.as_str()), (403, "bad_jwt"), "{header}");
    }
}

#[tokio::test]
async fn sec_a_user_is_no_administrator() {
    let auth = auth().await;
    let session = auth.sign_up("ada@example.com").await;
    let path = format!("/admin/users/{}", text(&session["user"], "id"));
    let token = text(&session, "access_token");
    for line in [
        "GET /admin/users".to_owned(),
        "POST /admin/users".to_owned(),
        format!("GET {path}"),
        format!("PUT {path}"),
        format!("DELETE {path}"),
    ] {
        let refused = auth.call(&line, Some(token), json!({})).await.error();
        assert_eq!((refused.0, refused.1.as_str()), (403, "not_admin"), "{line}");
        let nobody = auth.call(&line, None, json!({})).await.error();
        assert_eq!((nobody.0, nobody.1.as_str()), (401, "no_authorization"), "{line}");
    }
}

#[tokio::test]
async fn sec_addresses_that_look_alike_are_one_account_or_none() {
    let auth = auth().await;
    auth.sign_up("kate@example.com").await;
    for email in ["KATE@EXAMPLE.COM", "Kate@Example.com"] {
        let again = auth.post("/signup", json!({"email": email, "password": "password"})).await.error();
        assert_eq!(again.1, "user_already_exists", "{email}");
    }
    // KELVIN SIGN lower-cases to k; Cyrillic a; a line end for the head of a mail.
    for email in ["\u{212a}ate@example.com", "k\u{430}te@example.com", "kate@example.com\r\nBcc: all@example.com"] {
        let refused = auth.post("/signup", json!({"email": email, "password": "password"})).await.error();
        assert_eq!((refused.0, refused.1.as_str()), (400, "validation_failed"), "{email:?}");
    }
}

#[tokio::test]
async fn sec_two_thieves_of_one_token_end_with_nothing() {
    let auth = auth().await;
    let first = auth.sign_up("ada@example.com").await;
    let owner = auth.refresh(text(&first, "refresh_token")).await.ok();
    // The thief has the first token: it gets what the owner has, and uses it first.
    let thief = auth.refresh(text(&first, "refresh_token")).await.ok();
    let thief = auth.refresh(text(&thief, "refresh_token")).await.ok();
    let thief = auth.refresh(text(&thief, "refresh_token")).await.ok();
    auth.db.script("update auth.sessions set refreshed_at = refreshed_at - interval '11 s', created_at = created_at - interval '11 s',
            refresh_token_rotations = (select array_agg(at - interval '11 s') from unnest(refresh_token_rotations) at)").await;
    // The owner's next refresh shows it, and both are out.
    assert_eq!(auth.refresh(text(&owner, "refresh_token")).await.error().1, "refresh_token_already_used");
    assert_eq!(auth.refresh(text(&thief, "refresh_token")).await.error().1, "refresh_token_not_found");
    for session in [&owner, &thief] {
        let bearer = auth.call("GET /user", Some(text(session, "access_token")), Value::Null).await.error();
        assert_eq!(bearer.1, "session_not_found");
    }
}

#[tokio::test]
async fn sec_signing_up_again_leads_into_nobodys_account() {
    let auth = auth().await;
    let body = json!({"email": "boss@example.com", "app_metadata": {"tenant_id": "all"}});
    auth.admin("POST /admin/users", body).await.ok();
    let refused = auth.post("/signup", json!({"email": "boss@example.com", "password": "password"})).await.error();
    assert_eq!((refused.0, refused.1.as_str()), (422, "user_already_exists"));
    assert_eq!(auth.value("select count(*)::text from auth.sessions").await, "0");
}
