//! Adding and taking away ways into an account (contract 3).

use serde_json::{Value, json};

use super::browser::{Browser, param};
use super::provider::Provider;
use super::with_provider;
use crate::harness::{Answer, Auth, auth, text, with};

const LINK: &str = "GET /user/identities/authorize?provider=keycloak&skip_http_redirect=true";

/// Links somebody at the provider to the account of this token, and gives where that ends.
async fn link(auth: &Auth, token: &str, who: &str) -> String {
    let url = auth.call(&format!("{LINK}&login_hint={who}"), Some(token), Value::Null).await.ok();
    Browser::new(auth).go(text(&url, "url")).await
}

async fn unlink(auth: &Auth, token: &str, id: &str) -> Answer {
    auth.call(&format!("DELETE /user/identities/{id}"), Some(token), Value::Null).await
}

#[tokio::test]
async fn a_way_is_added_and_taken_away() {
    let provider = Provider::start();
    let auth = with(with_provider(&provider, |_| {})).await;
    let session = auth.sign_up("grace@example.com").await;
    let token = text(&session, "access_token");
    let only = text(&session["user"]["identities"][0], "identity_id").to_owned();
    assert_eq!(unlink(&auth, token, &only).await.error().1, "single_identity_not_deletable");
    let landed = link(&auth, token, "ada").await;
    let linked = param(&landed, '#', "access_token").unwrap_or_else(|| panic!("{landed}"));
    let user = auth.call("GET /user", Some(&linked), Value::Null).await.ok();
    assert_eq!((&user["id"], &user["email"]), (&session["user"]["id"], &json!("grace@example.com")));
    assert_eq!(user["app_metadata"]["providers"], json!(["email", "keycloak"]));
    // Twice, and to somebody else.
    let again = link(&auth, token, "ada").await;
    assert_eq!(param(&again, '?', "error_code").as_deref(), Some("identity_already_exists"), "{again}");
    let other = auth.sign_up("bea@example.com").await;
    let taken = link(&auth, text(&other, "access_token"), "ada").await;
    assert_eq!(param(&taken, '?', "error_description").as_deref(), Some("Identity is already linked to another user"));
    // Nobody takes away what is another's.
    let theirs = unlink(&auth, text(&other, "access_token"), &only).await.error();
    assert_eq!((theirs.0, theirs.1.as_str()), (422, "identity_not_found"));
    assert_eq!(unlink(&auth, token, "x").await.status, 404);
    let id = text(&user["identities"][1], "identity_id").to_owned();
    assert_eq!(unlink(&auth, token, &id).await.ok(), json!({}));
    let user = auth.call("GET /user", Some(token), Value::Null).await.ok();
    assert_eq!(user["app_metadata"], json!({"provider": "email", "providers": ["email"]}));
    // The provider is free again, and leads to an account of its own.
    let landed =
        Browser::new(&auth).go(&format!("{}/authorize?provider=keycloak&login_hint=ada", super::EXTERNAL)).await;
    let token = param(&landed, '#', "access_token").expect("a token");
    assert_ne!(auth.call("GET /user", Some(&token), Value::Null).await.ok()["id"], user["id"]);
}

#[tokio::test]
async fn an_address_that_is_taken_away_signs_nobody_in() {
    let provider = Provider::start();
    let auth = with(with_provider(&provider, |_| {})).await;
    let session = auth.sign_up("grace@example.com").await;
    let token = text(&session, "access_token");
    link(&auth, token, "ada").await;
    let email = text(&session["user"]["identities"][0], "identity_id").to_owned();
    unlink(&auth, token, &email).await.ok();
    let user = auth.call("GET /user", Some(token), Value::Null).await.ok();
    assert_eq!((&user["email"], &user["app_metadata"]["provider"]), (&json!(""), &json!("keycloak")));
    assert_eq!(auth.sign_in("grace@example.com", "password").await.error().1, "invalid_credentials");
}

#[tokio::test]
async fn somebody_anonymous_gets_a_name() {
    let provider = Provider::start();
    let auth = with(with_provider(&provider, |_| {})).await;
    let session = auth.post("/signup", json!({})).await.ok();
    let landed = link(&auth, text(&session, "access_token"), "ada").await;
    let token = param(&landed, '#', "access_token").unwrap_or_else(|| panic!("{landed}"));
    let user = auth.call("GET /user", Some(&token), Value::Null).await.ok();
    assert_eq!(user["id"], session["user"]["id"]);
    assert_eq!((&user["is_anonymous"], &user["email"]), (&json!(false), &json!("ada@example.com")));
}

#[tokio::test]
async fn where_linking_is_off_nothing_is_linked() {
    let auth = auth().await;
    let session = auth.sign_up("grace@example.com").await;
    let token = Some(text(&session, "access_token"));
    let id = text(&session["user"]["identities"][0], "identity_id");
    for line in [LINK.to_owned(), format!("DELETE /user/identities/{id}")] {
        let off = auth.call(&line, token, Value::Null).await.error();
        assert_eq!(off, (404, "manual_linking_disabled".into(), "Manual linking is disabled".into()), "{line}");
        assert_eq!(auth.call(&line, None, Value::Null).await.error().1, "no_authorization");
    }
}
