//! `/factors` (contract 3.1).

use std::time::{Duration, SystemTime};

use ferrobase_auth::config::{FactorSection, SignInSection};
use ferrobase_base::Secret;
use ferrobase_base::config::HttpUrl;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha1::Sha1;

use crate::device::{Device, ORIGIN};
use crate::harness::{Auth, auth, claims, section, text, with};

/// All kinds of factors, and a page for security keys.
pub fn everything() -> SignInSection {
    section(|section| {
        let on = FactorSection { enroll_enabled: true, verify_enabled: true };
        section.mfa.phone = on.clone();
        section.mfa.webauthn = on;
        section.sms.max_frequency = Duration::ZERO;
        section.sms.test_otp.insert("4912345".to_owned(), Secret::new("424242"));
        section.passkeys.rp_id = Some("app.example.com".to_owned());
        section.passkeys.origins = vec![HttpUrl::from_static(ORIGIN)];
    })
}

/// The code that an application shows so many steps from now.
pub fn code(secret: &str, steps: i64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs() as i64;
    let bits: String = secret
        .bytes()
        .map(|letter| format!("{:05b}", if letter < b'A' { letter - b'2' + 26 } else { letter - b'A' }))
        .collect();
    let key: Vec<u8> = bits
        .as_bytes()
        .chunks_exact(8)
        .map(|bits| u8::from_str_radix(std::str::from_utf8(bits).expect("bits"), 2).expect("a byte"))
        .collect();
    let mut mac = Hmac::<Sha1>::new_from_slice(&key).expect("a key");
    mac.update(&(now / 30 + steps).to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let at = usize::from(hash[19] & 15);
    let number = u32::from_be_bytes(hash[at..at + 4].try_into().expect("four bytes")) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

/// A user with a factor of an application.
pub struct Enrolled {
    /// The raised session.
    pub session: Value,
    /// The factor.
    pub factor: String,
    /// Its secret.
    pub secret: String,
}

impl Enrolled {
    /// Signs somebody up, enrols and verifies.
    pub async fn of(auth: &Auth, email: &str) -> Self {
        let first = auth.sign_up(email).await;
        let (factor, secret) = enroll(auth, text(&first, "access_token"), "phone").await;
        let session = answer(auth, text(&first, "access_token"), &factor, &code(&secret, 0)).await.ok();
        Self { session, factor, secret }
    }
}

/// A new factor of an application: its id and secret.
pub async fn enroll(auth: &Auth, token: &str, name: &str) -> (String, String) {
    let body = json!({"factor_type": "totp", "friendly_name": name});
    let made = auth.call("POST /factors", Some(token), body).await.ok();
    (text(&made, "id").to_owned(), text(&made["totp"], "secret").to_owned())
}

/// A new challenge's id.
pub async fn challenge(auth: &Auth, token: &str, factor: &str) -> String {
    let asked = auth.call(&format!("POST /factors/{factor}/challenge"), Some(token), json!({})).await.ok();
    text(&asked, "id").to_owned()
}

/// Answers this challenge.
pub async fn verify(auth: &Auth, token: &str, factor: &str, challenge: &str, code: &str) -> crate::harness::Answer {
    let body = json!({"challenge_id": challenge, "code": code});
    auth.call(&format!("POST /factors/{factor}/verify"), Some(token), body).await
}

/// Answers a new challenge.
pub async fn answer(auth: &Auth, token: &str, factor: &str, code: &str) -> crate::harness::Answer {
    let challenge = challenge(auth, token, factor).await;
    verify(auth, token, factor, &challenge, code).await
}

#[tokio::test]
async fn a_code_of_an_application_raises_the_session() {
    let auth = auth().await;
    let first = auth.sign_up("ada@example.com").await;
    let other = auth.sign_in("ada@example.com", "password").await.ok();
    let token = text(&first, "access_token");
    assert_eq!(claims(&first)["aal"], "aal1");
    let body = json!({"factor_type": "totp", "friendly_name": "telephone", "issuer": "Todos"});
    let made = auth.call("POST /factors", Some(token), body).await.ok();
    assert_eq!((text(&made, "type"), text(&made, "friendly_name")), ("totp", "telephone"));
    let totp = &made["totp"];
    assert!(text(totp, "qr_code").starts_with("<svg "));
    let uri = text(totp, "uri");
    assert!(uri.starts_with("otpauth://totp/Todos:ada%40example.com?") && uri.contains(text(totp, "secret")), "{uri}");
    let id = text(&made, "id");
    // Not a factor before it was verified.
    let listed = auth.call("GET /user", Some(token), Value::Null).await.ok();
    assert_eq!((text(&listed["factors"][0], "status"), text(&listed["factors"][0], "id")), ("unverified", id));
    assert!(listed["factors"][0].get("secret").is_none());
    let raised = answer(&auth, token, id, &code(text(totp, "secret"), 0)).await.ok();
    let said = claims(&raised);
    assert_eq!((text(&said, "aal"), text(&said["amr"][0], "method")), ("aal2", "totp"));
    assert_eq!(text(&said["amr"][1], "method"), "password");
    assert_eq!(said["session_id"], claims(&first)["session_id"]);
    assert_eq!(text(&raised["user"]["factors"][0], "status"), "verified");
    // It stays so with every refresh, and sessions without the factor are over.
    let refreshed = auth.refresh(text(&raised, "refresh_token")).await.ok();
    assert_eq!(text(&claims(&refreshed), "aal"), "aal2");
    assert_eq!(auth.refresh(text(&other, "refresh_token")).await.error().1, "refresh_token_not_found");
    let again = auth.sign_in("ada@example.com", "password").await.ok();
    assert_eq!(text(&claims(&again), "aal"), "aal1");
}

#[tokio::test]
async fn enrolling_has_rules() {
    let mut section = everything();
    section.mfa.max_factors = 3;
    section.mfa.webauthn = FactorSection::default();
    let auth = with(section).await;
    let session = auth.sign_up("ada@example.com").await;
    let post = async |body: Value| auth.call("POST /factors", Some(text(&session, "access_token")), body).await;
    let refused = async |body: Value| {
        let error = post(body).await.error();
        (error.0, error.1)
    };
    assert_eq!(refused(json!({"factor_type": "face"})).await, (400, "validation_failed".to_owned()));
    assert_eq!(refused(json!({})).await.0, 400);
    let off = refused(json!({"factor_type": "webauthn"})).await;
    assert_eq!(off, (422, "mfa_webauthn_enroll_not_enabled".to_owned()));
    assert_eq!(refused(json!({"factor_type": "phone", "phone": "no number"})).await.0, 400);
    post(json!({"factor_type": "totp"})).await.ok();
    let conflict = (422, "mfa_factor_name_conflict".to_owned());
    assert_eq!(refused(json!({"factor_type": "totp"})).await, conflict, "the empty name, too");
    post(json!({"factor_type": "totp", "friendly_name": "a"})).await.ok();
    assert_eq!(refused(json!({"factor_type": "totp", "friendly_name": "a"})).await, conflict);
    let phone = json!({"factor_type": "phone", "friendly_name": "b", "phone": "+49 12345"});
    assert_eq!(text(&post(phone.clone()).await.ok(), "phone"), "4912345");
    // The same number again: the earlier attempt was given up.
    post(phone).await.ok();
    let many = refused(json!({"factor_type": "totp", "friendly_name": "c"})).await;
    assert_eq!(many, (422, "too_many_enrolled_mfa_factors".to_owned()));
    let anonymous = auth.post("/signup", json!({})).await.ok();
    let nobody =
        auth.call("POST /factors", Some(text(&anonymous, "access_token")), json!({"factor_type": "totp"})).await;
    assert_eq!((nobody.error().0, nobody.error().1.as_str()), (403, "no_authorization"));
}

#[tokio::test]
async fn enrolments_that_nobody_finishes_end() {
    let auth = auth().await;
    let session = auth.sign_up("ada@example.com").await;
    let token = text(&session, "access_token");
    enroll(&auth, token, "first").await;
    auth.db.script("update auth.mfa_factors set created_at = created_at - interval '301 s'").await;
    enroll(&auth, token, "first").await;
    assert_eq!(auth.value("select count(*)::text from auth.mfa_factors").await, "1");
    // Verifying one ends the others.
    let (factor, secret) = enroll(&auth, token, "second").await;
    let raised = answer(&auth, token, &factor, &code(&secret, 0)).await.ok();
    assert_eq!(raised["user"]["factors"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_code_by_message_raises_the_session() {
    let auth = with(everything()).await;
    let session = auth.sign_up("ada@example.com").await;
    let token = text(&session, "access_token");
    let body = json!({"factor_type": "phone", "friendly_name": "phone", "phone": "+49123"});
    let made = auth.call("POST /factors", Some(token), body).await.ok();
    let factor = text(&made, "id");
    let asked =
        auth.call(&format!("POST /factors/{factor}/challenge"), Some(token), json!({"channel": "whatsapp"})).await;
    assert_eq!(text(&asked.ok(), "type"), "phone");
    let message = auth.texts.sent.lock().await.last().cloned().expect("a message");
    assert_eq!((message.to.as_str(), message.channel.as_str()), ("49123", "whatsapp"));
    let sent = message.text.strip_prefix("Your code is ").expect("the template").to_owned();
    assert_eq!(auth.value("select count(*)::text from auth.mfa_challenges where otp_code ~ '^[0-9]{6}$'").await, "0");
    let wrong = verify(&auth, token, factor, text(&asked.ok(), "id"), "not it").await.error();
    assert_eq!((wrong.0, wrong.1.as_str()), (422, "mfa_verification_failed"));
    assert_eq!(wrong.2, "Invalid MFA Phone code entered");
    let raised = verify(&auth, token, factor, text(&asked.ok(), "id"), &sent).await.ok();
    assert_eq!(text(&claims(&raised)["amr"][0], "method"), "mfa/phone");
    let body = json!({"factor_type": "phone", "friendly_name": "again", "phone": "+49123"});
    let again = auth.call("POST /factors", Some(text(&raised, "access_token")), body).await.error();
    assert_eq!((again.0, again.1.as_str()), (422, "mfa_verified_factor_exists"));
}

#[tokio::test]
async fn messages_are_not_sent_too_often() {
    let mut section = everything();
    section.sms.max_frequency = Duration::from_secs(60);
    let auth = with(section).await;
    let session = auth.sign_up("ada@example.com").await;
    let token = text(&session, "access_token");
    let body = json!({"factor_type": "phone", "phone": "4912345"});
    let made = auth.call("POST /factors", Some(token), body).await.ok();
    let asked = challenge(&auth, token, text(&made, "id")).await;
    let line = format!("POST /factors/{}/challenge", text(&made, "id"));
    let soon = auth.call(&line, Some(token), json!({})).await.error();
    assert_eq!((soon.0, soon.1.as_str()), (429, "over_sms_send_rate_limit"));
    assert!(auth.texts.sent.lock().await.is_empty(), "a number with a fixed code");
    verify(&auth, token, text(&made, "id"), &asked, "424242").await.ok();
}

#[tokio::test]
async fn a_security_key_raises_the_session() {
    let auth = with(everything()).await;
    let session = auth.sign_up("ada@example.com").await;
    let token = text(&session, "access_token");
    let made =
        auth.call("POST /factors", Some(token), json!({"factor_type": "webauthn", "friendly_name": "key"})).await.ok();
    let factor = text(&made, "id");
    let (ask, answer) = (format!("POST /factors/{factor}/challenge"), format!("POST /factors/{factor}/verify"));
    let asked = auth.call(&ask, Some(token), json!({"webauthn": {"rpId": "evil.example"}})).await.ok();
    assert_eq!(text(&asked["webauthn"], "type"), "create");
    let options = &asked["webauthn"]["credential_options"]["publicKey"];
    assert_eq!(text(&options["rp"], "id"), "app.example.com", "never what a caller says");
    let mut device = Device::new();
    let credential = device.create(ORIGIN, options).await;
    let body = json!({"challenge_id": asked["id"], "webauthn": {"type": "create", "credential_response": credential}});
    let raised = auth.call(&answer, Some(token), body).await.ok();
    assert_eq!(text(&claims(&raised)["amr"][0], "method"), "mfa/webauthn");
    // The next device proves itself with the same key.
    let next = auth.sign_in("ada@example.com", "password").await.ok();
    let token = text(&next, "access_token");
    let asked = auth.call(&ask, Some(token), json!({})).await.ok();
    assert_eq!(text(&asked["webauthn"], "type"), "request");
    let options = &asked["webauthn"]["credential_options"]["publicKey"];
    assert_eq!(options["allowCredentials"][0]["id"], credential["rawId"]);
    let credential = device.get(ORIGIN, options).await;
    let body = json!({"challenge_id": asked["id"], "webauthn": {"type": "request", "credential_response": credential}});
    let raised = auth.call(&answer, Some(token), body.clone()).await.ok();
    assert_eq!(text(&claims(&raised), "aal"), "aal2");
    let count = auth.value("select web_authn_credential #>> '{authenticator,signCount}' from auth.mfa_factors").await;
    assert_eq!(count, "1");
    // The same answer again is no answer.
    let again = auth.call(&answer, Some(text(&raised, "access_token")), body).await.error();
    assert_eq!(again.0, 422);
}

#[tokio::test]
async fn a_factor_that_counts_is_taken_away_with_it_only() {
    let auth = auth().await;
    let user = Enrolled::of(&auth, "ada@example.com").await;
    let weak = auth.sign_in("ada@example.com", "password").await.ok();
    let line = format!("DELETE /factors/{}", user.factor);
    let refused = auth.call(&line, Some(text(&weak, "access_token")), Value::Null).await.error();
    assert_eq!((refused.0, refused.1.as_str()), (422, "insufficient_aal"));
    let token = text(&user.session, "access_token");
    assert_eq!(auth.call(&line, Some(token), Value::Null).await.ok(), json!({"id": user.factor}));
    // Sessions are worth less at once: the old token says aal2 until it ends, and is not believed here.
    let refreshed = auth.refresh(text(&user.session, "refresh_token")).await.ok();
    assert_eq!(text(&claims(&refreshed), "aal"), "aal1");
    let (second, secret) = enroll(&auth, text(&refreshed, "access_token"), "second").await;
    answer(&auth, text(&refreshed, "access_token"), &second, &code(&secret, 0)).await.ok();
    let unverified = enroll(&auth, text(&auth.sign_up("bob@example.com").await, "access_token"), "x").await.0;
    let foreign = auth.call(&format!("DELETE /factors/{unverified}"), Some(token), Value::Null).await.error();
    assert_eq!((foreign.0, foreign.1.as_str()), (404, "mfa_factor_not_found"));
    assert_eq!(auth.call("DELETE /factors/nonsense", Some(token), Value::Null).await.status, 404);
}

#[tokio::test]
async fn administrators_see_change_and_delete_factors() {
    let auth = auth().await;
    let user = Enrolled::of(&auth, "ada@example.com").await;
    let path = format!("/admin/users/{}/factors", text(&user.session["user"], "id"));
    let listed = auth.admin(&format!("GET {path}"), Value::Null).await.ok();
    assert_eq!((listed[0]["id"].as_str(), listed.as_array().map(Vec::len)), (Some(user.factor.as_str()), Some(1)));
    assert!(listed[0].get("secret").is_none());
    let one = format!("{path}/{}", user.factor);
    let renamed = auth.admin(&format!("PUT {one}"), json!({"friendly_name": "work", "phone": "123"})).await.ok();
    assert_eq!((text(&renamed, "friendly_name"), renamed.get("phone")), ("work", None), "no telephone");
    let deleted = auth.admin(&format!("DELETE {one}"), Value::Null).await.ok();
    assert_eq!(text(&deleted, "id"), user.factor);
    assert_eq!(auth.admin(&format!("GET {path}"), Value::Null).await.ok(), json!([]));
    assert_eq!(auth.admin(&format!("DELETE {one}"), Value::Null).await.error().1, "mfa_factor_not_found");
    let refreshed = auth.refresh(text(&user.session, "refresh_token")).await.ok();
    assert_eq!(text(&claims(&refreshed), "aal"), "aal1");
    let token = text(&refreshed, "access_token");
    assert_eq!(auth.call(&format!("GET {path}"), Some(token), Value::Null).await.error().1, "not_admin");
}

#[tokio::test]
async fn a_session_without_the_factor_ends_when_that_is_configured() {
    let auth = with(section(|section| section.sessions.low_aal_timeout = Some(Duration::from_secs(900)))).await;
    let user = Enrolled::of(&auth, "ada@example.com").await;
    let weak = auth.sign_in("ada@example.com", "password").await.ok();
    let strong = auth.refresh(text(&user.session, "refresh_token")).await.ok();
    let weak = auth.refresh(text(&weak, "refresh_token")).await.ok();
    auth.db.script("update auth.sessions set created_at = created_at - interval '901 s'").await;
    let ended = auth.refresh(text(&weak, "refresh_token")).await.error();
    assert_eq!((ended.0, ended.1.as_str()), (400, "session_expired"));
    assert!(ended.2.contains("Low AAL: User Needs MFA Verification"), "{}", ended.2);
    auth.refresh(text(&strong, "refresh_token")).await.ok();
}
