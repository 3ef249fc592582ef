//! Adding and taking away ways into an account (contract 3).

use serde_json::{Value, json};

use super::browser::{Browser, param};
use super::provider::Provider;
use super::{EXTERNAL, with_provider};
use crate::harness::{Answer, Auth, auth, text, with};
use crate::mfa::Enrolled;

const LINK: &str = "GET /user/identities/authorize?skip_http_redirect=true&provider=";

/// Links somebody at a provider to the account of this token, and gives where that ends.
async fn link_at(auth: &Auth, provider: &str, token: &str, who: &str) -> String {
    let url = auth.call(&format!("{LINK}{provider}&login_hint={who}"), Some(token), Value::Null).await.ok();
    Browser::new(auth).go(text(&url, "url")).await
}

/// The same at the provider that is trusted.
async fn link(auth: &Auth, token: &str, who: &str) -> String {
    link_at(auth, "keycloak", token, who).await
}

/// The token of who comes from a provider.
async fn come(auth: &Auth, provider: &str, who: &str) -> String {
    let landed = Browser::new(auth).go(&format!("{EXTERNAL}/authorize?provider={provider}&login_hint={who}")).await;
    param(&landed, '#', "access_token").unwrap_or_else(|| panic!("{landed}"))
}

async fn user(auth: &Auth, token: &str) -> Value {
    auth.call("GET /user", Some(token), Value::Null).await.ok()
}

/// Takes the way through this provider away.
async fn unlink_from(auth: &Auth, token: &str, provider: &str) -> Answer {
    let user = user(auth, token).await;
    let ways = user["identities"].as_array().expect("identities");
    let way = ways.iter().find(|way| way["provider"] == provider).expect("a way");
    unlink(auth, token, text(way, "identity_id")).await
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
    let token = come(&auth, "keycloak", "ada").await;
    assert_ne!(auth.call("GET /user", Some(&token), Value::Null).await.ok()["id"], user["id"]);
}

#[tokio::test]
async fn an_address_that_another_way_tells_too_stays() {
    let provider = Provider::start();
    let auth = with(with_provider(&provider, |_| {})).await;
    let session = auth.sign_up("ada@example.com").await;
    let token = come(&auth, "keycloak", "ada").await;
    unlink_from(&auth, &token, "email").await.ok();
    let user = user(&auth, &token).await;
    assert_eq!((&user["id"], &user["email"]), (&session["user"]["id"], &json!("ada@example.com")));
    assert!(user["email_confirmed_at"].is_string());
    let taken = auth.post("/signup", json!({"email": "ada@example.com", "password": "another"})).await.error();
    assert_eq!(taken.1, "user_already_exists");
}

#[tokio::test]
async fn sec_a_password_goes_with_the_address_or_number_that_it_belongs_to() {
    let provider = Provider::start();
    for has_number in [false, true] {
        let auth = with(with_provider(&provider, |_| {})).await;
        let session = auth.sign_up("ada@example.com").await;
        if has_number {
            let change = json!({"phone": "49151000", "phone_confirm": true});
            auth.admin(&format!("PUT /admin/users/{}", text(&session["user"], "id")), change).await.ok();
        }
        let token = come(&auth, "keycloak", "ada").await;
        unlink_from(&auth, &token, "email").await.ok();
        assert_eq!(auth.sign_in("ada@example.com", "password").await.status.is_success(), has_number);
        // Another one can be chosen.
        auth.call("PUT /user", Some(&token), json!({"password": "another password"})).await.ok();
        auth.sign_in("ada@example.com", "another password").await.ok();
    }
}

