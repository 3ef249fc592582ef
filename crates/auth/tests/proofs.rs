//! Codes and links that go out: `/otp`, `/magiclink`, `/recover`, `/resend`, `/reauthenticate`, `PUT /user` (contract 2.3, 2.5, 3).

use std::sync::atomic::Ordering;
use std::time::Duration;

use ferrobase_auth::config::SignInSection;
use ferrobase_auth::mail::MailKind;
use serde_json::{Value, json};

use crate::harness::{Auth, auth, section, text, with};

/// Mails confirm, and nobody waits between two.
pub fn confirming(change: impl FnOnce(&mut SignInSection)) -> SignInSection {
    section(|section| {
        section.email.autoconfirm = false;
        section.email.max_frequency = Duration::ZERO;
        section.sms.enabled = true;
        section.sms.max_frequency = Duration::ZERO;
        change(section);
    })
}

/// The session of a code.
pub async fn verify(auth: &Auth, kind: &str, email: &str, digits: &str) -> Value {
    auth.post("/verify", json!({"type": kind, "email": email, "token": digits})).await.ok()
}

/// Somebody whose address is proved; the session.
pub async fn member(auth: &Auth, email: &str) -> Value {
    auth.sign_up(email).await;
    let mail = auth.mail(MailKind::Confirmation, email).await;
    verify(auth, "signup", email, &mail.code.digits).await
}

#[tokio::test]
async fn a_code_makes_an_account_and_signs_in() {
    let auth = with(confirming(|_| {})).await;
    let answer = auth.post("/otp", json!({"email": "Ada@example.com", "data": {"name": "Ada"}})).await.ok();
    assert_eq!(answer, json!({}));
    let mail = auth.mail(MailKind::Confirmation, "ada@example.com").await;
    let session = verify(&auth, "email", "ADA@example.com", &mail.code.digits).await;
    assert_eq!(session["user"]["user_metadata"], json!({"name": "Ada", "email_verified": true}));
    assert_eq!(session["user"]["identities"][0]["identity_data"]["email_verified"], true);
    // The next time it is a link to sign in.
    auth.post("/otp", json!({"email": "ada@example.com"})).await.ok();
    let mail = auth.mail(MailKind::MagicLink, "ada@example.com").await;
    let session = verify(&auth, "magiclink", "ada@example.com", &mail.code.digits).await;
    let amr = "select authentication_method from auth.mfa_amr_claims order by created_at desc limit 1";
    assert_eq!((auth.value(amr).await.as_str(), text(&session, "token_type")), ("otp", "bearer"));
    auth.post("/magiclink", json!({"email": "ada@example.com"})).await.ok();
    assert_eq!(auth.value("select count(*)::text from auth.users").await, "1");
}

#[tokio::test]
async fn where_nothing_is_confirmed_a_link_is_mailed_all_the_same() {
    let auth = with(confirming(|section| section.email.autoconfirm = true)).await;
    auth.post("/otp", json!({"email": "ada@example.com"})).await.ok();
    let mail = auth.mail(MailKind::MagicLink, "ada@example.com").await;
    verify(&auth, "email", "ada@example.com", &mail.code.digits).await;
}

#[tokio::test]
async fn what_otp_refuses() {
    let auth = with(confirming(|section| section.sms.enabled = false)).await;
    for (body, status, code) in [
        (json!({}), 400, "validation_failed"),
        (json!({"email": "a@b.c", "phone": "123"}), 400, "validation_failed"),
        (json!({"email": "nonsense"}), 400, "validation_failed"),
        (json!({"email": "a@b.c", "code_challenge": "x"}), 400, "validation_failed"),
        (json!({"email": "a@b.c", "create_user": false}), 422, "otp_disabled"),
        (json!({"phone": "49151"}), 400, "phone_provider_disabled"),
    ] {
        let refused = auth.post("/otp", body.clone()).await.error();
        assert_eq!((refused.0, refused.1.as_str()), (status, code), "{body}: {refused:?}");
    }
    let message = auth.post("/otp", json!({"email": "a@b.c", "create_user": false})).await.error().2;
    assert_eq!(message, "Signups not allowed for otp");
    let closed = with(confirming(|section| section.enable_signup = false)).await;
    assert_eq!(closed.post("/otp", json!({"email": "a@b.c"})).await.error().1, "signup_disabled");
    assert!(closed.mails.0.lock().await.is_empty());
}

