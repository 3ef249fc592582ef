//! What attackers who have the password try at the second factor.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::device::{Device, ORIGIN};
use crate::harness::{Answer, Auth, auth, text, with};
use crate::mfa::{Enrolled, answer, challenge, code, enroll, everything, verify};

fn refusal(answer: &Answer) -> (u16, String) {
    let error = answer.error();
    (error.0, error.1)
}

#[tokio::test]
async fn sec_19_a_challenge_dies_of_five_wrong_codes_and_an_account_takes_ten() {
    let auth = auth().await;
    let user = Enrolled::of(&auth, "ada@example.com").await;
    let session = auth.sign_in("ada@example.com", "password").await.ok();
    let token = text(&session, "access_token");
    let first = challenge(&auth, token, &user.factor).await;
    for _ in 0..5 {
        let wrong = verify(&auth, token, &user.factor, &first, "000000").await.error();
        assert_eq!((wrong.0, wrong.1.as_str()), (422, "mfa_verification_failed"));
        assert!(wrong.2.contains("Invalid TOTP code"), "{}", wrong.2);
    }
    let right = code(&user.secret, 1);
    let dead = refusal(&verify(&auth, token, &user.factor, &first, &right).await);
    assert_eq!(dead, (422, "mfa_challenge_expired".to_owned()), "also for the right code");
    // Other challenges, from other places, in other sessions: the account counts them together.
    for place in 0..5_u8 {
        let ip: IpAddr = [192, 0, 2, place].into();
        let (line, bearer) = (format!("/factors/{}", user.factor), format!("Bearer {token}"));
        let fields = [("x-supabase-api-version", "2024-01-01"), ("authorization", bearer.as_str())];
        let asked = auth.send_from(ip, &format!("POST {line}/challenge"), &fields, "{}").await.ok();
        let body = json!({"challenge_id": asked["id"], "code": "000000"}).to_string();
        let wrong = auth.send_from(ip, &format!("POST {line}/verify"), &fields, body).await;
        assert_eq!(refusal(&wrong), (422, "mfa_verification_failed".to_owned()));
    }
    let locked = answer(&auth, token, &user.factor, &right).await;
    assert_eq!(refusal(&locked), (429, "over_request_rate_limit".to_owned()));
    assert!(!locked.field("retry-after").is_empty());
    // An hour later its owner is let in, and that clears the account.
    auth.db.script("update auth.mfa_failures set failed_at = failed_at - interval '61 min'").await;
    answer(&auth, token, &user.factor, &code(&user.secret, 1)).await.ok();
    assert_eq!(auth.value("select count(*)::text from auth.mfa_failures").await, "0");
}

#[tokio::test]
async fn sec_19_guesses_at_once_are_counted_one_by_one() {
    let auth = auth().await;
    let user = Enrolled::of(&auth, "ada@example.com").await;
    let session = auth.sign_in("ada@example.com", "password").await.ok();
    let token = text(&session, "access_token");
    let asked = challenge(&auth, token, &user.factor).await;
    let guess = || verify(&auth, token, &user.factor, &asked, "000000");
    let answers = tokio::join!(guess(), guess(), guess(), guess(), guess(), guess(), guess(), guess());
    let answers = [answers.0, answers.1, answers.2, answers.3, answers.4, answers.5, answers.6, answers.7];
    let judged = answers.iter().filter(|answer| answer.error().1 == "mfa_verification_failed").count();
    assert_eq!(judged, 5);
}

#[tokio::test]
async fn sec_a_code_is_good_once() {
    let auth = auth().await;
    let user = Enrolled::of(&auth, "ada@example.com").await;
    let session = auth.sign_in("ada@example.com", "password").await.ok();
    let right = code(&user.secret, 0);
    let raised = answer(&auth, text(&session, "access_token"), &user.factor, &right).await.ok();
    // Somebody saw it, and has the password.
    let thief = auth.sign_in("ada@example.com", "password").await.ok();
    let seen = answer(&auth, text(&thief, "access_token"), &user.factor, &right).await;
    assert_eq!(refusal(&seen), (422, "mfa_verification_failed".to_owned()));
    // A challenge, too.
    let asked = challenge(&auth, text(&raised, "access_token"), &user.factor).await;
    let next = code(&user.secret, 1);
    verify(&auth, text(&raised, "access_token"), &user.factor, &asked, &next).await.ok();
    let again = verify(&auth, text(&raised, "access_token"), &user.factor, &asked, &next).await;
    assert_eq!(again.error().0, 422);
}

#[tokio::test]
async fn sec_challenges_belong_to_an_address_a_factor_and_a_time() {
    let auth = auth().await;
    let user = Enrolled::of(&auth, "ada@example.com").await;
    let token = text(&user.session, "access_token");
    let (other, other_secret) = enroll(&auth, token, "other").await;
    let asked = challenge(&auth, token, &user.factor).await;
    let elsewhere = verify(&auth, token, &other, &asked, &code(&other_secret, 0)).await;
    assert_eq!(refusal(&elsewhere), (404, "mfa_factor_not_found".to_owned()));
    let bearer = format!("Bearer {token}");
    let fields = [("x-supabase-api-version", "2024-01-01"), ("authorization", bearer.as_str())];
    let body = json!({"challenge_id": asked, "code": code(&user.secret, 0)}).to_string();
    let line = format!("POST /factors/{}/verify", user.factor);
    let moved = auth.send_from([192, 0, 2, 1].into(), &line, &fields, body).await;
    assert_eq!(refusal(&moved), (422, "mfa_ip_address_mismatch".to_owned()));
    auth.db.script("update auth.mfa_challenges set created_at = created_at - interval '301 s'").await;
    let late = verify(&auth, token, &user.factor, &asked, &code(&user.secret, 0)).await;
    assert_eq!(refusal(&late), (422, "mfa_challenge_expired".to_owned()));
    assert_eq!(refusal(&answer(&auth, token, &user.factor, " ").await), (400, "validation_failed".to_owned()));
}

