//! `POST /signup` (contract 2.1).

use ferrobase_auth::mail::{Code, MailKind};
use serde_json::{Value, json};

use crate::harness::{Auth, auth, section, text, with};

#[tokio::test]
async fn confirmed_at_once_it_answers_with_a_session() {
    let auth = auth().await;
    let body = json!({"email": "Ada@Example.com", "password": "password", "data": {"name": "Ada", "sub": "forged"}});
    let answer = auth.post("/signup", body).await;
    let session = answer.ok();
    assert_eq!((text(&session, "token_type"), &session["expires_in"]), ("bearer", &json!(3600)));
    assert!(!text(&session, "access_token").is_empty() && !text(&session, "refresh_token").is_empty());
    let user = &session["user"];
    assert_eq!(answer.field("sb-auth-user-id"), text(user, "id"));
    assert_eq!((text(user, "email"), text(user, "phone")), ("ada@example.com", ""));
    assert_eq!((text(user, "aud"), text(user, "role")), ("authenticated", "authenticated"));
    assert_eq!(user["app_metadata"], json!({"provider": "email", "providers": ["email"]}));
    assert_eq!(user["user_metadata"], json!({"name": "Ada", "sub": "forged", "email_verified": true}));
    let identity = &user["identities"][0];
    assert_eq!((text(identity, "id"), text(identity, "provider")), (text(user, "id"), "email"));
    assert_eq!(
        identity["identity_data"],
        json!({"sub": user["id"], "email": "ada@example.com", "email_verified": false, "phone_verified": false,
            "name": "Ada"})
    );
    assert!(user["confirmed_at"].is_string() && user["last_sign_in_at"].is_string());
    assert_eq!(user["is_anonymous"], false);
}

#[tokio::test]
async fn to_be_confirmed_it_answers_with_the_user_and_queues_a_mail() {
    let auth = with(section(|section| section.email.autoconfirm = false)).await;
    let user = auth.sign_up("ada@example.com").await;
    assert!(user["confirmation_sent_at"].is_string() && user.get("access_token").is_none(), "{user}");
    assert!(user.get("confirmed_at").is_none() && user.get("email_confirmed_at").is_none());
    let mails = auth.mails.0.lock().await;
    assert_eq!((mails.len(), mails[0].kind, mails[0].to.as_str()), (1, MailKind::Confirmation, "ada@example.com"));
    let stored = "select code_hash || ' ' || token_type || ' ' || relates_to from auth.one_time_tokens";
    let hash = Code::hash_of("ada@example.com", &mails[0].code.digits);
    assert_eq!(auth.value(stored).await, format!("{hash} confirmation_token ada@example.com"));
    drop(mails);
    let refused = auth.sign_in("ada@example.com", "password").await.error();
    assert_eq!(refused, (400, "email_not_confirmed".to_owned(), "Email not confirmed".to_owned()));
}

#[tokio::test]
async fn a_second_mail_waits_for_the_first() {
    let auth = with(section(|section| section.email.autoconfirm = false)).await;
    auth.sign_up("ada@example.com").await;
    let again = auth.post("/signup", json!({"email": "ada@example.com", "password": "another password"})).await;
    let (status, code, message) = again.error();
    assert_eq!((status, code.as_str()), (429, "over_email_send_rate_limit"));
    assert!(message.starts_with("For security purposes, you can only request this after "), "{message}");
    let wait: u64 = again.field("retry-after").parse().expect("seconds");
    assert!((55..=60).contains(&wait), "{wait}");
    // The first password stays.
    auth.db.script("update auth.users set email_confirmed_at = now()").await;
    auth.sign_in("ada@example.com", "password").await.ok();
}

#[tokio::test]
async fn an_account_that_is_there_looks_like_a_new_one_where_mails_confirm() {
    let auth = with(section(|section| section.email.autoconfirm = false)).await;
    let real = auth.sign_up("ada@example.com").await;
    auth.db.script("update auth.users set email_confirmed_at = now(); delete from auth.send_turns").await;
    let fake = auth.sign_up("ada@example.com").await;
    assert_ne!(fake["id"], real["id"]);
    assert_eq!((text(&fake, "role"), &fake["identities"]), ("", &json!([])));
    assert!(fake["confirmation_sent_at"].is_string());
    assert_eq!(auth.mails.0.lock().await.len(), 1, "the owner of the address is not written to again");
}