#[tokio::test]
async fn recovery_leads_in_and_a_new_password_ends_other_links() {
    let auth = with(confirming(|_| {})).await;
    member(&auth, "ada@example.com").await;
    assert_eq!(auth.post("/recover", json!({"email": "ada@example.com"})).await.ok(), json!({}));
    assert_eq!(auth.post("/recover", json!({"email": "nobody@example.com"})).await.ok(), json!({}));
    assert_eq!(auth.post("/recover", json!({})).await.error().0, 400);
    let mail = auth.mail(MailKind::Recovery, "ada@example.com").await;
    let session = verify(&auth, "recovery", "ada@example.com", &mail.code.digits).await;
    assert!(session["user"]["recovery_sent_at"].is_string());
    // Another link that somebody asked for before the password changed.
    auth.post("/recover", json!({"email": "ada@example.com"})).await.ok();
    let stale = auth.mail(MailKind::Recovery, "ada@example.com").await;
    let bearer = Some(text(&session, "access_token"));
    auth.call("PUT /user", bearer, json!({"password": "another password"})).await.ok();
    let body = json!({"type": "recovery", "token_hash": stale.code.link});
    assert_eq!(auth.post("/verify", body).await.error().1, "otp_expired");
    auth.sign_in("ada@example.com", "another password").await.ok();
}

#[tokio::test]
async fn resending_gives_a_new_code_and_the_old_one_is_dead() {
    let auth = with(confirming(|_| {})).await;
    auth.sign_up("ada@example.com").await;
    let first = auth.mail(MailKind::Confirmation, "ada@example.com").await;
    let again = json!({"type": "signup", "email": "ada@example.com"});
    assert_eq!(auth.post("/resend", again.clone()).await.ok(), json!({}));
    let second = auth.mail(MailKind::Confirmation, "ada@example.com").await;
    let stale = json!({"type": "signup", "token_hash": first.code.link});
    assert_eq!(auth.post("/verify", stale).await.error().1, "otp_expired");
    auth.post("/verify", json!({"type": "signup", "token_hash": second.code.link})).await.ok();
    // Confirmed, unknown and nothing to change: no mail, and the same answer.
    let sent = auth.mails.0.lock().await.len();
    for body in [
        again,
        json!({"type": "signup", "email": "nobody@example.com"}),
        json!({"type": "email_change", "email": "ada@example.com"}),
        json!({"type": "sms", "phone": "49151"}),
    ] {
        assert_eq!(auth.post("/resend", body).await.ok(), json!({}));
    }
    assert_eq!(auth.mails.0.lock().await.len(), sent);
    for body in [json!({}), json!({"type": "recovery", "email": "a@b.c"}), json!({"type": "signup", "phone": "49151"})]
    {
        assert_eq!(auth.post("/resend", body).await.error().0, 400);
    }
}

