//! The whole way with a real provider, and where it ends.

use serde_json::{Value, json};

use super::browser::{Browser, param};
use super::provider::Provider;
use super::{EXTERNAL, SITE, with_provider};
use crate::harness::{text, with};

/// RFC 7636, appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

#[tokio::test]
async fn somebody_new_lands_with_a_session() {
    let provider = Provider::start();
    let auth = with(with_provider(&provider, |_| {})).await;
    let mut browser = Browser::new(&auth);
    let start = format!("{EXTERNAL}/authorize?provider=keycloak&login_hint=ada&redirect_to={SITE}/welcome");
    let landed = browser.go(&start).await;
    assert!(landed.starts_with("http://localhost:3000/welcome#"), "{landed}");
    let get = |name: &str| param(&landed, '#', name).unwrap_or_else(|| panic!("no {name} in {landed}"));
    assert_eq!((get("token_type"), get("expires_in")), ("bearer".into(), "3600".into()));
    assert!(!get("provider_token").is_empty());
    let user = auth.call("GET /user", Some(&get("access_token")), Value::Null).await.ok();
    assert_eq!(user["email"], "ada@example.com");
    assert!(user["email_confirmed_at"].is_string());
    assert_eq!(user["app_metadata"], json!({"provider": "keycloak", "providers": ["keycloak"]}));
    let metadata = &user["user_metadata"];
    assert_eq!(metadata["full_name"], "ada of the provider");
    assert_eq!((&metadata["sub"], &metadata["provider_id"]), (&json!("ada"), &json!("ada")));
    assert_eq!((&metadata["iss"], &metadata["email_verified"]), (&json!(provider.url("")), &json!(true)));
    let identity = &user["identities"][0];
    assert_eq!((&identity["provider"], &identity["id"]), (&json!("keycloak"), &json!("ada")));
    assert_eq!(auth.value("select authentication_method from auth.mfa_amr_claims").await, "oauth");
    assert_eq!(auth.refresh(&get("refresh_token")).await.ok()["user"]["id"], user["id"]);
    // The provider was asked with everything that binds its answer to this flow.
    let asked = browser.seen.iter().find(|url| url.contains("/auth?")).expect("the provider's address");
    for name in ["state", "nonce", "code_challenge"] {
        assert!(param(asked, '?', name).is_some_and(|value| value.len() >= 36), "{name}: {asked}");
    }
    assert_eq!(param(asked, '?', "scope").as_deref(), Some("openid email profile"));
    // The same person again is the same account, and nothing is left of the flows.
    let again = Browser::new(&auth).go(&start).await;
    let token = param(&again, '#', "access_token").expect("a token");
    assert_eq!(auth.call("GET /user", Some(&token), Value::Null).await.ok()["id"], user["id"]);
    let left = "select (select count(*) from auth.flow_state) + (select count(*) from auth.oauth_client_states)";
    assert_eq!(auth.value(&format!("select ({left})::text")).await, "0");
}

#[tokio::test]
async fn pkce_lands_with_a_code_for_the_session() {
    let provider = Provider::start();
    let auth = with(with_provider(&provider, |_| {})).await;
    let query = format!("provider=keycloak&login_hint=ada&code_challenge={CHALLENGE}&code_challenge_method=s256");
    let landed = Browser::new(&auth).go(&format!("{EXTERNAL}/authorize?{query}")).await;
    let code = param(&landed, '?', "code").expect("a code");
    assert!(!landed.contains('#'), "nothing else: {landed}");
    let grant = |verifier: &str| json!({"auth_code": code, "code_verifier": verifier});
    let wrong = auth.post("/token?grant_type=pkce", grant(CHALLENGE)).await.error();
    assert_eq!((wrong.0, wrong.1.as_str()), (400, "bad_code_verifier"));
    let session = auth.post("/token?grant_type=pkce", grant(VERIFIER)).await.ok();
    assert_eq!(session["user"]["email"], "ada@example.com");
    assert!(session["provider_token"].as_str().is_some_and(|token| !token.is_empty()));
    let replayed = auth.post("/token?grant_type=pkce", grant(VERIFIER)).await.error();
    assert_eq!((replayed.0, replayed.1.as_str()), (404, "flow_state_not_found"));
    // A client that only wants the address has nothing but PKCE to prove that it began.
    let url = auth.call(&format!("GET /authorize?{query}&skip_http_redirect=true"), None, Value::Null).await.ok();
    let landed = Browser::new(&auth).go(text(&url, "url")).await;
    assert!(param(&landed, '?', "code").is_some(), "{landed}");
    let bare = "GET /authorize?provider=keycloak&skip_http_redirect=true";
    assert_eq!(auth.call(bare, None, Value::Null).await.error().1, "validation_failed");
}

