//! Calls to the application while people sign in (contract 7).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::response::IntoResponse;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ferrobase_auth::config::{HookSection, SignInSection};
use ferrobase_base::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::sync::Mutex;

use crate::harness::{Auth, claims, composed, section, text, with};
use crate::mfa::{answer, code, enroll};

const SECRET: &str = "v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A hook that is a function of schema `public`.
fn function(name: &str) -> HookSection {
    let uri = Some(format!("pg-functions://postgres/public/{name}"));
    HookSection { enabled: true, uri, secrets: Vec::new() }
}

/// Makes functions as an application's migration does, for the room's role.
async fn with_functions(section: SignInSection, sql: &str) -> Auth {
    let auth = with(section).await;
    auth.db.script(&format!("{sql}; grant usage on schema public to supabase_auth_admin;")).await;
    auth
}

#[tokio::test]
async fn a_function_adds_to_the_claims() {
    let auth = with_functions(
        section(|section| section.hooks.customize_access_token = function("claims")),
        "create function public.claims(event jsonb) returns jsonb language sql as $$
            select jsonb_build_object('claims', event -> 'claims' || jsonb_build_object(
                'plan', 'gold', 'via', event ->> 'authentication_method', 'hook', event #>> '{metadata,name}')) $$",
    )
    .await;
    let session = auth.sign_up("ada@example.com").await;
    let said = claims(&session);
    assert_eq!((text(&said, "plan"), text(&said, "via")), ("gold", "password"));
    assert_eq!(text(&said, "hook"), "customize-access-token");
    let refreshed = auth.refresh(text(&session, "refresh_token")).await.ok();
    assert_eq!(text(&claims(&refreshed), "via"), "token_refresh");
    auth.call("GET /user", Some(text(&refreshed, "access_token")), Value::Null).await.ok();
}

#[tokio::test]
async fn sec_a_hook_that_breaks_the_claims_opens_no_session() {
    for (sql, status) in [
        ("select '{\"claims\": {\"role\": \"service_role\"}}'::jsonb", 500),
        ("select jsonb_build_object('claims', event -> 'claims' || '{\"exp\": \"never\"}')", 500),
        ("select '[]'::jsonb", 500),
        ("select null::jsonb", 500),
        ("select 1 / 0 * '{}'::jsonb", 500),
        ("select '{\"error\": {\"http_code\": 418, \"message\": \"no tea\"}}'::jsonb", 418),
    ] {
        let body = if sql.contains("1 / 0") { "select (1 / 0)::text::jsonb" } else { sql };
        let auth = with_functions(
            section(|section| section.hooks.customize_access_token = function("claims")),
            &format!("create function public.claims(event jsonb) returns jsonb language sql as $${body}$$"),
        )
        .await;
        let body = json!({"email": "ada@example.com", "password": "password"});
        let refused = auth.post("/signup", body).await;
        assert_eq!(refused.status.as_u16(), status, "{sql}: {refused:?}");
        assert_eq!(auth.value("select count(*)::text from auth.users").await, "0", "{sql}");
        assert_eq!(refused.error().2 == "no tea", status == 418);
    }
}

#[tokio::test]
async fn a_function_has_two_seconds() {
    let auth = with_functions(
        section(|section| section.hooks.before_user_created = function("slow")),
        "create function public.slow(event jsonb) returns jsonb language sql volatile as $$
            select '{}'::jsonb from pg_sleep(9) $$",
    )
    .await;
    let refused = auth.post("/signup", json!({"email": "ada@example.com", "password": "password"})).await.error();
    assert_eq!((refused.0, refused.1.as_str()), (422, "hook_timeout"));
}

#[tokio::test]
async fn a_function_counts_wrong_passwords_and_rejects() {
    let auth = with_functions(
        section(|section| section.hooks.password_verification = function("judge")),
        "create table public.tries (user_id uuid, valid boolean); grant all on public.tries to supabase_auth_admin;
         create function public.judge(event jsonb) returns jsonb language plpgsql as $$
         begin
            insert into public.tries values ((event ->> 'user_id')::uuid, (event ->> 'valid')::boolean);
            if (select count(*) from public.tries where not valid) > 2 then
                return '{\"decision\": \"reject\", \"message\": \"Enough.\", \"should_logout_user\": true}';
            end if;
            return '{\"decision\": \"continue\"}';
         end $$",
    )
    .await;
    let session = auth.sign_up("ada@example.com").await;
    auth.sign_in("ada@example.com", "password").await.ok();
    for _ in 0..2 {
        assert_eq!(auth.sign_in("ada@example.com", "wrong").await.error().2, "Invalid login credentials");
    }
    let rejected = auth.sign_in("ada@example.com", "wrong").await.error();
    assert_eq!((rejected.0, rejected.2.as_str()), (400, "Enough."));
    assert_eq!(auth.sign_in("ada@example.com", "password").await.error().2, "Enough.", "the right one, too");
    assert_eq!(auth.refresh(text(&session, "refresh_token")).await.error().1, "refresh_token_not_found");
    // Nobody is nobody's attempt.
    auth.sign_in("nobody@example.com", "password").await.error();
    assert_eq!(auth.value("select count(*)::text from public.tries").await, "5");
}

#[tokio::test]
async fn a_function_rejects_a_second_factor() {
    let auth = with_functions(
        section(|section| section.hooks.mfa_verification = function("judge")),
        "create function public.judge(event jsonb) returns jsonb language sql as $$
            select case when (event ->> 'valid')::boolean then '{\"decision\": \"continue\"}'::jsonb
                else jsonb_build_object('decision', 'reject', 'message', 'No ' || (event ->> 'factor_type')) end $$",
    )
    .await;
    let session = auth.sign_up("ada@example.com").await;
    let (factor, secret) = enroll(&auth, text(&session, "access_token"), "a").await;
    let raised = answer(&auth, text(&session, "access_token"), &factor, &code(&secret, 0)).await.ok();
    let rejected = answer(&auth, text(&raised, "access_token"), &factor, "000000").await.error();
    assert_eq!((rejected.0, rejected.1.as_str(), rejected.2.as_str()), (403, "mfa_verification_rejected", "No totp"));
    assert_eq!(auth.value("select count(*)::text from auth.sessions").await, "0");
}

#[tokio::test]
async fn who_only_hears_of_an_account_cannot_prevent_it() {
    let auth = with_functions(
        section(|section| section.hooks.after_user_created = function("hear")),
        "create table public.heard (email text); grant all on public.heard to supabase_auth_admin;
         create function public.hear(event jsonb) returns jsonb language plpgsql as $$
         begin
            insert into public.heard values (event #>> '{user,email}');
            if event #>> '{user,email}' like 'bob%' then raise 'no bobs'; end if;
            return '{}';
         end $$",
    )
    .await;
    auth.sign_up("ada@example.com").await;
    auth.sign_up("bob@example.com").await;
    auth.post("/signup", json!({})).await.ok();
    assert_eq!(auth.value("select string_agg(email, ' ' order by email) from public.heard").await, " ada@example.com");
}

/// A server of the application.
#[derive(Clone, Default)]
struct Receiver {
    heard: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
    calls: Arc<AtomicUsize>,
}

/// Answers with what it was given; `503` the first `busy` times, to be asked again in a second.
async fn receiver(busy: usize, status: u16, body: String) -> (Receiver, HookSection) {
    receiver_that_says(busy, "1", status, body).await
}

/// The same with another time.
async fn receiver_that_says(
    busy: usize,
    retry_after: &'static str,
    status: u16,
    body: String,
) -> (Receiver, HookSection) {
    let receiver = Receiver::default();
    let heard = receiver.clone();
    let answer = move |fields: HeaderMap, given: Bytes| {
        let (heard, body) = (heard.clone(), body.clone());
        async move {
            heard.heard.lock().await.push((fields, given));
            if heard.calls.fetch_add(1, Ordering::Relaxed) < busy {
                return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", retry_after)]).into_response();
            }
            let status = StatusCode::from_u16(status).expect("works in a test");
            (status, [("content-type", "application/json")], body).into_response()
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("works in a test");
    let uri = Some(format!("http://{}/hook", listener.local_addr().expect("works in a test")));
    let app = Router::new().route("/hook", post(answer));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (receiver, HookSection { enabled: true, uri, secrets: vec![Secret::new(SECRET)] })
}

async fn sign_up_with(hook: HookSection) -> (Auth, crate::harness::Answer) {
    let auth = with(section(|section| section.hooks.before_user_created = hook)).await;
    let answer = auth.post("/signup", json!({"email": "ada@example.com", "password": "password"})).await;
    (auth, answer)
}

#[tokio::test]
async fn calls_to_an_address_are_signed() {
    let (receiver, hook) = receiver(0, 204, String::new()).await;
    let (_auth, answer) = sign_up_with(hook).await;
    answer.ok();
    let (fields, body) = receiver.heard.lock().await.pop().expect("a call");
    let field = |name: &str| fields[name].to_str().expect("a text").to_owned();
    let key = STANDARD.decode(SECRET.trim_start_matches("v1,whsec_")).expect("works in a test");
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("works in a test");
    mac.update(format!("{}.{}.", field("webhook-id"), field("webhook-timestamp")).as_bytes());
    mac.update(&body);
    assert_eq!(field("webhook-signature"), format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())));
    let body: Value = serde_json::from_slice(&body).expect("works in a test");
    assert_eq!(
        (text(&body["metadata"], "name"), text(&body["user"], "email")),
        ("before-user-created", "ada@example.com")
    );
    assert_eq!(text(&body["metadata"], "ip_address"), "127.0.0.1");
    assert!(!body.to_string().contains("argon2"), "no hash");
}

#[tokio::test]
async fn an_address_refuses_an_account() {
    let refusal = json!({"error": {"http_code": 403, "message": "Only by invitation"}}).to_string();
    let (_receiver, hook) = receiver(0, 400, refusal).await;
    let (auth, answer) = sign_up_with(hook).await;
    assert_eq!((answer.status.as_u16(), answer.error().2.as_str()), (403, "Only by invitation"));
    assert_eq!(auth.value("select count(*)::text from auth.users").await, "0");
}

#[tokio::test]
async fn sec_answers_of_an_address_are_bounded_and_checked() {
    let large = json!({"padding": "x".repeat(210_000)}).to_string();
    for (busy, status, body, code, calls) in [
        (0, 200, large, "hook_payload_over_size_limit", 1),
        (0, 200, "<html>".to_owned(), "hook_payload_invalid_content_type", 1),
        (0, 500, "{}".to_owned(), "unexpected_failure", 1),
        (9, 200, "{}".to_owned(), "hook_timeout_after_retry", 3),
    ] {
        let (receiver, hook) = receiver(busy, status, body).await;
        let (auth, answer) = sign_up_with(hook).await;
        assert_eq!(answer.error().1, code);
        assert_eq!(receiver.calls.load(Ordering::Relaxed), calls, "{code}");
        assert_eq!(auth.value("select count(*)::text from auth.users").await, "0", "{code}");
    }
}

#[tokio::test]
async fn an_address_has_five_seconds() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("works in a test");
    let uri = Some(format!("http://{}/hook", silent.local_addr().expect("works in a test")));
    let began = std::time::Instant::now();
    let hook = HookSection { enabled: true, uri, secrets: vec![Secret::new(SECRET)] };
    let refused = sign_up_with(hook).await.1.error();
    assert_eq!((refused.0, refused.1.as_str()), (422, "hook_timeout"));
    assert!(began.elapsed() >= std::time::Duration::from_secs(5));
}

#[tokio::test]
async fn who_was_busy_is_asked_again() {
    let (receiver, hook) = receiver(1, 200, "{}".to_owned()).await;
    sign_up_with(hook).await.1.ok();
    assert_eq!(receiver.calls.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn who_does_not_say_when_or_says_too_late_is_not_asked_again() {
    for (retry_after, code, status) in
        [("60", "hook_timeout_after_retry", 422), ("4", "", 200), ("", "unexpected_failure", 500)]
    {
        let (receiver, hook) = receiver_that_says(1, retry_after, 200, "{}".to_owned()).await;
        let began = std::time::Instant::now();
        let (_auth, answer) = sign_up_with(hook).await;
        assert_eq!(answer.status.as_u16(), status, "{retry_after}: {answer:?}");
        if status == 200 {
            assert!(began.elapsed() > std::time::Duration::from_secs(4), "not before it said");
        } else {
            assert_eq!(answer.error().1, code);
            assert!(began.elapsed() < std::time::Duration::from_secs(4), "nobody waits for nothing");
        }
        assert_eq!(receiver.calls.load(Ordering::Relaxed), if status == 200 { 2 } else { 1 }, "{retry_after}");
    }
}

#[tokio::test]
async fn an_address_sends_the_codes_of_second_factors() {
    let (receiver, hook) = receiver(0, 200, "{}".to_owned()).await;
    let mut section = crate::mfa::everything();
    section.hooks.send_sms = hook;
    let auth = with(section).await;
    let session = auth.sign_up("ada@example.com").await;
    let token = text(&session, "access_token");
    let made = auth.call("POST /factors", Some(token), json!({"factor_type": "phone", "phone": "49123"})).await.ok();
    let challenge = crate::mfa::challenge(&auth, token, text(&made, "id")).await;
    let (_, body) = receiver.heard.lock().await.pop().expect("a call");
    let body: Value = serde_json::from_slice(&body).expect("works in a test");
    assert_eq!(text(&body["sms"], "phone"), "49123");
    assert!(auth.texts.sent.lock().await.is_empty());
    crate::mfa::verify(&auth, token, text(&made, "id"), &challenge, text(&body["sms"], "otp")).await.ok();
}

/// What the receiver heard last.
async fn heard(receiver: &Receiver) -> Value {
    let (_, body) = receiver.heard.lock().await.pop().expect("a call");
    serde_json::from_slice(&body).expect("works in a test")
}

#[tokio::test]
async fn an_address_sends_the_mails() {
    let (receiver, hook) = receiver(0, 200, "{}".to_owned()).await;
    let section = crate::proofs::confirming(|section| section.hooks.send_email = hook);
    // There is no mail server.
    let auth = composed(section, |settings| Some(ferrobase_auth::mail::Outbox::new(Arc::clone(settings)))).await;
    auth.sign_up("ada@example.com").await;
    let told = heard(&receiver).await;
    let data = &told["email_data"];
    assert_eq!((text(&told["user"], "email"), text(data, "email_action_type")), ("ada@example.com", "signup"));
    let session = crate::proofs::verify(&auth, "signup", "ada@example.com", text(data, "token")).await;
    assert_eq!(auth.value("select count(*)::text from auth.outbox").await, "0");
    // A change that both must agree to.
    let bearer = Some(text(&session, "access_token"));
    auth.call("PUT /user", bearer, json!({"email": "new@example.com"})).await.ok();
    let (to_new, to_old) = (heard(&receiver).await, heard(&receiver).await);
    let (to_new, to_old) = (&to_new["email_data"], &to_old["email_data"]);
    assert_eq!((text(to_new, "token"), text(to_old, "token_hash")), ("", ""));
    assert_eq!(text(to_old, "old_email"), "ada@example.com");
    for (email, digits) in [("ada@example.com", text(to_old, "token")), ("new@example.com", text(to_new, "token_new"))]
    {
        auth.post("/verify", json!({"type": "email_change", "email": email, "token": digits})).await.ok();
    }
    assert_eq!(auth.value("select email from auth.users").await, "new@example.com");
}

#[tokio::test]
async fn an_address_sends_the_codes_of_numbers() {
    let (receiver, hook) = receiver(0, 200, "{}".to_owned()).await;
    let section = section(|section| {
        section.sms.enabled = true;
        section.hooks.send_sms = hook;
    });
    let auth = with(section).await;
    auth.post("/otp", json!({"phone": "49151"})).await.ok();
    let told = heard(&receiver).await;
    assert_eq!((text(&told["user"], "phone"), text(&told["sms"], "phone")), ("49151", "49151"));
    assert!(auth.texts.sent.lock().await.is_empty());
    auth.post("/verify", json!({"type": "sms", "phone": "49151", "token": told["sms"]["otp"]})).await.ok();
}

#[tokio::test]
async fn sec_an_account_that_may_not_be_made_is_not_made_by_a_code_or_an_invitation() {
    let auth = with_functions(
        section(|section| section.hooks.before_user_created = function("judge")),
        "create function public.judge(event jsonb) returns jsonb language sql as $$
            select '{\"error\": {\"http_code\": 403, \"message\": \"Nobody.\"}}'::jsonb $$",
    )
    .await;
    let body = json!({"email": "ada@example.com"});
    for refused in [auth.post("/otp", body.clone()).await, auth.admin("POST /invite", body).await] {
        assert_eq!((refused.error().0, refused.error().2.as_str()), (403, "Nobody."));
    }
    assert_eq!(auth.value("select count(*)::text from auth.users").await, "0");
}
