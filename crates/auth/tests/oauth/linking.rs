//! Whose account it is: by subject, by a confirmed address of a trusted provider, and never otherwise.

use serde_json::{Value, json};

use super::EXTERNAL;
use super::browser::{Browser, param};
use super::provider::Provider;
use super::with_provider;
use crate::harness::{Auth, text, with};

/// The address that somebody lands at who comes through a provider.
async fn come(auth: &Auth, provider: &str, who: &str) -> String {
    Browser::new(auth).go(&format!("{EXTERNAL}/authorize?provider={provider}&login_hint={who}")).await
}

/// The account that somebody comes to.
async fn account(auth: &Auth, provider: &str, who: &str) -> Value {
    let landed = come(auth, provider, who).await;
    let token = param(&landed, '#', "access_token").unwrap_or_else(|| panic!("no session: {landed}"));
    auth.call("GET /user", Some(&token), Value::Null).await.ok()
}

#[tokio::test]
async fn a_confirmed_address_of_a_trusted_provider_leads_to_its_account() {
    let provider = Provider::start();
    let auth = with(with_provider(&provider, |_| {})).await;
    let session = auth.sign_up("ada@example.com").await;
    let user = account(&auth, "keycloak", "ada").await;
    assert_eq!(user["id"], session["user"]["id"]);
    assert_eq!(user["app_metadata"], json!({"provider": "email", "providers": ["email", "keycloak"]}));
    assert_eq!(user["identities"].as_array().map(Vec::len), Some(2));
    auth.sign_in("ada@example.com", "password").await.ok();
}

#[tokio::test]
async fn sec_06_an_account_that_waits_for_its_owner_loses_what_it_was_given() {
    let provider = Provider::start();
    let auth = with(with_provider(&provider, |section| section.email.autoconfirm = false)).await;
    let made = json!({"email": "ada@example.com", "password": "attackers", "data": {"role": "attacker"}});
    let id = text(&auth.post("/signup", made).await.ok(), "id").to_owned();
    let user = account(&auth, "keycloak", "ada").await;
    assert_eq!(user["id"], json!(id), "what refers to the account stays");
    assert!(user["email_confirmed_at"].is_string());
    assert_eq!(user["user_metadata"].get("role"), None);
    assert_eq!(user["identities"].as_array().map(Vec::len), Some(1));
    assert_eq!(auth.sign_in("ada@example.com", "attackers").await.error().1, "invalid_credentials");
    assert_eq!(auth.value("select encrypted_password from auth.users").await, "");
    let codes = "select count(*)::text from auth.one_time_tokens";
    assert_eq!(auth.value(codes).await, "0", "the mail that was on its way opens nothing");
}

#[tokio::test]
async fn sec_06_a_provider_that_is_not_trusted_links_nothing() {
    let provider = Provider::start();
    let auth = with(with_provider(&provider, |section| section.email.autoconfirm = false)).await;
    let confirmed = json!({"email": "ada@example.com", "password": "password", "email_confirm": true});
    let ada = auth.admin("POST /admin/users", confirmed).await.ok();
    let other = account(&auth, "elsewhere", "ada").await;
    assert_ne!(other["id"], ada["id"]);
    assert_eq!((&other["email"], &other["identities"][0]["email"]), (&json!(""), &json!("ada@example.com")));
    let same = auth.admin(&format!("GET /admin/users/{}", text(&ada, "id")), Value::Null).await.ok();
    assert_eq!((&same["identities"], &same["user_metadata"]), (&ada["identities"], &ada["user_metadata"]));
    // An address that is free is not confirmed by it either: its owner may come later, and must not find a stranger there.
    let landed = come(&auth, "elsewhere", "bea").await;
    assert_eq!(param(&landed, '?', "error_code").as_deref(), Some("provider_email_needs_verification"), "{landed}");
    let bea = account(&auth, "keycloak", "bea").await;
    assert_eq!(bea["app_metadata"]["providers"], json!(["keycloak"]));
    assert_eq!(auth.value("select count(*)::text from auth.users where email = 'bea@example.com'").await, "1");
    let stranger = "select count(*)::text from auth.sessions s join auth.identities i using (user_id) where i.provider = 'elsewhere' and i.provider_id = 'bea'";
    assert_eq!(auth.value(stranger).await, "0");
}

#[tokio::test]
async fn an_address_that_the_provider_did_not_confirm_is_confirmed_by_mail() {
    let provider = Provider::start();
    let auth = with(with_provider(&provider, |section| {
        section.email.autoconfirm = false;
        section.email.max_frequency = std::time::Duration::ZERO;
    }))
    .await;
    for mails in 1..=2 {
        let landed = come(&auth, "keycloak", "unproved").await;
        assert_eq!(param(&landed, '#', "error").as_deref(), Some("access_denied"), "{landed}");
        assert_eq!(param(&landed, '#', "error_code").as_deref(), Some("provider_email_needs_verification"));
        assert_eq!(auth.mails.0.lock().await.len(), mails);
    }
    assert_eq!(auth.mails.0.lock().await[0].to, "unproved@example.com");
    assert_eq!(auth.value("select count(*)::text from auth.sessions").await, "0");
}

#[tokio::test]
async fn who_has_no_address_needs_none_only_where_that_is_said() {
    let provider = Provider::start();
    let auth = with(with_provider(&provider, |section| {
        section.external.get_mut("elsewhere").expect("it").email_optional = true;
    }))
    .await;
    let landed = come(&auth, "keycloak", "nameless").await;
    assert_eq!(param(&landed, '?', "error_code").as_deref(), Some("email_address_not_provided"), "{landed}");
    assert_eq!(account(&auth, "elsewhere", "nameless").await["email"], "");
}

#[tokio::test]
async fn where_nobody_signs_up_only_those_who_are_there_come_in() {
    let provider = Provider::start();
    let auth = with(with_provider(&provider, |section| section.enable_signup = false)).await;
    let landed = come(&auth, "keycloak", "ada").await;
    assert_eq!(param(&landed, '?', "error").as_deref(), Some("access_denied"), "{landed}");
    assert_eq!(param(&landed, '?', "error_code").as_deref(), Some("signup_disabled"));
    let invited = json!({"email": "ada@example.com", "app_metadata": {"tenant_id": "t1"}});
    let id = text(&auth.admin("POST /admin/users", invited).await.ok(), "id").to_owned();
    let user = account(&auth, "keycloak", "ada").await;
    assert_eq!((&user["id"], &user["app_metadata"]["tenant_id"]), (&json!(id), &json!("t1")));
    auth.admin(&format!("PUT /admin/users/{id}"), json!({"ban_duration": "1h"})).await.ok();
    let landed = come(&auth, "keycloak", "ada").await;
    assert_eq!(param(&landed, '?', "error_code").as_deref(), Some("user_banned"), "{landed}");
}

#[tokio::test]
async fn an_address_goes_to_its_owner_and_a_proved_number_keeps_its_account() {
    let provider = Provider::start();
    let auth = with(with_provider(&provider, |_| {})).await;
    let made =
        json!({"email": "ada@example.com", "phone": "49151234567", "phone_confirm": true, "password": "password"});
    let holder = auth.admin("POST /admin/users", made).await.ok();
    let user = account(&auth, "keycloak", "ada").await;
    assert_ne!(user["id"], holder["id"]);
    assert_eq!(user["email"], "ada@example.com");
    let holder = auth.admin(&format!("GET /admin/users/{}", text(&holder, "id")), Value::Null).await.ok();
    assert_eq!((&holder["email"], &holder["phone"]), (&json!(""), &json!("49151234567")));
}