#[tokio::test]
async fn who_refuses_at_the_provider_lands_with_the_reason() {
    let provider = Provider::start();
    let auth = with(with_provider(&provider, |_| {})).await;
    let mut browser = Browser::new(&auth);
    let start = format!("{EXTERNAL}/authorize?provider=keycloak&login_hint=refuses&redirect_to={SITE}/welcome");
    let landed = browser.go(&start).await;
    assert!(landed.starts_with("http://localhost:3000/welcome?"), "{landed}");
    for part in ['?', '#'] {
        assert_eq!(param(&landed, part, "error").as_deref(), Some("access_denied"));
        assert_eq!(param(&landed, part, "error_code").as_deref(), Some("bad_oauth_callback"));
        assert_eq!(param(&landed, part, "error_description").as_deref(), Some("The user refused"));
    }
    assert_eq!(auth.value("select count(*)::text from auth.users").await, "0");
}

#[tokio::test]
async fn what_is_not_configured_is_refused() {
    let provider = Provider::start();
    let auth = with(with_provider(&provider, |section| {
        section.external.get_mut("elsewhere").expect("it").enabled = false;
    }))
    .await;
    for name in ["", "unheard-of", "elsewhere", "google", "KEYCLOAK"] {
        let refused = auth.call(&format!("GET /authorize?provider={name}"), None, Value::Null).await.error();
        assert_eq!((refused.0, refused.1.as_str()), (400, "validation_failed"), "{name}");
        assert!(refused.2.starts_with("Unsupported provider: "), "{refused:?}");
    }
    let saml = auth.post("/sso", json!({"domain": "example.com"})).await.error();
    assert_eq!(saml, (404, "saml_provider_disabled".to_owned(), "SAML 2.0 is disabled".to_owned()));
}

#[tokio::test]
async fn parameters_go_along_except_those_of_the_protocol() {
    let provider = Provider::start();
    let auth = with(with_provider(&provider, |section| {
        section.external.get_mut("keycloak").expect("it").scopes = vec!["groups:read".to_owned()];
    }))
    .await;
    let evil = "client_id=evil&redirect_uri=https://evil.example&state=fixed&nonce=fixed&response_type=token&response_mode=form_post&request=x";
    let line = format!("GET /authorize?provider=keycloak&prompt=consent&hd=example.com&scopes=a+b&{evil}");
    let answer = auth.call(&line, None, Value::Null).await;
    assert_eq!(answer.status, 302, "{answer:?}");
    let to = answer.field("location");
    let get = |name: &str| param(to, '?', name);
    assert_eq!((get("prompt").as_deref(), get("hd").as_deref()), (Some("consent"), Some("example.com")));
    assert_eq!(get("scope").as_deref(), Some("openid email profile groups:read a b"));
    assert_eq!((get("client_id").as_deref(), get("response_type").as_deref()), (Some("web"), Some("code")));
    assert_eq!(get("redirect_uri"), Some(format!("{EXTERNAL}/callback")));
    assert!(!to.contains("evil") && !to.contains("fixed") && !to.contains("form_post"), "{to}");
}

#[tokio::test]
async fn a_browser_at_another_name_of_this_host_is_sent_to_the_callbacks_first() {
    let provider = Provider::start();
    let auth = with(with_provider(&provider, |_| {})).await;
    let other = [("host", "127.0.0.1:8000")];
    let hop = auth.send("GET /authorize?provider=keycloak", &other, "").await;
    assert_eq!(hop.field("location"), format!("{EXTERNAL}/authorize?provider=keycloak&hopped=1"));
    assert_eq!(hop.field("set-cookie"), "");
    // Once: what we see behind a proxy may be another name for good.
    let through = auth.send("GET /authorize?provider=keycloak&hopped=1", &other, "").await;
    assert!(through.field("location").starts_with(&provider.url("/auth?")), "{through:?}");
    let cookie = through.field("set-cookie");
    for part in ["ferrobase-flow-", "Path=/auth/v1/callback", "HttpOnly", "SameSite=Lax", "Max-Age=600"] {
        assert!(cookie.contains(part), "{cookie}");
    }
}
