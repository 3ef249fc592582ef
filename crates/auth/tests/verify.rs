//! `/verify` (contract 2.4).

use ferrobase_auth::mail::MailKind;
use serde_json::{Value, json};

use crate::harness::{Auth, text, with};
use crate::proofs::{confirming, member, verify};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

async fn refused(auth: &Auth, body: &Value) -> (u16, String, String) {
    auth.post("/verify", body.clone()).await.error()
}

/// What stands in the fragment of an address.
fn fragment(place: &str) -> String {
    place.split_once('#').map(|(_, fragment)| fragment.to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn sec_who_only_looks_at_a_link_does_not_use_it_up() {
    let auth = with(confirming(|_| {})).await;
    auth.sign_up("ada@example.com").await;
    let link = auth.mail(MailKind::Confirmation, "ada@example.com").await.link;
    let path = link.strip_prefix("http://localhost:8000/auth/v1").expect("a link to here");
    let looked = auth.send(&format!("HEAD {path}"), &[], "").await;
    assert_eq!((looked.status.as_u16(), looked.field("allow"), looked.field("location")), (405, "GET,POST", ""));
    assert!(auth.follow(&link).await.contains("#access_token="));
    for path in ["/authorize?provider=google", "/callback", "/reauthenticate", "/oauth/authorize", "/user"] {
        assert_eq!(auth.send(&format!("HEAD {path}"), &[], "").await.status, 405, "{path}");
    }
    for path in ["/health", "/settings", "/.well-known/jwks.json"] {
        assert_eq!(auth.send(&format!("HEAD {path}"), &[], "").await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn what_is_missing_is_told() {
    let auth = with(confirming(|_| {})).await;
    for (body, message) in [
        (json!({"type": "email"}), "Verify requires either a token or a token hash"),
        (json!({"type": "email", "token": "1", "token_hash": "2"}), "Verify requires either a token or a token hash"),
        (json!({"token": "1", "email": "a@b.c"}), "Verify requires a verification type"),
        (json!({"type": "other", "token": "1", "email": "a@b.c"}), "Unsupported verification type"),
        (json!({"type": "sms", "token": "1", "phone": "0"}), "Invalid phone number format (E.164 required)"),
        (
            json!({"type": "sms", "token": "1", "email": "a@b.c"}),
            "Only an email address or phone number should be provided on verify",
        ),
    ] {
        let answer = refused(&auth, &body).await;
        assert_eq!((answer.0, answer.1.as_str(), answer.2.as_str()), (400, "validation_failed", message), "{body}");
    }
    let unknown = refused(&auth, &json!({"type": "email", "token": "123456", "email": "a@b.c"})).await;
    assert_eq!(unknown, (403, "otp_expired".to_owned(), "Token has expired or is invalid".to_owned()));
    let link = refused(&auth, &json!({"type": "email", "token_hash": "x"})).await;
    assert_eq!(link, (403, "otp_expired".to_owned(), "Email link is invalid or has expired".to_owned()));
    for path in ["/verify", "/verify?token=x", "/verify?type=signup"] {
        assert_eq!(auth.call(&format!("GET {path}"), None, Value::Null).await.error().0, 400, "{path}");
    }
}

#[tokio::test]
async fn a_link_leads_to_the_application_with_a_session() {
    let auth = with(confirming(|section| section.redirect_urls = vec!["https://app.test/**".to_owned()])).await;
    let body = json!({"email": "ada@example.com", "password": "password"});
    auth.post("/signup?redirect_to=https%3A%2F%2Fapp.test%2Fwelcome%3Fa%3Db", body).await.ok();
    let mail = auth.mail(MailKind::Confirmation, "ada@example.com").await;
    let place = auth.follow(&mail.link).await;
    assert!(place.starts_with("https://app.test/welcome?a=b#access_token="), "{place}");
    let fragment = fragment(&place);
    for part in ["expires_at=", "expires_in=3600", "refresh_token=", "sb=", "token_type=bearer", "type=signup"] {
        assert!(fragment.split('&').any(|pair| pair.starts_with(part)), "{part} in {fragment}");
    }
    let token = fragment.split('&').find_map(|pair| pair.strip_prefix("access_token=")).expect("a token");
    auth.call("GET /user", Some(token), Value::Null).await.ok();
    // The second click.
    let place = auth.follow(&mail.link).await;
    let expected = "https://app.test/welcome?a=b#error=access_denied&error_code=otp_expired\
                    &error_description=Email+link+is+invalid+or+has+expired&sb=";
    assert_eq!(place, expected);
}

#[tokio::test]
async fn a_link_of_pkce_leads_to_a_code_that_only_its_client_can_use() {
    let auth = with(confirming(|_| {})).await;
    member(&auth, "ada@example.com").await;
    for (path, kind, method) in
        [("/otp", MailKind::MagicLink, "magiclink"), ("/recover", MailKind::Recovery, "recovery")]
    {
        let body = json!({"email": "ada@example.com", "code_challenge": CHALLENGE, "code_challenge_method": "s256"});
        auth.post(path, body).await.ok();
        let mail = auth.mail(kind, "ada@example.com").await;
        assert!(mail.code.link.starts_with("pkce_"));
        let place = auth.follow(&mail.link).await;
        let code = place.strip_prefix("http://localhost:3000/?code=").unwrap_or_else(|| panic!("{place}"));
        let grant = |verifier: &str| json!({"auth_code": code, "code_verifier": verifier});
        let wrong = auth.post("/token?grant_type=pkce", grant(&VERIFIER.replace('d', "e"))).await.error();
        assert_eq!(wrong.1, "bad_code_verifier");
        auth.post("/token?grant_type=pkce", grant(VERIFIER)).await.ok();
        let amr = "select authentication_method from auth.mfa_amr_claims order by created_at desc limit 1";
        assert_eq!(auth.value(amr).await, method);
        let again = auth.follow(&mail.link).await;
        assert!(again.starts_with("http://localhost:3000/?error=access_denied&error_code=otp_expired&"), "{again}");
        assert!(again.contains("#error=access_denied&"), "{again}");
    }
}

#[tokio::test]
async fn sec_a_link_of_pkce_is_no_link_without_it() {
    let auth = with(confirming(|_| {})).await;
    member(&auth, "ada@example.com").await;
    let body = json!({"email": "ada@example.com", "code_challenge": CHALLENGE, "code_challenge_method": "s256"});
    auth.post("/otp", body).await.ok();
    let mail = auth.mail(MailKind::MagicLink, "ada@example.com").await;
    let place = auth.follow(&mail.link.replace("pkce_", "")).await;
    assert!(place.contains("error_code=otp_expired") && !place.contains("access_token"), "{place}");
    // And a link that began without it leads to no code.
    auth.post("/otp", json!({"email": "ada@example.com"})).await.ok();
    let mail = auth.mail(MailKind::MagicLink, "ada@example.com").await;
    let place = auth.follow(&mail.link.replace("token=", "token=pkce_")).await;
    assert!(place.contains("error_code=otp_expired") && !place.contains("code=ey"), "{place}");
}

#[tokio::test]
async fn a_change_of_address_by_links() {
    let auth = with(confirming(|_| {})).await;
    let session = member(&auth, "old@example.com").await;
    let bearer = Some(text(&session, "access_token"));
    auth.call("PUT /user", bearer, json!({"email": "new@example.com"})).await.ok();
    let old = auth.mail(MailKind::EmailChange, "old@example.com").await;
    let place = auth.follow(&old.link).await;
    assert!(fragment(&place).starts_with("message=Confirmation+link+accepted"), "{place}");
    let new = auth.mail(MailKind::EmailChange, "new@example.com").await;
    let place = auth.follow(&new.link).await;
    assert!(fragment(&place).contains("type=email_change"), "{place}");
    auth.sign_in("new@example.com", "password").await.ok();
}

#[tokio::test]
async fn codes_end_by_the_databases_clock() {
    let auth = with(confirming(|_| {})).await;
    auth.sign_up("ada@example.com").await;
    let mail = auth.mail(MailKind::Confirmation, "ada@example.com").await;
    auth.db.script("update auth.one_time_tokens set created_at = created_at - interval '86401 seconds'").await;
    let body = json!({"type": "signup", "email": "ada@example.com", "token": mail.code.digits});
    assert_eq!(refused(&auth, &body).await.1, "otp_expired");
    let link = json!({"type": "signup", "token_hash": mail.code.link});
    assert_eq!(refused(&auth, &link).await.1, "otp_expired");
    auth.db.script("update auth.one_time_tokens set created_at = created_at + interval '1 hour'").await;
    verify(&auth, "signup", "ada@example.com", &mail.code.digits).await;
}

#[tokio::test]
async fn who_is_banned_or_gone_gets_no_session() {
    let auth = with(confirming(|_| {})).await;
    member(&auth, "ada@example.com").await;
    auth.post("/otp", json!({"email": "ada@example.com"})).await.ok();
    let mail = auth.mail(MailKind::MagicLink, "ada@example.com").await;
    let body = json!({"type": "email", "email": "ada@example.com", "token": mail.code.digits});
    auth.db.script("update auth.users set banned_until = now() + interval '1 day'").await;
    let banned = refused(&auth, &body).await;
    assert_eq!((banned.0, banned.1.as_str()), (403, "user_banned"));
    auth.db.script("update auth.users set banned_until = null, deleted_at = now()").await;
    assert_eq!(refused(&auth, &body).await.1, "otp_expired");
}
