//! Providers that administrators add while the server runs (`/admin/custom-providers`).

use serde_json::{Value, json};

use super::EXTERNAL;
use super::browser::{Browser, param};
use super::issuer::Issuer;
use super::provider::Provider;
use crate::harness::{Auth, auth, section, text, with};

const SECRET: &str = "the secret: of %the app";

async fn create(auth: &Auth, body: Value) -> Value {
    let made = auth.admin("POST /admin/custom-providers", body).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.json()
}

/// An issuer as `custom:staff`.
fn issuer(url: &str, more: &Value) -> Value {
    let mut body = json!({"provider_type": "oidc", "identifier": "custom:staff", "name": "Staff", "client_id": "web",
        "client_secret": SECRET, "issuer": url});
    let more = more.as_object().cloned().unwrap_or_default();
    body.as_object_mut().expect("an object").extend(more);
    body
}

async fn refused(auth: &Auth, body: Value) -> (u16, String, String) {
    auth.admin("POST /admin/custom-providers", body).await.error()
}

#[tokio::test]
async fn administrators_add_change_list_and_take_away() {
    let issued = Issuer::start().await;
    let auth = auth().await;
    let made = create(&auth, issuer(&issued.url(""), &json!({"scopes": ["email"], "unknown": 1}))).await;
    assert_eq!((&made["identifier"], &made["pkce_enabled"]), (&json!("custom:staff"), &json!(true)));
    assert_eq!(made["discovery_document"]["jwks_uri"], issued.url("/keys"));
    assert!(made["id"].is_string() && made["created_at"].is_string() && made.get("token_url").is_none(), "{made}");
    let again = refused(&auth, issuer(&issued.url(""), &json!({}))).await;
    assert_eq!((again.0, again.1.as_str()), (400, "conflict"));
    let described = json!({"provider_type": "oauth2", "identifier": "custom:other", "name": "Other", "client_id": "a",
        "client_secret": "b", "authorization_url": "https://o.example/a", "token_url": "https://o.example/t",
        "userinfo_url": "https://o.example/u"});
    assert!(create(&auth, described).await.get("discovery_document").is_none());
    let listed = auth.admin("GET /admin/custom-providers", Value::Null).await.ok();
    assert_eq!(listed["providers"].as_array().map(Vec::len), Some(2));
    let listed = auth.admin("GET /admin/custom-providers?type=oidc", Value::Null).await.ok();
    assert_eq!(listed["providers"], json!([made]));
    let path = "/admin/custom-providers/custom:staff";
    assert_eq!(auth.admin(&format!("GET {path}"), Value::Null).await.ok(), made);
    let change = json!({"name": "Employees", "enabled": false, "scopes": null, "client_secret": "another"});
    let changed = auth.admin(&format!("PUT {path}"), change).await.ok();
    assert_eq!((&changed["name"], &changed["scopes"]), (&json!("Employees"), &json!(["email"])));
    assert_eq!(
        auth.value("select client_secret from auth.custom_oauth_providers where name = 'Employees'").await,
        "another"
    );
    assert_eq!(issued.calls("/.well-known/openid-configuration"), 2, "a change of the name asks nobody");
    let fixed = auth.admin(&format!("PUT {path}"), json!({"provider_type": "oauth2"})).await.error();
    assert_eq!((fixed.0, fixed.1.as_str()), (400, "validation_failed"));
    assert_eq!(auth.admin(&format!("DELETE {path}"), Value::Null).await.status, 204);
    for line in ["GET", "PUT", "DELETE"] {
        let gone = auth.admin(&format!("{line} {path}"), Value::Null).await.error();
        assert_eq!((gone.0, gone.1.as_str()), (404, "custom_provider_not_found"));
    }
    for answer in [&made, &changed] {
        assert!(!answer.to_string().contains("secret"), "{answer}");
    }
}

#[tokio::test]
async fn what_cannot_be_a_provider_is_refused() {
    let issued = Issuer::start().await;
    let auth = auth().await;
    let url = issued.url("");
    for wrong in [
        json!({"provider_type": "saml"}),
        json!({"identifier": "google"}),
        json!({"identifier": "custom:Staff"}),
        json!({"name": ""}),
        json!({"client_id": null}),
        json!({"client_secret": ""}),
        json!({"issuer": ""}),
        json!({"issuer": "http://id.example.com"}),
        json!({"issuer": format!("{url}/elsewhere")}),
        json!({"discovery_url": format!("{url}/nothing")}),
        json!({"scopes": ["a b"]}),
        json!({"authorization_params": {"redirect_uri": "https://evil.example"}}),
        json!({"authorization_params": {"prompt": 1}}),
        json!({"provider_type": "oauth2", "authorization_url": "https://o.example/a"}),
    ] {
        let error = refused(&auth, issuer(&url, &wrong)).await;
        assert_eq!((error.0, error.1.as_str()), (400, "validation_failed"), "{wrong}: {}", error.2);
        assert!(!error.2.contains(SECRET));
    }
    // A document of somebody else, and one that leaves the issuer's protection.
    issued.says(
        "/.well-known/openid-configuration",
        json!({"issuer": "https://evil.example", "authorization_endpoint": url,
        "token_endpoint": url, "jwks_uri": url}),
    );
    let foreign = refused(&auth, issuer(&url, &json!({}))).await;
    assert!(foreign.1 == "validation_failed" && foreign.2.contains("somebody else"), "{foreign:?}");
    assert_eq!(auth.value("select count(*)::text from auth.custom_oauth_providers").await, "0");
    let session = auth.sign_up("ada@example.com").await;
    let users = auth.call("GET /admin/custom-providers", Some(text(&session, "access_token")), Value::Null).await;
    assert_eq!(users.error().1, "not_admin");
}