#[tokio::test]
async fn a_new_address_needs_a_yes_from_both() {
    let auth = with(confirming(|_| {})).await;
    let session = member(&auth, "old@example.com").await;
    let bearer = Some(text(&session, "access_token"));
    let user = auth.call("PUT /user", bearer, json!({"email": "new@example.com"})).await.ok();
    assert_eq!((text(&user, "email"), text(&user, "new_email")), ("old@example.com", "new@example.com"));
    assert!(user["email_change_sent_at"].is_string());
    let (old, new) = (
        auth.mail(MailKind::EmailChange, "old@example.com").await,
        auth.mail(MailKind::EmailChange, "new@example.com").await,
    );
    let body = json!({"type": "email_change", "email": "new@example.com", "token": new.code.digits});
    let first = auth.post("/verify", body.clone()).await.ok();
    assert!(text(&first, "msg").starts_with("Confirmation link accepted") && first.get("access_token").is_none());
    assert_eq!(first["code"], "200");
    assert_eq!(auth.post("/verify", body).await.error().1, "otp_expired", "the same yes twice is one yes");
    // Whoever says yes at the new address does not get a second vote by asking again.
    auth.post("/resend", json!({"type": "email_change", "email": "old@example.com"})).await.ok();
    let mails = auth.mails.0.lock().await.clone();
    assert_eq!(mails.iter().filter(|mail| mail.to == "new@example.com").count(), 1);
    let link = json!({"type": "email_change", "token_hash": old.code.link});
    assert_eq!(auth.post("/verify", link).await.error().1, "otp_expired", "resending replaced it");
    let old = auth.mail(MailKind::EmailChange, "old@example.com").await;
    let changed = auth.post("/verify", json!({"type": "email_change", "token_hash": old.code.link})).await.ok();
    assert_eq!(text(&changed["user"], "email"), "new@example.com");
    assert!(changed["user"].get("new_email").is_none());
    assert_eq!(text(&changed["user"]["identities"][0], "email"), "new@example.com");
    auth.sign_in("new@example.com", "password").await.ok();
    assert_eq!(auth.sign_in("old@example.com", "password").await.error().1, "invalid_credentials");
}

#[tokio::test]
async fn a_new_address_needs_its_own_yes_where_one_is_enough() {
    let auth = with(confirming(|section| section.email.double_confirm_changes = false)).await;
    let session = member(&auth, "old@example.com").await;
    let bearer = Some(text(&session, "access_token"));
    auth.call("PUT /user", bearer, json!({"email": "new@example.com"})).await.ok();
    let mail = auth.mail(MailKind::EmailChange, "new@example.com").await;
    assert!(
        !auth
            .mails
            .0
            .lock()
            .await
            .iter()
            .any(|mail| mail.kind == MailKind::EmailChange && mail.to != "new@example.com")
    );
    let changed = verify(&auth, "email_change", "new@example.com", &mail.code.digits).await;
    assert_eq!(text(&changed["user"], "email"), "new@example.com");
}

#[tokio::test]
async fn an_anonymous_account_becomes_somebodys() {
    let auth = with(confirming(|_| {})).await;
    let session = auth.post("/signup", json!({"data": {"theme": "dark"}})).await.ok();
    let bearer = Some(text(&session, "access_token"));
    auth.call("PUT /user", bearer, json!({"email": "ada@example.com"})).await.ok();
    let mail = auth.mail(MailKind::EmailChange, "ada@example.com").await;
    let changed = verify(&auth, "email_change", "ada@example.com", &mail.code.digits).await;
    let user = &changed["user"];
    assert_eq!((&user["id"], &user["is_anonymous"]), (&session["user"]["id"], &json!(false)));
    assert_eq!(user["app_metadata"], json!({"provider": "email", "providers": ["email"]}));
    assert_eq!(user["user_metadata"], json!({"theme": "dark", "email_verified": true}));
}

#[tokio::test]
async fn a_code_is_asked_for_before_a_password_changes() {
    let auth = with(confirming(|section| section.password.reauthenticate = true)).await;
    let session = member(&auth, "ada@example.com").await;
    let bearer = Some(text(&session, "access_token"));
    auth.db.script("update auth.sessions set created_at = now() - interval '25 hours'").await;
    let change = |nonce: &str| json!({"password": "another password", "nonce": nonce});
    assert_eq!(auth.call("PUT /user", bearer, change("")).await.error().1, "reauthentication_needed");
    assert_eq!(auth.call("GET /reauthenticate", bearer, Value::Null).await.ok(), json!({}));
    let mail = auth.mail(MailKind::Reauthentication, "ada@example.com").await;
    let wrong = auth.call("PUT /user", bearer, change("000000x")).await.error();
    assert_eq!((wrong.0, wrong.1.as_str()), (422, "reauthentication_not_valid"));
    // A code of another flow is none here, and this one is none there.
    for kind in ["email", "recovery", "signup", "email_change"] {
        let body = json!({"type": kind, "email": "ada@example.com", "token": mail.code.digits});
        assert_eq!(auth.post("/verify", body).await.error().1, "otp_expired");
    }
    auth.call("PUT /user", bearer, change(&mail.code.digits)).await.ok();
    let again = json!({"password": "a third password", "nonce": mail.code.digits});
    assert_eq!(auth.call("PUT /user", bearer, again).await.error().1, "reauthentication_not_valid");
    auth.sign_in("ada@example.com", "another password").await.ok();
}

