//! `grant_type=id_token` (contract 2.2).

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::browser::{Browser, param};
use super::issuer::{Issuer, Pair};
use super::provider::{DEVICE, Provider};
use super::sign_in::{CHALLENGE, VERIFIER};
use super::with_provider;
use crate::harness::{Answer, Auth, auth, text, with};
use ferrobase_testkit::token;

async fn grant(auth: &Auth, body: Value) -> Answer {
    auth.post("/token?grant_type=id_token", body).await
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_token_that_a_device_got_by_itself_opens_a_session() {
    let provider = Provider::start();
    // This provider tells the address elsewhere only; a device's token is all there is.
    let auth = with(with_provider(&provider, |section| {
        section.external.get_mut("keycloak").expect("it").email_optional = true;
    }))
    .await;
    let nonce = hex(&Sha256::digest("raw nonce"));
    let query = format!(
        "client_id=phone&redirect_uri={DEVICE}&response_type=code&scope=openid+email&login_hint=ada&nonce={nonce}&code_challenge={CHALLENGE}&code_challenge_method=S256"
    );
    let came = Browser::new(&auth).go_until(&provider.url(&format!("/auth?{query}")), DEVICE).await;
    let code = param(&came, '?', "code").expect("a code");
    let form = HashMap::from([
        ("grant_type", "authorization_code"),
        ("client_id", "phone"),
        ("redirect_uri", DEVICE),
        ("code_verifier", VERIFIER),
        ("code", &code),
    ]);
    let body: Vec<_> = form.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let asked = reqwest::Client::builder().no_proxy().build().unwrap().post(provider.url("/token"));
    let asked = asked.header("content-type", "application/x-www-form-urlencoded").body(body.join("&"));
    let tokens: Value = asked.send().await.unwrap().json().await.unwrap();
    let body = |nonce: &str| {
        json!({"provider": "keycloak", "id_token": tokens["id_token"],
        "access_token": tokens["access_token"], "nonce": nonce})
    };
    let refused = grant(&auth, body("another nonce")).await;
    assert_eq!((refused.status.as_u16(), text(&refused.json(), "error_description")), (400, "Nonces mismatch"));
    let session = grant(&auth, body("raw nonce")).await.ok();
    assert_eq!(session["user"]["identities"][0]["id"], "ada");
    assert_eq!(session["user"]["app_metadata"]["provider"], "keycloak");
}

#[tokio::test]
async fn each_reason_has_its_words() {
    let issuer = Issuer::start().await;
    let auth = with(issuer.section(|section| {
        let mut other = section.external["keycloak"].clone();
        other.enabled = false;
        section.external.insert("google".to_owned(), other);
    }))
    .await;
    let good = issuer.token(&issuer.claims());
    let oauth = |body: Value| async {
        let refused = grant(&auth, body).await;
        assert_eq!(refused.status, 400, "{refused:?}");
        text(&refused.json(), "error_description").to_owned()
    };
    assert_eq!(oauth(json!({})).await, "id_token required");
    assert_eq!(oauth(json!({"id_token": good})).await, "provider or client_id and issuer required");
    let other_client = json!({"provider": "keycloak", "id_token": good, "client_id": "another"});
    assert_eq!(oauth(other_client).await, "Unacceptable audience in id_token");
    let nonce = json!({"provider": "keycloak", "id_token": good, "nonce": "one place only"});
    assert!(oauth(nonce).await.contains("should either both exist or not"));
    let mut claims = issuer.claims();
    claims["at_hash"] = json!(URL_SAFE_NO_PAD.encode(&Sha256::digest("token")[..16]));
    let bound = |token: &str| json!({"provider": "keycloak", "id_token": issuer.token(&claims), "access_token": token});
    assert!(oauth(bound("another")).await.contains("does not belong to the access token"));
    grant(&auth, bound("token")).await.ok();
    let off = grant(&auth, json!({"provider": "google", "id_token": good})).await.error();
    assert_eq!((off.0, off.1.as_str()), (400, "provider_disabled"));
    let unknown = grant(&auth, json!({"provider": "unheard-of", "id_token": good})).await.error();
    assert_eq!((unknown.0, unknown.1.as_str()), (400, "validation_failed"));
    assert_eq!(
        grant(&auth, json!({"provider": "keycloak", "id_token": good})).await.ok()["user"]["email"],
        "ada@example.com"
    );
}

#[tokio::test]
async fn sec_tokens_that_prove_nothing_are_refused() {
    let issuer = Issuer::start().await;
    let auth = with(issuer.section(|_| {})).await;
    let changed = |name: &str, value: Value| {
        let mut claims = issuer.claims();
        claims[name] = value;
        issuer.token(&claims)
    };
    let now = token::now();
    let with_azp = |azp: Value| {
        let mut claims = issuer.claims();
        claims["aud"] = json!(["web", "another"]);
        claims["azp"] = azp;
        issuer.token(&claims)
    };
    for (token, why) in [
        (changed("iss", json!("https://accounts.google.com")), "another issuer"),
        (changed("iss", json!(format!("{}/", issuer.url("")))), "nearly the issuer"),
        (changed("iss", json!([issuer.url("")])), "issuers as a list"),
        (changed("aud", json!("another")), "another audience"),
        (changed("aud", json!(["another", "third"])), "other audiences"),
        (changed("aud", json!([])), "no audience"),
        (changed("aud", Value::Null), "no audience at all"),
        (with_azp(json!("another")), "made for another of several"),
        (with_azp(Value::Null), "made for several"),
        (changed("exp", json!(now - 61)), "over"),
        (changed("exp", Value::Null), "without end"),
        (changed("exp", json!("never")), "without a time"),
        (changed("nbf", json!(now + 120)), "not yet"),
        (changed("iat", json!(now + 120)), "from the future"),
        (changed("sub", json!("")), "nobody"),
        (changed("sub", Value::Null), "nobody at all"),
        (Pair::two().sign("one", &issuer.claims()), "another key"),
    ] {
        let refused = grant(&auth, json!({"provider": "keycloak", "id_token": token})).await;
        assert_eq!(
            (refused.status.as_u16(), refused.json()["error"].as_str()),
            (400, Some("invalid_request")),
            "{why}"
        );
    }
    // Clocks differ a little.
    for (name, value) in [("exp", json!(now - 20)), ("iat", json!(now + 20)), ("nbf", json!(now + 20))] {
        grant(&auth, json!({"provider": "keycloak", "id_token": changed(name, value)})).await.ok();
    }
    grant(&auth, json!({"provider": "keycloak", "id_token": with_azp(json!("web"))})).await.ok();
    assert_eq!(auth.value("select count(*)::text from auth.users").await, "1");
}

#[tokio::test]
async fn sec_algorithms_are_the_issuers_keys_choice() {
    let issuer = Issuer::start().await;
    let auth = with(issuer.section(|_| {})).await;
    let claims = issuer.claims();
    let public = Pair::one().public("one");
    let attackers = Pair::two().public("two");
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let hmac = |header: Value, secret: &[u8]| {
        let signed = format!("{}.{}", part(&header), part(&claims));
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key");
        mac.update(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    };
    let own = |header: Value| {
        let header: jsonwebtoken::Header = serde_json::from_value(header).expect("a header");
        jsonwebtoken::encode(&header, &claims, &Pair::two().key()).expect("a token")
    };
    let none = |header: Value| format!("{}.{}.", part(&header), part(&claims));
    let shared = json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode("attacker's own key, long enough!")});
    for token in [
        none(json!({"alg": "none"})),
        none(json!({"alg": "None", "kid": "one"})),
        hmac(json!({"alg": "HS256", "kid": "one"}), public.to_string().as_bytes()),
        hmac(json!({"alg": "HS256", "kid": "one"}), public["x"].as_str().unwrap().as_bytes()),
        hmac(json!({"alg": "HS256", "jwk": shared}), b"attacker's own key, long enough!"),
        hmac(json!({"alg": "RS256", "kid": "one"}), b"x"),
        own(json!({"alg": "ES256", "kid": "one", "jwk": attackers})),
        own(json!({"alg": "ES256", "jwk": attackers})),
        own(json!({"alg": "ES256", "kid": "one", "jku": issuer.url("/evil")})),
        own(json!({"alg": "ES256", "kid": issuer.url("/evil")})),
        own(json!({"alg": "ES256", "kid": "../../dev/null"})),
        own(json!({"alg": "ES256", "kid": "one", "x5u": issuer.url("/evil")})),
        format!("{}.extra", issuer.token(&claims)),
        issuer.token(&claims).replace('.', ""),
        "x".repeat(20_000),
    ] {
        let refused = grant(&auth, json!({"provider": "keycloak", "id_token": token})).await;
        assert_eq!(refused.status, 400, "{token}");
    }
    assert_eq!(issuer.calls("/evil"), 0, "nothing that a token names is fetched");
    assert_eq!(auth.value("select count(*)::text from auth.users").await, "0");
}