#[tokio::test]
async fn an_account_that_is_there_is_told_where_nothing_is_confirmed() {
    let auth = auth().await;
    auth.sign_up("ada@example.com").await;
    let again = auth.post("/signup", json!({"email": "ADA@example.com", "password": "password"})).await.error();
    assert_eq!(again, (422, "user_already_exists".to_owned(), "User already registered".to_owned()));
}

#[tokio::test]
async fn nobody_in_particular_gets_exactly_its_own_metadata() {
    let auth = auth().await;
    let session = auth.post("/signup", json!({"data": {"theme": "dark"}})).await.ok();
    let user = &session["user"];
    assert_eq!((&user["is_anonymous"], text(user, "email")), (&json!(true), ""));
    assert_eq!((&user["user_metadata"], &user["app_metadata"]), (&json!({"theme": "dark"}), &json!({})));
    assert_eq!(user["identities"], json!([]));
    let without = with(section(|section| section.enable_anonymous_sign_ins = false)).await;
    let refused = without.post("/signup", json!({})).await.error();
    assert_eq!(refused.1, "anonymous_provider_disabled");
    assert_eq!(refused.2, "Anonymous sign-ins are disabled");
}

async fn refused(auth: &Auth, body: Value) -> (u16, String, String) {
    auth.post("/signup", body).await.error()
}

#[tokio::test]
async fn checks_come_in_their_order() {
    let auth = auth().await;
    for (body, status, code) in [
        (json!({"email": "a@b.c"}), 400, "validation_failed"),
        (json!({"email": "a@b.c", "password": "short"}), 422, "weak_password"),
        (json!({"email": "a@b.c", "phone": "123", "password": "short"}), 422, "weak_password"),
        (json!({"email": "a@b.c", "phone": "123", "password": "password"}), 400, "validation_failed"),
        (json!({"phone": "49151", "password": "password"}), 400, "phone_provider_disabled"),
        (json!({"email": "nonsense", "password": "password"}), 400, "validation_failed"),
        (json!({"email": "a@b.c", "password": "x".repeat(73)}), 400, "validation_failed"),
    ] {
        let answer = refused(&auth, body.clone()).await;
        assert_eq!((answer.0, answer.1.as_str()), (status, code), "{body}: {answer:?}");
    }
    let weak = auth.post("/signup", json!({"email": "a@b.c", "password": "short"})).await.json();
    assert_eq!(weak["weak_password"], json!({"reasons": ["length"]}));
    assert_eq!(weak["message"], "Password should be at least 6 characters.");
    assert_eq!(refused(&auth, json!({"email": "a@b", "password": "passw0rd", "data": {"a": "\u{0}"}})).await.0, 400);
}

#[tokio::test]
async fn closed_means_closed() {
    let auth = with(section(|section| section.enable_signup = false)).await;
    for body in [json!({"email": "a@b.c", "password": "password"}), json!({})] {
        let (status, code, message) = refused(&auth, body).await;
        assert_eq!((status, code.as_str()), (422, "signup_disabled"));
        assert_eq!(message, "Signups not allowed for this instance");
    }
    let auth = with(section(|section| section.email.enabled = false)).await;
    let (status, code, _) = refused(&auth, json!({"email": "a@b.c", "password": "password"})).await;
    assert_eq!((status, code.as_str()), (400, "email_provider_disabled"));
}

#[tokio::test]
async fn by_number_confirmed_at_once() {
    let auth = with(section(|section| {
        section.sms.enabled = true;
        section.sms.autoconfirm = true;
    }))
    .await;
    let session = auth.post("/signup", json!({"phone": "+49 151 000", "password": "password"})).await.ok();
    assert_eq!(text(&session["user"], "phone"), "49151000");
    assert_eq!(text(&session["user"]["identities"][0], "provider"), "phone");
    assert_eq!(session["user"]["user_metadata"], json!({}));
    let grant = auth.post("/token?grant_type=password", json!({"phone": "49151000", "password": "password"})).await;
    grant.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_at_once_make_one_account() {
    let auth = auth().await;
    let body = || json!({"email": "ada@example.com", "password": "password"});
    let (a, b) = tokio::join!(auth.post("/signup", body()), auth.post("/signup", body()));
    let mut statuses = [a.status.as_u16(), b.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 422], "{a:?} {b:?}");
    assert_eq!(auth.value("select count(*)::text from auth.users").await, "1");
}