#[tokio::test]
async fn people_come_through_an_issuer_that_was_added() {
    let provider = Provider::start();
    let auth = with(section(|section| section.enable_manual_linking = true)).await;
    let more = json!({"trust_email": true, "authorization_params": {"ui_locales": "de"},
        "custom_claims_allowlist": ["sub", "nothing"]});
    create(&auth, issuer(&provider.url(""), &more)).await;
    let mut browser = Browser::new(&auth);
    let landed = browser.go(&format!("{EXTERNAL}/authorize?provider=custom:staff&login_hint=ada&ui_locales=fr")).await;
    let token = param(&landed, '#', "access_token").unwrap_or_else(|| panic!("no session: {landed}"));
    let user = auth.call("GET /user", Some(&token), Value::Null).await.ok();
    assert_eq!(
        (&user["email"], &user["app_metadata"]["provider"]),
        (&json!("ada@example.com"), &json!("custom:staff"))
    );
    assert_eq!(user["user_metadata"]["custom_claims"], json!({"sub": "ada"}));
    let asked = browser.seen.iter().find(|url| url.contains("/auth?")).expect("the provider's address");
    assert_eq!(param(asked, '?', "ui_locales").as_deref(), Some("de"));
    assert_eq!(param(asked, '?', "scope").as_deref(), Some("openid email profile"));
    // It can be added to an account that is there, and turned off.
    let bob = auth.sign_up("bob@example.com").await;
    let bob = text(&bob, "access_token");
    let line = "GET /user/identities/authorize?provider=custom:staff&login_hint=bob&skip_http_redirect=true";
    let to = auth.call(line, Some(bob), Value::Null).await.ok();
    Browser::new(&auth).go(text(&to, "url")).await;
    let linked = auth.call("GET /user", Some(bob), Value::Null).await.ok();
    assert_eq!(linked["app_metadata"]["providers"], json!(["email", "custom:staff"]));
    auth.admin("PUT /admin/custom-providers/custom:staff", json!({"enabled": false})).await.ok();
    for name in ["custom:staff", "custom:nobody"] {
        let refused = auth.call(&format!("GET /authorize?provider={name}"), None, Value::Null).await.error();
        assert_eq!((refused.0, refused.1.as_str()), (400, "validation_failed"), "{name}");
    }
}

#[tokio::test]
async fn people_come_through_a_provider_that_was_described() {
    let provider = Provider::start();
    let auth = with(section(|section| section.email.autoconfirm = false)).await;
    let body = json!({"provider_type": "oauth2", "identifier": "custom:shop", "name": "Shop", "client_id": "web",
        "client_secret": SECRET, "scopes": ["openid", "email", "profile"],
        "authorization_url": provider.url("/auth"), "token_url": provider.url("/token"), "userinfo_url": provider.url("/me"),
        "attribute_mapping": {"preferred_username": "sub", "email_verified": true}, "email_optional": true});
    create(&auth, body).await;
    let start = format!("{EXTERNAL}/authorize?provider=custom:shop&login_hint=ada");
    // What an administrator describes is not trusted with addresses, whatever it maps.
    let landed = Browser::new(&auth).go(&start).await;
    assert_eq!(param(&landed, '?', "error_code").as_deref(), Some("provider_email_needs_verification"), "{landed}");
    auth.admin("PUT /admin/custom-providers/custom:shop", json!({"trust_email": true})).await.ok();
    auth.db.script("delete from auth.users").await;
    let landed = Browser::new(&auth).go(&start).await;
    let token = param(&landed, '#', "access_token").unwrap_or_else(|| panic!("no session: {landed}"));
    let user = auth.call("GET /user", Some(&token), Value::Null).await.ok();
    assert_eq!((&user["email"], &user["user_metadata"]["user_name"]), (&json!("ada@example.com"), &json!("ada")));
    let token = auth.post("/token?grant_type=id_token", json!({"provider": "custom:shop", "id_token": "a.b.c"})).await;
    assert_eq!(token.error().1, "validation_failed", "it gives out no ID tokens");
}

#[tokio::test]
async fn sec_06_a_token_names_an_issuer_that_was_added_exactly() {
    let issued = Issuer::start().await;
    let auth = with(section(|section| section.email.autoconfirm = true)).await;
    create(&auth, issuer(&issued.url(""), &json!({"acceptable_client_ids": ["phone"], "trust_email": true}))).await;
    let mut claims = issued.claims();
    claims["aud"] = "phone".into();
    let token = issued.token(&claims);
    for body in [
        json!({"provider": "custom:staff", "id_token": token}),
        json!({"issuer": issued.url(""), "client_id": "phone", "id_token": token}),
    ] {
        let session = auth.post("/token?grant_type=id_token", body).await.ok();
        assert_eq!(session["user"]["app_metadata"]["provider"], "custom:staff");
    }
    let asked = issued.calls("/keys");
    let unknown = json!({"issuer": "https://evil.example", "client_id": "phone", "id_token": token});
    assert_eq!(auth.post("/token?grant_type=id_token", unknown).await.status, 400);
    claims["aud"] = "another".into();
    let other = json!({"provider": "custom:staff", "id_token": issued.token(&claims)});
    assert_eq!(auth.post("/token?grant_type=id_token", other).await.status, 400);
    assert_eq!(issued.calls("/keys"), asked, "nobody else is asked");
}
