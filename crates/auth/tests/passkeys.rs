//! `/passkeys` (contract 3.2), with a software authenticator.

use ferrobase_auth::config::SignInSection;
use serde_json::{Value, json};

use crate::device::{Device, ORIGIN};
use crate::harness::{Answer, Auth, auth, claims, text, with};
use crate::mfa::{Enrolled, everything};

fn on() -> SignInSection {
    let mut section = everything();
    section.passkeys.enabled = true;
    section
}

/// Registers a key of this device.
async fn register(auth: &Auth, token: &str, device: &mut Device) -> Answer {
    let asked = auth.call("POST /passkeys/registration/options", Some(token), json!({})).await.ok();
    let credential = device.create(ORIGIN, &asked["options"]).await;
    let body = json!({"challenge_id": asked["challenge_id"], "credential": credential});
    auth.call("POST /passkeys/registration/verify", Some(token), body).await
}

/// What a sign-in with this device sends.
async fn signed(auth: &Auth, device: &mut Device, origin: &str) -> Value {
    let asked = auth.post("/passkeys/authentication/options", json!({})).await.ok();
    assert_eq!(asked["options"]["allowCredentials"], json!([]));
    let credential = device.get(origin, &asked["options"]).await;
    json!({"challenge_id": asked["challenge_id"], "credential": credential})
}

fn refusal(answer: &Answer) -> (u16, String) {
    let error = answer.error();
    (error.0, error.1)
}

#[tokio::test]
async fn a_passkey_signs_in_without_a_name() {
    let auth = with(on()).await;
    let session = auth.sign_up("ada@example.com").await;
    let (token, mut device) = (text(&session, "access_token"), Device::new());
    let asked = auth.call("POST /passkeys/registration/options", Some(token), json!({})).await.ok();
    let options = &asked["options"];
    assert_eq!(text(&options["authenticatorSelection"], "residentKey"), "required");
    assert!(options["pubKeyCredParams"].as_array().expect("kinds").iter().any(|kind| kind["alg"] == -7));
    let made = register(&auth, token, &mut device).await.ok();
    assert!(made.get("last_used_at").is_none() && made.get("friendly_name").is_none(), "{made}");
    let body = signed(&auth, &mut device, ORIGIN).await;
    let opened = auth.post("/passkeys/authentication/verify", body.clone()).await.ok();
    assert_eq!(opened["user"]["id"], session["user"]["id"]);
    assert_eq!(text(&claims(&opened)["amr"][0], "method"), "passkey");
    let listed = auth.call("GET /passkeys", Some(token), Value::Null).await.ok();
    assert_eq!((&listed[0]["id"], listed[0]["last_used_at"].is_string()), (&made["id"], true));
    let replayed = auth.post("/passkeys/authentication/verify", body).await;
    assert_eq!(refusal(&replayed), (400, "webauthn_challenge_not_found".to_owned()));
}

#[tokio::test]
async fn passkeys_are_named_and_deleted() {
    let auth = with(on()).await;
    let session = auth.sign_up("ada@example.com").await;
    let other = auth.sign_up("bob@example.com").await;
    let (token, mut device) = (text(&session, "access_token"), Device::new());
    let made = register(&auth, token, &mut device).await.ok();
    let path = format!("/passkeys/{}", text(&made, "id"));
    let rename = async |token: &str, name: &str| {
        auth.call(&format!("PATCH {path}"), Some(token), json!({"friendly_name": name})).await
    };
    assert_eq!(text(&rename(token, "work").await.ok(), "friendly_name"), "work");
    assert_eq!(rename(token, &"x".repeat(121)).await.status, 400);
    let foreign = rename(text(&other, "access_token"), "mine").await;
    assert_eq!(refusal(&foreign), (404, "webauthn_credential_not_found".to_owned()));
    let foreign = auth.call(&format!("DELETE {path}"), Some(text(&other, "access_token")), Value::Null).await;
    assert_eq!(foreign.status, 404);
    let admin = format!("/admin/users/{}/passkeys", text(&session["user"], "id"));
    assert_eq!(auth.admin(&format!("GET {admin}"), Value::Null).await.ok()[0]["id"], made["id"]);
    assert_eq!(auth.call(&format!("DELETE {path}"), Some(token), Value::Null).await.status, 204);
    assert_eq!(auth.admin(&format!("GET {admin}"), Value::Null).await.ok(), json!([]));
    let gone = signed(&auth, &mut device, ORIGIN).await;
    let gone = auth.post("/passkeys/authentication/verify", gone).await;
    assert_eq!(refusal(&gone), (400, "webauthn_verification_failed".to_owned()));
    let made = register(&auth, token, &mut Device::new()).await.ok();
    let line = format!("DELETE {admin}/{}", text(&made, "id"));
    assert_eq!(auth.admin(&line, Value::Null).await.status, 204);
    assert_eq!(auth.admin(&line, Value::Null).await.status, 404);
}

