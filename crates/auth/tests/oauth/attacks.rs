//! What attackers try on the way to a provider and back.

use serde_json::{Value, json};

use super::browser::{Browser, param};
use super::issuer::Issuer;
use super::provider::Provider;
use super::sign_in::{CHALLENGE, VERIFIER};
use super::{EXTERNAL, with_provider};
use crate::harness::{text, with};

const START: &str = "http://localhost:8000/auth/v1/authorize?provider=keycloak&login_hint=mallory";
const CALLBACK: &str = "http://localhost:8000/auth/v1/callback";

fn code(landed: &str) -> String {
    param(landed, '?', "error_code").unwrap_or_else(|| panic!("no error: {landed}"))
}

#[tokio::test]
async fn sec_a_sign_in_that_another_browser_began_signs_nobody_in() {
    let provider = Provider::start();
    let auth = with(with_provider(&provider, |_| {})).await;
    let mut attacker = Browser::new(&auth);
    let callback = attacker.go_until(START, CALLBACK).await;
    // The victim is led to the attacker's way back, with a flow of its own under way or without.
    let mut victim = Browser::new(&auth);
    victim.go_until(START, &provider.url("")).await;
    for browser in [&mut victim, &mut Browser::new(&auth)] {
        let landed = browser.go(&callback).await;
        assert_eq!(code(&landed), "bad_oauth_state", "{landed}");
        assert!(!landed.contains("access_token"));
    }
    assert_eq!(auth.value("select count(*)::text from auth.users").await, "0");
    // Whose it is still comes in, once.
    let landed = attacker.go(&callback).await;
    assert!(param(&landed, '#', "access_token").is_some(), "{landed}");
    assert_eq!(code(&attacker.go(&callback).await), "bad_oauth_state", "the code cannot be replayed");
    assert_eq!(auth.value("select count(*)::text from auth.sessions").await, "1");
}

#[tokio::test]
async fn sec_states_are_ours_young_and_used_once() {
    let provider = Provider::start();
    let auth = with(with_provider(&provider, |_| {})).await;
    for (query, expected) in [
        ("code=x", "bad_oauth_callback"),
        ("state=&code=x", "bad_oauth_callback"),
        ("state=fixed&code=x", "bad_oauth_state"),
        ("state=0190b6f0-0000-7000-8000-000000000001&code=x", "bad_oauth_state"),
        ("", "bad_oauth_callback"),
    ] {
        let landed = Browser::new(&auth).go(&format!("{CALLBACK}?{query}")).await;
        assert!(landed.starts_with("http://localhost:3000/?error="), "{landed}");
        assert_eq!(code(&landed), expected, "{query}");
    }
    let mut browser = Browser::new(&auth);
    let callback = browser.go_until(START, CALLBACK).await;
    auth.db.script("update auth.oauth_client_states set created_at = created_at - interval '601 s'").await;
    assert_eq!(code(&browser.go(&callback).await), "bad_oauth_state", "too old");
    // One that comes back without a code is over, too.
    let mut browser = Browser::new(&auth);
    let callback = browser.go_until(START, CALLBACK).await;
    let bare = format!("{CALLBACK}?state={}", param(&callback, '?', "state").expect("a state"));
    assert_eq!(code(&browser.go(&bare).await), "bad_oauth_callback");
    assert_eq!(code(&browser.go(&callback).await), "bad_oauth_state");
    assert_eq!(auth.value("select count(*)::text from auth.users").await, "0");
}

#[tokio::test]
async fn sec_browsers_land_at_allowed_places_only() {
    let provider = Provider::start();
    let auth = with(with_provider(&provider, |section| {
        section.redirect_urls = vec!["https://*.example.net/**".to_owned()];
    }))
    .await;
    for wanted in [
        "https://evil.example/",
        "https://evil.example%23.example.net/",
        "https://localhost:3000@evil.example",
        "//evil.example",
        "javascript:alert(1)",
        "http://localhost:3000.evil.example",
        "http://localhost:3000%0d%0aset-cookie:x=y",
        "https://evil.example%5C.example.net/",
    ] {
        let landed = Browser::new(&auth).go(&format!("{START}&redirect_to={wanted}")).await;
        assert!(landed.starts_with("http://localhost:3000#"), "{wanted}: {landed}");
    }
    let allowed = Browser::new(&auth).go(&format!("{START}&redirect_to=https://a.example.net/x?y=1")).await;
    assert!(allowed.starts_with("https://a.example.net/x?y=1#access_token="), "{allowed}");
    let referer = [("host", "localhost:8000"), ("referer", "https://evil.example/")];
    auth.send("GET /authorize?provider=keycloak", &referer, "").await;
    let kept = "select count(*)::text from auth.flow_state where referrer not like 'http://localhost:3000%'";
    assert_eq!(auth.value(kept).await, "0");
}