#[tokio::test]
async fn sec_a_password_alone_changes_nothing_of_an_account_with_a_factor() {
    let auth = auth().await;
    let user = Enrolled::of(&auth, "ada@example.com").await;
    let thief = auth.sign_in("ada@example.com", "password").await.ok();
    let token = text(&thief, "access_token");
    for body in
        [json!({"password": "another password"}), json!({"email": "thief@example.com"}), json!({"phone": "4912345"})]
    {
        let refused = auth.call("PUT /user", Some(token), body.clone()).await;
        assert_eq!(refusal(&refused), (401, "insufficient_aal".to_owned()), "{body}");
    }
    let refused =
        auth.call("POST /factors", Some(token), json!({"factor_type": "totp", "friendly_name": "mine"})).await;
    assert_eq!(refusal(&refused), (403, "insufficient_aal".to_owned()));
    auth.call("PUT /user", Some(token), json!({"data": {"colour": "red"}})).await.ok();
    let own = text(&user.session, "access_token");
    auth.call("PUT /user", Some(own), json!({"password": "another password"})).await.ok();
}

#[tokio::test]
async fn sec_a_factor_of_somebody_else_is_none() {
    let auth = auth().await;
    let user = Enrolled::of(&auth, "ada@example.com").await;
    let thief = auth.sign_up("bob@example.com").await;
    let token = text(&thief, "access_token");
    let asked = challenge(&auth, text(&user.session, "access_token"), &user.factor).await;
    let line = format!("POST /factors/{}/challenge", user.factor);
    assert_eq!(refusal(&auth.call(&line, Some(token), json!({})).await), (404, "mfa_factor_not_found".to_owned()));
    let foreign = verify(&auth, token, &user.factor, &asked, &code(&user.secret, 0)).await;
    assert_eq!(refusal(&foreign), (404, "mfa_factor_not_found".to_owned()));
}

/// A security key's answer to a new question, and the request line for it.
async fn signed(auth: &Auth, token: &str, factor: &str, device: &mut Device, origin: &str) -> (String, Value) {
    let asked = auth.call(&format!("POST /factors/{factor}/challenge"), Some(token), json!({})).await.ok();
    let options = &asked["webauthn"]["credential_options"]["publicKey"];
    let credential = match text(&asked["webauthn"], "type") {
        "create" => device.create(origin, options).await,
        _ => device.get(origin, options).await,
    };
    let body = json!({"challenge_id": asked["id"], "webauthn": {"credential_response": credential}});
    (format!("POST /factors/{factor}/verify"), body)
}

#[tokio::test]
async fn sec_answers_of_security_keys_are_looked_at_closely() {
    let auth = with(everything()).await;
    let session = auth.sign_up("ada@example.com").await;
    let token = text(&session, "access_token").to_owned();
    let made =
        auth.call("POST /factors", Some(&token), json!({"factor_type": "webauthn", "friendly_name": "key"})).await.ok();
    let (factor, mut device) = (text(&made, "id"), Device::new());
    let failed = (422, "mfa_verification_failed".to_owned());
    // Another page of the same domain asked.
    let (line, body) = signed(&auth, &token, factor, &mut device, "https://evil.app.example.com").await;
    assert_eq!(refusal(&auth.call(&line, Some(&token), body).await), failed);
    let (line, body) = signed(&auth, &token, factor, &mut device, ORIGIN).await;
    let raised = auth.call(&line, Some(&token), body.clone()).await.ok();
    let token = text(&raised, "access_token").to_owned();
    // The answer to the first question, for another.
    let (line, mut later) = signed(&auth, &token, factor, &mut device, ORIGIN).await;
    let right = later.clone();
    later["webauthn"] = body["webauthn"].clone();
    assert_eq!(refusal(&auth.call(&line, Some(&token), later).await), failed);
    // A signature of one bit less.
    let mut forged = right.clone();
    let data = text(&right["webauthn"]["credential_response"]["response"], "signature");
    let flipped = if data.as_bytes()[20] == b'A' { "B" } else { "A" };
    let data = format!("{}{flipped}{}", &data[..20], &data[21..]);
    forged["webauthn"]["credential_response"]["response"]["signature"] = data.into();
    assert_eq!(refusal(&auth.call(&line, Some(&token), forged).await), failed);
    // A copy of the key, made before.
    let mut copy = device.copy();
    auth.call(&line, Some(&token), right).await.ok();
    device = copy.copy();
    let (line, body) = signed(&auth, &token, factor, &mut copy, ORIGIN).await;
    auth.call(&line, Some(&token), body).await.ok();
    let (line, body) = signed(&auth, &token, factor, &mut device, ORIGIN).await;
    assert_eq!(refusal(&auth.call(&line, Some(&token), body).await), failed, "the counter went back");
}
