//! What others are asked before somebody gets in: captchas, lists of leaked passwords. Small servers speak their way.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use ferrobase_auth::config::SignInSection;
use ferrobase_base::Secret;
use ferrobase_base::config::{Atom as _, HttpUrl};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::harness::{section, text, with};

/// Listens on this machine.
async fn serve(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("works in a test");
    let url = format!("http://{}", listener.local_addr().expect("works in a test"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

fn captcha(url: &str) -> SignInSection {
    section(|section| {
        section.captcha.enabled = true;
        section.captcha.secret = Some(Secret::new("captcha secret"));
        section.captcha.url = Some(HttpUrl::parse(url).expect("works in a test"));
        section.passkeys.enabled = true;
        section.passkeys.rp_id = Some("localhost".to_owned());
    })
}

#[tokio::test]
async fn a_captcha_is_asked_for_where_programs_try() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&asked);
    let answer = move |form: String| {
        let heard = Arc::clone(&heard);
        async move {
            let right = form.contains("response=person") && form.contains("secret=captcha");
            heard.lock().await.push(form);
            json!({"success": right, "error-codes": ["invalid-input-response<b>"]}).to_string()
        }
    };
    let url = serve(Router::new().route("/siteverify", post(answer))).await;
    let auth = with(captcha(&format!("{url}/siteverify"))).await;
    let person = json!({"captcha_token": "person"});
    let sign_up =
        |meta: Value| json!({"email": "ada@example.com", "password": "password", "gotrue_meta_security": meta});
    for meta in [Value::Null, json!({}), json!({"captcha_token": " "}), json!({"captcha_token": "program"})] {
        let refused = auth.post("/signup", sign_up(meta.clone())).await.error();
        assert_eq!((refused.0, refused.1.as_str()), (400, "captcha_failed"), "{meta}");
        assert!(refused.2.starts_with("captcha protection: request disallowed ("), "{}", refused.2);
        assert!(!refused.2.contains('<'));
    }
    assert_eq!(auth.value("select count(*)::text from auth.users").await, "0");
    let session = auth.post("/signup", sign_up(person.clone())).await.ok();
    assert!(asked.lock().await.last().expect("a call").contains("remoteip=127.0.0.1"));
    for path in ["/token?grant_type=password", "/recover", "/otp", "/passkeys/authentication/options", "/signup"] {
        let refused = auth.post(path, json!({"email": "ada@example.com", "password": "password"})).await.error();
        assert_eq!(refused.1, "captcha_failed", "{path}");
    }
    let body = json!({"email": "ada@example.com", "password": "password", "gotrue_meta_security": person});
    auth.post("/token?grant_type=password", body).await.ok();
    // Neither those who are in, nor a service key.
    auth.refresh(text(&session, "refresh_token")).await.ok();
    auth.admin("POST /signup", json!({"email": "bob@example.com", "password": "password"})).await.ok();
    let own = text(&session, "access_token");
    let refused =
        auth.call("POST /signup", Some(own), json!({"email": "eve@example.com", "password": "password"})).await;
    assert_eq!(refused.error().1, "captcha_failed");
}

#[tokio::test]
async fn sec_without_the_captchas_provider_nobody_gets_in() {
    let auth = with(captcha("http://127.0.0.1:9/siteverify")).await;
    let body = json!({"email": "ada@example.com", "password": "password",
        "gotrue_meta_security": {"captcha_token": "person"}});
    assert_eq!(auth.post("/signup", body).await.status, 500);
    assert_eq!(auth.value("select count(*)::text from auth.users").await, "0");
    let auth = crate::harness::auth().await;
    let body = json!({"email": "ada@example.com", "password": "password",
        "gotrue_meta_security": {"captcha_token": "ignored"}});
    auth.post("/signup", body).await.ok();
}

#[tokio::test]
async fn leaked_passwords_are_refused_and_not_told() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&asked);
    // SHA-1 of `password` is 5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8.
    let answer = move |Path(prefix): Path<String>| {
        let heard = Arc::clone(&heard);
        async move {
            heard.lock().await.push(prefix.clone());
            let leaked = if prefix == "5BAA6" { "1E4C9B93F3F0682250B6CF8331B7EE68FD8:10434004\r\n" } else { "" };
            format!("{leaked}0018A45C4D1DEF81644B54AB7F969B88D65:0\r\n")
        }
    };
    let url = serve(Router::new().route("/range/{prefix}", get(answer))).await;
    let auth = with(section(|section| {
        section.password.check_leaked = true;
        section.password.leaked_url = Some(HttpUrl::parse(&url).expect("works in a test"));
    }))
    .await;
    let refused = auth.post("/signup", json!({"email": "ada@example.com", "password": "password"})).await;
    let body = refused.json();
    assert_eq!((refused.status.as_u16(), text(&body, "code")), (422, "weak_password"));
    assert_eq!(body["weak_password"]["reasons"], json!(["pwned"]));
    let body = json!({"email": "ada@example.com", "password": "not in any list"});
    let session = auth.post("/signup", body).await.ok();
    let change = auth.call("PUT /user", Some(text(&session, "access_token")), json!({"password": "password"})).await;
    assert_eq!(change.error().1, "weak_password");
    assert!(asked.lock().await.iter().all(|told| told.len() == 5), "five digits of a hash");
}

#[tokio::test]
async fn an_outage_of_the_list_closes_nothing() {
    let auth = with(section(|section| {
        section.password.check_leaked = true;
        section.password.leaked_url = Some(HttpUrl::from_static("http://127.0.0.1:9"));
    }))
    .await;
    auth.sign_up("ada@example.com").await;
}

#[tokio::test]
async fn a_caller_that_names_an_audience_gets_no_other() {
    let auth = crate::harness::auth().await;
    let session = auth.sign_up("ada@example.com").await;
    let bearer = format!("Bearer {}", text(&session, "access_token"));
    let ask = async |audience: &str| {
        let fields =
            [("x-supabase-api-version", "2024-01-01"), ("authorization", bearer.as_str()), ("x-jwt-aud", audience)];
        auth.send("GET /user", &fields, "").await
    };
    ask("authenticated").await.ok();
    let other = ask("others").await.error();
    assert_eq!((other.0, other.1.as_str()), (400, "unexpected_audience"));
    let fields = [("x-supabase-api-version", "2024-01-01"), ("x-jwt-aud", "others")];
    let body = json!({"email": "ada@example.com", "password": "password"}).to_string();
    let refused = auth.send("POST /token?grant_type=password", &fields, body).await.error();
    assert_eq!(refused.1, "invalid_credentials");
}