#[tokio::test]
async fn sec_06_an_issuer_in_the_body_only_chooses() {
    let (issuer, evil) = (Issuer::start().await, Issuer::start().await);
    let auth = with(issuer.section(|_| {})).await;
    let mut claims = evil.claims();
    claims["email"] = json!("boss@example.com");
    let forged = evil.token(&claims);
    for body in [
        json!({"issuer": evil.url(""), "client_id": "web", "id_token": forged}),
        json!({"issuer": evil.url(""), "provider": "keycloak", "id_token": forged}),
        json!({"issuer": issuer.url(""), "id_token": forged}),
        json!({"provider": "keycloak", "id_token": forged}),
        json!({"provider": evil.url(""), "id_token": forged}),
        json!({"issuer": format!("{}@{}", issuer.url(""), evil.url("")), "id_token": forged}),
        json!({"issuer": format!("{}/../", issuer.url("")), "id_token": forged}),
    ] {
        assert_eq!(grant(&auth, body.clone()).await.status, 400, "{body}");
    }
    for path in ["/.well-known/openid-configuration", "/keys"] {
        assert_eq!(evil.calls(path), 0);
    }
    let chosen = json!({"issuer": issuer.url(""), "client_id": "web", "id_token": issuer.token(&issuer.claims())});
    assert_eq!(grant(&auth, chosen).await.ok()["user"]["app_metadata"]["provider"], "keycloak");
}