#[tokio::test]
async fn sec_pkce_cannot_be_taken_out_of_a_flow() {
    let provider = Provider::start();
    let auth = with(with_provider(&provider, |_| {})).await;
    for query in [
        format!("code_challenge={CHALLENGE}"),
        "code_challenge_method=s256".to_owned(),
        format!("code_challenge={CHALLENGE}&code_challenge_method=none"),
        "code_challenge=short&code_challenge_method=plain".to_owned(),
    ] {
        let refused = auth.call(&format!("GET /authorize?provider=keycloak&{query}"), None, Value::Null).await.error();
        assert_eq!((refused.0, refused.1.as_str()), (400, "validation_failed"), "{query}");
    }
    // A flow with a challenge gives no tokens to a browser, whatever its way back says.
    let mut browser = Browser::new(&auth);
    let start = format!("{START}&code_challenge={CHALLENGE}&code_challenge_method=s256");
    let callback = browser.go_until(&start, CALLBACK).await;
    let landed = browser.go(&format!("{callback}&code_challenge=&response_type=token")).await;
    assert!(!landed.contains("access_token"), "{landed}");
    let code = param(&landed, '?', "code").expect("a code");
    for verifier in [json!(null), json!(""), json!(CHALLENGE), json!(VERIFIER.to_lowercase())] {
        let refused = auth.post("/token?grant_type=pkce", json!({"auth_code": code, "code_verifier": verifier})).await;
        assert_eq!(refused.status, 400, "{verifier}");
    }
    // The provider's code and the flow's id are no codes of ours.
    for other in [param(&callback, '?', "code"), param(&callback, '?', "state")] {
        let body = json!({"auth_code": other, "code_verifier": VERIFIER});
        assert_eq!(auth.post("/token?grant_type=pkce", body).await.error().1, "flow_state_not_found");
    }
}

/// An issuer of our own whose token endpoint answers with these claims, and where the browser lands.
async fn lands_with(issuer: &Issuer, query: &str, claims: impl FnOnce(&str) -> Value) -> String {
    let auth = with(issuer.section(|_| {})).await;
    let mut browser = Browser::new(&auth);
    let asked = browser.go_until(&format!("{EXTERNAL}/authorize?provider=keycloak"), &issuer.url("/auth")).await;
    let (state, nonce) = (param(&asked, '?', "state").expect("it"), param(&asked, '?', "nonce").expect("it"));
    let id_token = issuer.token(&claims(&nonce));
    issuer.says("/token", json!({"access_token": "token", "token_type": "bearer", "id_token": id_token}));
    browser.go(&format!("{CALLBACK}?state={state}&code=x{query}")).await
}

#[tokio::test]
async fn sec_what_a_provider_answers_must_be_for_this_flow() {
    let issuer = Issuer::start().await;
    let right = |nonce: &str| {
        let mut claims = issuer.claims();
        claims["nonce"] = json!(nonce);
        claims
    };
    let changed = |name: &'static str, value: Value| {
        let claims = &right;
        move |nonce: &str| {
            let mut claims = claims(nonce);
            claims[name] = value;
            claims
        }
    };
    let landed = lands_with(&issuer, "", right).await;
    assert!(param(&landed, '#', "access_token").is_some(), "{landed}");
    let named = format!("&iss={}", issuer.url(""));
    let landed = lands_with(&issuer, &named, right).await;
    assert!(param(&landed, '#', "access_token").is_some(), "{landed}");
    let from_another = lands_with(&issuer, "&iss=https://evil.example", right).await;
    assert_eq!(code(&from_another), "bad_oauth_callback");
    for (name, value) in [
        ("nonce", json!("of another flow")),
        ("nonce", Value::Null),
        ("aud", json!("another")),
        // One of ours, and not the one that this flow was for.
        ("aud", json!("phone")),
        ("iss", json!("https://evil.example")),
        ("exp", json!(1)),
        ("at_hash", json!("of another token")),
    ] {
        let landed = lands_with(&issuer, "", changed(name, value.clone())).await;
        assert_eq!(code(&landed), "bad_oauth_callback", "{name} {value}");
        assert!(!landed.contains("access_token"));
    }
}

#[tokio::test]
async fn sec_a_document_about_somebody_else_is_refused() {
    let issuer = Issuer::start().await;
    let without_email = |nonce: &str| {
        let mut claims = issuer.claims();
        claims["nonce"] = json!(nonce);
        claims.as_object_mut().expect("an object").remove("email");
        claims
    };
    issuer.says("/me", json!({"sub": "boss", "email": "boss@example.com", "email_verified": true}));
    let landed = lands_with(&issuer, "", without_email).await;
    assert_eq!(code(&landed), "bad_oauth_callback", "{landed}");
    issuer.says("/me", json!({"sub": "ada", "email": "ada@example.com", "email_verified": true}));
    let landed = lands_with(&issuer, "", without_email).await;
    assert!(param(&landed, '#', "access_token").is_some(), "{landed}");
}

#[tokio::test]
async fn sec_06_addresses_of_this_machine_are_called_only_where_they_are_allowed() {
    let issuer = Issuer::start().await;
    // The harness allows 127.0.0.1 only; the same issuer by another address of this machine is not reached.
    let elsewhere = issuer.url("").replace("127.0.0.1", "127.0.0.2");
    let auth = with(issuer.section(|section| {
        use ferrobase_base::config::Atom as _;
        let url = ferrobase_base::config::HttpUrl::parse(&elsewhere);
        section.external.get_mut("keycloak").expect("it").url = url;
    }))
    .await;
    let refused = auth.call("GET /authorize?provider=keycloak", None, Value::Null).await;
    assert_eq!(refused.status, 502, "{refused:?}");
    // What cannot be a token asks nobody for keys.
    let refused = auth.post("/token?grant_type=id_token", json!({"provider": "keycloak", "id_token": "none"})).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert_eq!(refused.json()["error_description"], "Bad ID token: it is malformed");
    // Of the right form, with a key that would have to be asked for.
    let token = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.e30.c2lnbmF0dXJl";
    let refused = auth.post("/token?grant_type=id_token", json!({"provider": "keycloak", "id_token": token})).await;
    assert_eq!(refused.status, 502, "{refused:?}");
    assert_eq!(issuer.calls("/.well-known/openid-configuration"), 0);
    assert!(!text(&refused.json(), "message").contains("127.0.0"), "nothing of our network is told");
}