#[tokio::test]
async fn an_address_that_takes_the_place_of_another_keeps_its_own_way() {
    let provider = Provider::start();
    let auth = with(with_provider(&provider, |_| {})).await;
    let token = come(&auth, "keycloak", "grace").await;
    // As accounts that come from elsewhere may have it: another address, which was proved.
    auth.db
        .script(
            "insert into auth.identities (provider_id, user_id, identity_data, provider)
             select id::text, id, '{\"sub\": \"x\", \"email\": \"ada@example.com\", \"email_verified\": true}', 'email'
             from auth.users",
        )
        .await;
    unlink_from(&auth, &token, "keycloak").await.ok();
    let left = user(&auth, &token).await;
    assert_eq!((&left["email"], &left["app_metadata"]["providers"]), (&json!("ada@example.com"), &json!(["email"])));
    let ways = left["identities"].as_array().expect("identities");
    assert_eq!(ways.iter().map(|way| text(way, "provider")).collect::<Vec<_>>(), ["email"]);
}

#[tokio::test]
async fn sec_a_provider_that_was_taken_away_leads_nowhere_by_its_address() {
    let provider = Provider::start();
    for (trust, expected) in [(true, "ada@example.com"), (false, "")] {
        let auth = with(with_provider(&provider, |section| {
            section.external.get_mut("elsewhere").expect("it").trust_email = Some(trust);
        }))
        .await;
        let token = come(&auth, "keycloak", "grace").await;
        link_at(&auth, "elsewhere", &token, "ada").await;
        unlink_from(&auth, &token, "keycloak").await.ok();
        let left = user(&auth, &token).await;
        assert_eq!(left["email"], expected);
        assert_eq!(left["email_confirmed_at"].is_string(), trust);
        assert_eq!(left["app_metadata"], json!({"provider": "elsewhere", "providers": ["elsewhere"]}));
        // Who comes from there again is somebody new.
        let again = come(&auth, "keycloak", "grace").await;
        assert_ne!(user(&auth, &again).await["id"], left["id"]);
        assert_eq!(user(&auth, &come(&auth, "elsewhere", "ada").await).await["id"], left["id"]);
    }
}

#[tokio::test]
async fn an_address_of_somebody_else_is_not_taken_when_a_way_goes() {
    let provider = Provider::start();
    let auth = with(with_provider(&provider, |section| {
        section.external.get_mut("elsewhere").expect("it").trust_email = Some(true);
    }))
    .await;
    let token = come(&auth, "keycloak", "grace").await;
    let ada = auth.sign_up("ada@example.com").await;
    link_at(&auth, "elsewhere", &token, "ada").await;
    unlink_from(&auth, &token, "keycloak").await.ok();
    assert_eq!(user(&auth, &token).await["email"], "");
    assert_eq!(user(&auth, text(&ada, "access_token")).await["email"], "ada@example.com");
}

#[tokio::test]
async fn sec_who_lacks_the_second_factor_neither_adds_nor_takes_away_a_way() {
    let provider = Provider::start();
    let auth = with(with_provider(&provider, |_| {})).await;
    Enrolled::of(&auth, "ada@example.com").await;
    come(&auth, "keycloak", "ada").await;
    let session = auth.sign_in("ada@example.com", "password").await.ok();
    let token = text(&session, "access_token");
    let linking = json!({"provider": "keycloak", "id_token": "x", "link_identity": true});
    for refused in [
        unlink_from(&auth, token, "email").await,
        unlink_from(&auth, token, "keycloak").await,
        auth.call(&format!("{LINK}keycloak"), Some(token), Value::Null).await,
        auth.call("POST /token?grant_type=id_token", Some(token), linking).await,
    ] {
        let refused = refused.error();
        assert_eq!((refused.0, refused.1.as_str()), (403, "insufficient_aal"));
    }
    assert_eq!(user(&auth, token).await["identities"].as_array().map(Vec::len), Some(2));
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
    assert_eq!((&user["email"], &user["app_metadata"]["provider"]), (&json!("ada@example.com"), &json!("keycloak")));
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
    for line in [format!("{LINK}keycloak"), format!("DELETE /user/identities/{id}")] {
        let off = auth.call(&line, token, Value::Null).await.error();
        assert_eq!(off, (404, "manual_linking_disabled".into(), "Manual linking is disabled".into()), "{line}");
        assert_eq!(auth.call(&line, None, Value::Null).await.error().1, "no_authorization");
    }
}