#[tokio::test]
async fn numbers_get_codes_by_message() {
    let auth = with(confirming(|_| {})).await;
    let sent = auth.post("/otp", json!({"phone": "+49 151 000", "data": {"a": 1}})).await.ok();
    assert_eq!(sent, json!({"message_id": "SM1"}));
    let body = |kind: &str, digits: &str| json!({"type": kind, "phone": "49151000", "token": digits});
    assert_eq!(auth.post("/verify", body("sms", "wrong")).await.error().1, "otp_expired");
    let session = auth.post("/verify", body("sms", &auth.texted().await)).await.ok();
    assert_eq!(text(&session["user"], "phone"), "49151000");
    assert!(session["user"]["phone_confirmed_at"].is_string());
    // Another number.
    let bearer = Some(text(&session, "access_token"));
    let user = auth.call("PUT /user", bearer, json!({"phone": "+49152000"})).await.ok();
    assert_eq!((text(&user, "phone"), text(&user, "new_phone")), ("49151000", "49152000"));
    let change = json!({"type": "phone_change", "phone": "49152000", "token": auth.texted().await});
    let changed = auth.post("/verify", change.clone()).await.ok();
    assert_eq!(text(&changed["user"], "phone"), "49152000");
    assert_eq!(auth.post("/verify", change).await.error().1, "otp_expired");
    assert_eq!(auth.texts.sent.lock().await.len(), 2);
}

#[tokio::test]
async fn signing_up_by_number_waits_for_the_code() {
    let auth = with(confirming(|section| section.sms.max_frequency = Duration::from_secs(60))).await;
    auth.texts.fails.store(true, Ordering::Relaxed);
    let body = json!({"phone": "49151000", "password": "password"});
    assert_eq!(auth.post("/signup", body.clone()).await.error().1, "sms_send_failed");
    // What did not go out does not make anybody wait.
    auth.texts.fails.store(false, Ordering::Relaxed);
    let user = auth.post("/signup", body.clone()).await.ok();
    assert!(user["confirmation_sent_at"].is_string() && user.get("access_token").is_none());
    let refused = auth.post("/otp", json!({"phone": "49151000"})).await.error();
    assert_eq!((refused.0, refused.1.as_str()), (429, "over_sms_send_rate_limit"));
    let code = json!({"type": "sms", "phone": "49151000", "token": auth.texted().await});
    auth.post("/verify", code).await.ok();
    auth.post("/token?grant_type=password", body).await.ok();
}

#[tokio::test]
async fn numbers_of_tests_have_fixed_codes_and_get_no_message() {
    let auth = with(confirming(|section| {
        section.sms.test_otp = [("+1234567890".to_owned(), "123456".to_owned().into())].into();
    }))
    .await;
    let body = |digits: &str| json!({"type": "sms", "phone": "1234567890", "token": digits});
    assert_eq!(auth.post("/verify", body("123456")).await.error().1, "otp_expired", "nobody has the number yet");
    auth.post("/otp", json!({"phone": "1234567890"})).await.ok();
    assert_eq!(auth.post("/verify", body("654321")).await.error().1, "otp_expired");
    auth.post("/verify", body("123456")).await.ok();
    auth.post("/verify", body("123456")).await.ok();
    assert!(auth.texts.sent.lock().await.is_empty());
}

