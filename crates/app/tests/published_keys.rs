//! `auth.jwks_url` against an issuer that serves https on loopback: fetching, rotation, discovery, and what must not work.

mod issuer;
mod provider;

use std::time::Duration;

use ferrobase_testkit::{App, TestDatabase, token};
use nix::sys::signal::Signal;
use serde_json::json;

use crate::caller::{Answer, Caller, PATIENCE, eventually, metric, ready};
use crate::support::{self, ANN};
use issuer::{Issuer, SigningPair};
use provider::Provider;

/// Unknown keys cause a look every ten seconds.
const TWO_LOOKS: Duration = Duration::from_secs(25);

async fn serve(database: &TestDatabase, issuer: &Issuer, path: &str) -> App {
    support::serve(database)
        .env("SSL_CERT_FILE", issuer.authority().display().to_string())
        .env("FERROBASE_SECURITY__EGRESS_ALLOW", "127.0.0.0/8,::1")
        .env("FERROBASE_AUTH__JWKS_URL", issuer.url(path))
        .start()
        .await
        .unwrap()
}

async fn ask(app: &App, token: &str) -> Answer {
    Caller::of(app).with(token).get("/tags?limit=1").await
}

async fn status(app: &App, token: &str) -> u16 {
    ask(app, token).await.status
}

fn claims() -> serde_json::Value {
    json!({"role": "authenticated", "sub": ANN, "exp": token::now() + 3600})
}

#[tokio::test]
async fn sec_06_keys_rotate_and_old_ones_stop_verifying() {
    let database = support::library().await;
    let (old, new) = (SigningPair::new("old"), SigningPair::new("new"));
    let issuer = Issuer::start().await;
    issuer.publish("/keys", &[old.public()]);
    let app = serve(&database, &issuer, "/keys").await;
    assert_eq!(status(&app, &old.sign(&claims())).await, 200);
    assert_eq!(status(&app, &token::of_user(ANN)).await, 200, "configured keys stay");
    assert_eq!(status(&app, &new.sign(&claims())).await, 401);

    issuer.publish("/keys", &[new.public()]);
    eventually("the new key is found because a token names it", TWO_LOOKS, async || {
        status(&app, &new.sign(&claims())).await == 200
    })
    .await;
    let refused = ask(&app, &old.sign(&claims())).await;
    assert_eq!((refused.status, refused.code().as_str()), (401, "PGRST301"));
    assert_eq!(status(&app, &token::of_user(ANN)).await, 200);
    // A name of the old key with a signature of the new one proves nothing.
    let (old_name, new_key) = (SigningPair::new("old"), SigningPair::new("new"));
    assert_eq!(status(&app, &old_name.sign(&claims())).await, 401);
    assert_eq!(status(&app, &new_key.sign(&claims())).await, 401);
}

#[tokio::test]
async fn sec_06_a_storm_of_unknown_keys_is_one_fetch() {
    let database = support::library().await;
    let known = SigningPair::new("known");
    let issuer = Issuer::start().await;
    issuer.publish("/keys", &[known.public()]);
    let app = serve(&database, &issuer, "/keys").await;
    let started = std::time::Instant::now();
    for round in 0..10 {
        let tokens = (0..20).map(|n| SigningPair::named(&known, &format!("unknown-{round}-{n}")).sign(&claims()));
        for token in tokens {
            assert_eq!(status(&app, &token).await, 401);
        }
    }
    let bound = 2 + started.elapsed().as_secs() as usize / 10;
    assert!(issuer.calls("/keys") <= bound, "{} fetches", issuer.calls("/keys"));
    assert_eq!(status(&app, &known.sign(&claims())).await, 200);
}

#[tokio::test]
async fn sec_06_a_failed_fetch_keeps_the_last_good_keys() {
    let database = support::library().await;
    let known = SigningPair::new("known");
    let issuer = Issuer::start().await;
    issuer.publish("/keys", &[known.public()]);
    let app = serve(&database, &issuer, "/keys").await;
    let huge = format!("{{\"keys\": [], \"x\": \"{}\"}}", "x".repeat(300_000));
    for (status_line, body) in
        [("500 Broken", "{}"), ("200 OK", "<html>"), ("200 OK", "{\"keys\": 7}"), ("200 OK", huge.as_str())]
    {
        issuer.says("/keys", status_line, body);
        let (calls, said) = (issuer.calls("/keys"), app.log().matches("gave no keys").count());
        app.signal(Signal::SIGHUP);
        eventually("a reload looks at once", PATIENCE, async || {
            issuer.calls("/keys") > calls && app.log().matches("gave no keys").count() > said
        })
        .await;
        assert_eq!(status(&app, &known.sign(&claims())).await, 200, "{status_line} {body:.20}");
    }
    assert!(metric(&app, "auth_key_fetch_failures_total").await.is_some_and(|failures| failures >= 1.0));
    // An issuer that says it has no keys any more is believed.
    issuer.publish("/keys", &[]);
    app.signal(Signal::SIGHUP);
    eventually("no key is left", PATIENCE, async || status(&app, &known.sign(&claims())).await == 401).await;
}