#[tokio::test]
async fn sec_06_a_storm_of_unknown_keys_is_one_fetch_and_new_keys_are_found() {
    let issuer = Issuer::start().await;
    let auth = with(issuer.section(|_| {})).await;
    let body = |token: String| json!({"provider": "keycloak", "id_token": token});
    grant(&auth, body(issuer.token(&issuer.claims()))).await.ok();
    let started = std::time::Instant::now();
    for n in 0..30 {
        let token = Pair::two().sign(&format!("unknown-{n}"), &issuer.claims());
        assert_eq!(grant(&auth, body(token)).await.status, 400);
    }
    assert!(issuer.calls("/keys") <= 1 + started.elapsed().as_secs() as usize / 10, "{}", issuer.calls("/keys"));
    assert_eq!(issuer.calls("/.well-known/openid-configuration"), 1);
    // The issuer turns its keys; ten seconds after the last look the new one is found.
    issuer.says("/keys", json!({"keys": [Pair::two().public("two")]}));
    tokio::time::sleep(std::time::Duration::from_millis(10_200)).await;
    grant(&auth, body(Pair::two().sign("two", &issuer.claims()))).await.ok();
    assert_eq!(grant(&auth, body(issuer.token(&issuer.claims()))).await.status, 400, "the old one is gone");
}

#[tokio::test]
async fn sec_06_a_document_of_somebody_else_is_no_discovery() {
    let (issuer, evil) = (Issuer::start().await, Issuer::start().await);
    let auth = with(issuer.section(|_| {})).await;
    let document = json!({"issuer": evil.url(""), "authorization_endpoint": evil.url("/auth"),
        "token_endpoint": evil.url("/token"), "jwks_uri": evil.url("/keys")});
    issuer.says("/.well-known/openid-configuration", document);
    let refused = grant(&auth, json!({"provider": "keycloak", "id_token": evil.token(&evil.claims())})).await;
    assert_eq!(refused.status, 502, "{refused:?}");
    assert_eq!(evil.calls("/keys"), 0);
}

#[tokio::test]
async fn a_token_adds_a_way_into_an_account() {
    let issuer = Issuer::start().await;
    let auth = with(issuer.section(|section| section.enable_manual_linking = true)).await;
    let session = auth.sign_up("grace@example.com").await;
    let body = json!({"provider": "keycloak", "id_token": issuer.token(&issuer.claims()), "link_identity": true});
    let nobody = grant(&auth, body.clone()).await.error();
    assert_eq!((nobody.0, nobody.1.as_str()), (401, "no_authorization"));
    let bearer = Some(text(&session, "access_token"));
    let linked = auth.call("POST /token?grant_type=id_token", bearer, body.clone()).await.ok();
    assert_eq!(
        (&linked["user"]["id"], &linked["user"]["email"]),
        (&session["user"]["id"], &json!("grace@example.com"))
    );
    assert_eq!(linked["user"]["app_metadata"], json!({"provider": "email", "providers": ["email", "keycloak"]}));
    let again = auth.call("POST /token?grant_type=id_token", bearer, body).await.error();
    assert_eq!((again.0, again.1.as_str()), (422, "identity_already_exists"));
    let closed = crate::harness::auth().await;
    let session = closed.sign_up("grace@example.com").await;
    let body = json!({"provider": "keycloak", "id_token": "x", "link_identity": true});
    let off = closed.call("POST /token?grant_type=id_token", Some(text(&session, "access_token")), body).await.error();
    assert_eq!((off.0, off.1.as_str()), (404, "manual_linking_disabled"));
}

#[tokio::test]
async fn somebody_without_providers_is_told_so() {
    let auth = auth().await;
    let off = grant(&auth, json!({"provider": "google", "id_token": "x"})).await.error();
    assert_eq!((off.0, off.1.as_str()), (400, "provider_disabled"));
}