#[tokio::test]
async fn an_invitation_and_links_for_administrators() {
    let auth = with(confirming(|section| section.redirect_urls = vec!["https://app.test/**".to_owned()])).await;
    let invited = auth.admin("POST /invite", json!({"email": "bob@example.com", "data": {"team": "a"}})).await.ok();
    assert!(invited["invited_at"].is_string() && invited.get("confirmed_at").is_none());
    let mail = auth.mail(MailKind::Invite, "bob@example.com").await;
    let session = auth.post("/verify", json!({"type": "invite", "token_hash": mail.code.link})).await.ok();
    assert_eq!(session["user"]["user_metadata"], json!({"team": "a", "email_verified": true}));
    let again = auth.admin("POST /invite", json!({"email": "bob@example.com"})).await.error();
    assert_eq!((again.0, again.1.as_str()), (422, "email_exists"));

    let generate = |body: Value| {
        let auth = &auth;
        async move { auth.admin("POST /admin/generate_link?redirect_to=https%3A%2F%2Fapp.test%2Fin", body).await }
    };
    let sent = auth.mails.0.lock().await.len();
    let signup = json!({"type": "signup", "email": "eve@example.com", "password": "password", "data": {"x": 1}});
    let made = generate(signup.clone()).await.ok();
    assert_eq!((text(&made, "verification_type"), text(&made, "redirect_to")), ("signup", "https://app.test/in"));
    let prefix = format!("http://localhost:8000/auth/v1/verify?token={}&type=signup&", text(&made, "hashed_token"));
    assert!(text(&made, "action_link").starts_with(&prefix), "{made}");
    verify(&auth, "email", "eve@example.com", text(&made, "email_otp")).await;
    assert_eq!(generate(signup).await.error().1, "email_exists");
    let unknown = generate(json!({"type": "magiclink", "email": "new@example.com"})).await.ok();
    assert_eq!(text(&unknown, "verification_type"), "signup");
    let known = generate(json!({"type": "magiclink", "email": "eve@example.com"})).await.ok();
    let landed = auth.follow(text(&known, "action_link")).await;
    assert!(landed.starts_with("https://app.test/in#access_token="), "{landed}");
    assert_eq!(generate(json!({"type": "recovery", "email": "nobody@example.com"})).await.error().1, "user_not_found");
    assert_eq!(generate(json!({"type": "other", "email": "a@b.c"})).await.error().0, 400);
    // Both halves of a change.
    for kind in ["email_change_current", "email_change_new"] {
        let body = json!({"type": kind, "email": "eve@example.com", "new_email": "eva@example.com"});
        let made = generate(body).await.ok();
        assert!(text(&made, "action_link").contains("&type=email_change&"), "{made}");
        auth.follow(text(&made, "action_link")).await;
    }
    auth.sign_in("eva@example.com", "password").await.ok();
    assert_eq!(auth.mails.0.lock().await.len(), sent, "nothing is sent");
}

#[tokio::test]
async fn the_hours_quota_is_the_whole_installations() {
    let auth = with(confirming(|section| section.mailer.rate_per_hour = 2)).await;
    for name in ["a", "b"] {
        auth.post("/otp", json!({"email": format!("{name}@example.com")})).await.ok();
    }
    for email in ["a@example.com", "c@example.com", "nobody@example.com"] {
        let refused = auth.post("/recover", json!({"email": email})).await.error();
        assert_eq!((refused.0, refused.1.as_str()), (429, "over_email_send_rate_limit"));
        assert_eq!(refused.2, "email rate limit exceeded");
    }
    auth.db.script("update auth.send_quotas set seen_at = seen_at - interval '31 minutes'").await;
    auth.post("/recover", json!({"email": "a@example.com"})).await.ok();
}

#[tokio::test]
async fn without_a_proof_there_is_a_session_at_once() {
    let auth = auth().await;
    assert!(auth.sign_up("ada@example.com").await["access_token"].is_string());
    assert!(auth.mails.0.lock().await.is_empty());
}