#[tokio::test]
async fn sec_06_discovery_binds_tokens_to_the_issuer() {
    let database = support::library().await;
    let pair = SigningPair::new("a");
    let issuer = Issuer::start().await;
    let document = json!({"issuer": "https://id.example/realm", "jwks_uri": issuer.url("/realm/keys")});
    issuer.says("/realm/.well-known/openid-configuration", "200 OK", &document.to_string());
    issuer.publish("/realm/keys", &[pair.public()]);
    let app = serve(&database, &issuer, "/realm/.well-known/openid-configuration").await;
    let with_issuer = |issuer: serde_json::Value| {
        let mut claims = claims();
        claims["iss"] = issuer;
        pair.sign(&claims)
    };
    assert_eq!(status(&app, &with_issuer(json!("https://id.example/realm"))).await, 200);
    for wrong in [json!("https://id.example/realm/"), json!("https://ID.example/realm"), json!(null), json!(["x"])] {
        let refused = ask(&app, &with_issuer(wrong.clone())).await;
        assert_eq!((refused.status, refused.code().as_str()), (401, "PGRST303"), "{wrong}");
    }
    assert_eq!(status(&app, &token::of_user(ANN)).await, 200, "tokens of the configured secret name no issuer");
}

#[tokio::test]
async fn sec_06_published_secrets_and_private_keys_verify_nothing() {
    let database = support::library().await;
    let (good, leaked) = (SigningPair::new("good"), SigningPair::new("leaked"));
    let issuer = Issuer::start().await;
    let secret = json!({"kty": "oct", "kid": "s", "k": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE", "alg": "HS256"});
    let mut private = leaked.public();
    private["d"] = json!("AAAA");
    issuer.publish("/keys", &[secret, private, good.public()]);
    let app = serve(&database, &issuer, "/keys").await;
    assert_eq!(status(&app, &good.sign(&claims())).await, 200);
    assert_eq!(status(&app, &leaked.sign(&claims())).await, 401);
    let header = jsonwebtoken::Header { kid: Some("s".to_owned()), ..Default::default() };
    let key = jsonwebtoken::EncodingKey::from_secret(b"01234567890123456789012345678901");
    let forged = jsonwebtoken::encode(&header, &claims(), &key).unwrap();
    assert_eq!(status(&app, &forged).await, 401);
    assert!(app.log().contains("does not count"), "{}", app.log());
}

#[tokio::test]
async fn sec_06_a_key_set_on_this_machine_is_not_fetched_unless_allowed() {
    let database = support::library().await;
    let pair = SigningPair::new("a");
    let issuer = Issuer::start().await;
    issuer.publish("/keys", &[pair.public()]);
    let app = support::serve(&database)
        .env("SSL_CERT_FILE", issuer.authority().display().to_string())
        .env("FERROBASE_AUTH__JWKS_URL", issuer.url("/keys"))
        .without_waiting()
        .start()
        .await
        .unwrap();
    eventually("the refusal is logged", PATIENCE, async || app.log().contains("security.egress_allow")).await;
    // Keys are looked for before the port is open.
    let caller = Caller::of(&app);
    eventually("it answers", PATIENCE, async || caller.send(caller.request(http::Method::GET, "/books")).await.is_ok())
        .await;
    eventually("the database is there", PATIENCE, async || status(&app, &token::of_user(ANN)).await == 200).await;
    assert_eq!(status(&app, &pair.sign(&claims())).await, 401);
    assert_eq!(issuer.calls("/keys"), 0);
    eventually("a server without its published keys is ready in the end", PATIENCE, async || {
        ready(&app).await.0 == 200
    })
    .await;
}

#[tokio::test]
async fn tokens_of_a_real_openid_provider_count() {
    let database = support::library().await;
    let provider = Provider::start().await;
    let app = support::serve(&database)
        .env("FERROBASE_SECURITY__EGRESS_ALLOW", "127.0.0.1")
        .env("FERROBASE_AUTH__JWKS_URL", provider.url("/.well-known/openid-configuration"))
        .env("FERROBASE_AUTH__JWT_AUDIENCE", "ferrobase")
        .start()
        .await
        .unwrap();
    let token = provider.token().await;
    assert_eq!(status(&app, &token).await, 200, "{}", app.log());
    let (signed, _) = token.rsplit_once('.').unwrap();
    assert_eq!(status(&app, &format!("{signed}.AAAA")).await, 401);
}

#[tokio::test]
async fn a_set_without_a_usable_key_is_told_at_the_start() {
    let database = support::library().await;
    let secret = json!({"kty": "oct", "kid": "s", "k": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE", "alg": "HS256"});
    for (keys, why) in [(&[][..], "its set is empty"), (&[secret][..], "none of its keys counts")] {
        let issuer = Issuer::start().await;
        issuer.publish("/keys", keys);
        let app = serve(&database, &issuer, "/keys").await;
        eventually("the reason is logged", PATIENCE, async || app.log().contains(why)).await;
        assert_eq!(app.log().contains("a shared secret that is published"), !keys.is_empty(), "{}", app.log());
    }
}