#[tokio::test]
async fn registering_has_rules() {
    let auth = with(on()).await;
    let anonymous = auth.post("/signup", json!({})).await.ok();
    let line = "POST /passkeys/registration/options";
    let nobody = auth.call(line, Some(text(&anonymous, "access_token")), json!({})).await;
    assert_eq!(refusal(&nobody), (403, "no_authorization".to_owned()));
    let session = auth.sign_up("ada@example.com").await;
    let token = text(&session, "access_token");
    for _ in 0..10 {
        register(&auth, token, &mut Device::new()).await.ok();
    }
    assert_eq!(refusal(&auth.call(line, Some(token), json!({})).await), (422, "too_many_passkeys".to_owned()));
    // A question is one user's.
    let bob = auth.sign_up("bob@example.com").await;
    let eve = auth.sign_up("eve@example.com").await;
    let asked = auth.call(line, Some(text(&bob, "access_token")), json!({})).await.ok();
    let credential = Device::new().create(ORIGIN, &asked["options"]).await;
    let body = json!({"challenge_id": asked["challenge_id"], "credential": credential});
    let verify = "POST /passkeys/registration/verify";
    let stolen = auth.call(verify, Some(text(&eve, "access_token")), body.clone()).await;
    assert_eq!(refusal(&stolen), (400, "webauthn_verification_failed".to_owned()));
    let consumed = auth.call(verify, Some(text(&bob, "access_token")), body).await;
    assert_eq!(refusal(&consumed), (400, "webauthn_challenge_not_found".to_owned()));
}

#[tokio::test]
async fn passkeys_can_be_off() {
    let auth = auth().await;
    let off = auth.post("/passkeys/authentication/options", json!({})).await;
    assert_eq!(refusal(&off), (404, "passkey_disabled".to_owned()));
}

#[tokio::test]
async fn sec_a_passkey_answers_one_question_on_one_page_in_time() {
    let auth = with(on()).await;
    let session = auth.sign_up("ada@example.com").await;
    let mut device = Device::new();
    register(&auth, text(&session, "access_token"), &mut device).await.ok();
    let verify = async |body: Value| refusal(&auth.post("/passkeys/authentication/verify", body).await);
    let failed = (400, "webauthn_verification_failed".to_owned());
    let elsewhere = signed(&auth, &mut device, "https://evil.app.example.com").await;
    assert_eq!(verify(elsewhere).await, failed);
    let (first, mut second) = (signed(&auth, &mut device, ORIGIN).await, signed(&auth, &mut device, ORIGIN).await);
    second["credential"] = first["credential"].clone();
    assert_eq!(verify(second).await, failed, "the answer to another question");
    let mut renamed = signed(&auth, &mut device, ORIGIN).await;
    renamed["credential"]["response"]["userHandle"] = "MDE5MGI2ZjA".into();
    assert_eq!(verify(renamed).await, failed, "somebody else's");
    let mut late = signed(&auth, &mut device, ORIGIN).await;
    auth.db.script("update auth.webauthn_challenges set expires_at = now()").await;
    assert_eq!(verify(late.clone()).await, (400, "webauthn_challenge_expired".to_owned()));
    late["challenge_id"] = Value::Null;
    assert_eq!(verify(late).await, (400, "webauthn_challenge_not_found".to_owned()));
    let id = text(&session["user"], "id");
    auth.admin(&format!("PUT /admin/users/{id}"), json!({"ban_duration": "1h"})).await.ok();
    let banned = signed(&auth, &mut device, ORIGIN).await;
    assert_eq!(verify(banned).await, (403, "user_banned".to_owned()));
}

#[tokio::test]
async fn sec_a_password_alone_adds_no_passkey_to_an_account_with_a_factor() {
    let auth = with(on()).await;
    let user = Enrolled::of(&auth, "ada@example.com").await;
    let thief = auth.sign_in("ada@example.com", "password").await.ok();
    let line = "POST /passkeys/registration/options";
    let refused = auth.call(line, Some(text(&thief, "access_token")), json!({})).await;
    assert_eq!(refusal(&refused), (403, "insufficient_aal".to_owned()));
    let mut device = Device::new();
    register(&auth, text(&user.session, "access_token"), &mut device).await.ok();
    // And signing in with it is one proof, not two.
    let body = signed(&auth, &mut device, ORIGIN).await;
    let opened = auth.post("/passkeys/authentication/verify", body).await.ok();
    assert_eq!(text(&claims(&opened), "aal"), "aal1");
}
