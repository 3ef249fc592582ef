//! `grant_type=pkce` (contract 2.2).

use serde_json::{Value, json};

use crate::harness::{Answer, Auth, auth, text};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Somebody with a flow that came back with the code `code`.
async fn flow(challenge: &str, method: &str) -> Auth {
    let auth = auth().await;
    auth.sign_up("ada@example.com").await;
    let sql = format!(
        "insert into auth.flow_state (id, user_id, auth_code, code_challenge, code_challenge_method, provider_type,
            provider_access_token, authentication_method, created_at, auth_code_issued_at)
         select gen_random_uuid(), id, encode(sha256('code'), 'hex'), {challenge}, {method}, 'google', 'theirs', 'oauth', now(), now()
         from auth.users"
    );
    auth.db.script(&sql).await;
    auth
}

async fn s256() -> Auth {
    flow(&format!("'{CHALLENGE}'"), "'s256'").await
}

async fn trade(auth: &Auth, code: &str, verifier: &str) -> Answer {
    auth.post("/token?grant_type=pkce", json!({"auth_code": code, "code_verifier": verifier})).await
}

async fn assert_refused(auth: &Auth, code: &str, verifier: &str, expected: (u16, &str)) {
    let (status, name, message) = trade(auth, code, verifier).await.error();
    assert_eq!((status, name.as_str()), expected, "{code} {verifier} {message}");
}

#[tokio::test]
async fn a_code_gives_one_session() {
    let auth = s256().await;
    let session = trade(&auth, "code", VERIFIER).await.ok();
    assert_eq!(text(&session, "provider_token"), "theirs");
    assert_eq!(text(&session["user"], "email"), "ada@example.com");
    auth.call("GET /user", Some(text(&session, "access_token")), Value::Null).await.ok();
    let amr = "select authentication_method from auth.mfa_amr_claims order by created_at desc limit 1";
    assert_eq!(auth.value(amr).await, "oauth");
    let (status, code, message) = trade(&auth, "code", VERIFIER).await.error();
    assert_eq!((status, code.as_str()), (404, "flow_state_not_found"));
    assert_eq!(message, "invalid flow state, no valid flow state found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_is_used_twice_at_once_gives_one_session() {
    let auth = s256().await;
    let (a, b) = tokio::join!(trade(&auth, "code", VERIFIER), trade(&auth, "code", VERIFIER));
    let mut statuses = [a.status.as_u16(), b.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 404], "{a:?} {b:?}");
}

#[tokio::test]
async fn what_is_missing_wrong_or_late_is_told() {
    let auth = s256().await;
    assert_refused(&auth, "", VERIFIER, (400, "validation_failed")).await;
    assert_refused(&auth, "code", "", (400, "validation_failed")).await;
    assert_refused(&auth, "other", VERIFIER, (404, "flow_state_not_found")).await;
    assert_refused(&auth, "code", &VERIFIER.replace('d', "e"), (400, "bad_code_verifier")).await;
    auth.db.script("update auth.users set banned_until = now() + interval '1 day'").await;
    assert_refused(&auth, "code", VERIFIER, (400, "user_banned")).await;
    auth.db.script("update auth.flow_state set auth_code_issued_at = now() - interval '301 seconds'").await;
    assert_refused(&auth, "code", VERIFIER, (422, "flow_state_expired")).await;
}

#[tokio::test]
async fn sec_a_flow_keeps_the_method_that_it_began_with() {
    // The challenge went through the browser: whoever saw it must not be able to use it as the verifier.
    assert_refused(&s256().await, "code", CHALLENGE, (400, "bad_code_verifier")).await;
    // A flow without a challenge ends in the browser and has no code to trade.
    let without = flow("null", "null").await;
    assert_refused(&without, "code", VERIFIER, (400, "bad_code_verifier")).await;
    assert_refused(&without, "code", "null", (400, "bad_code_verifier")).await;
    trade(&flow(&format!("'{VERIFIER}'"), "'plain'").await, "code", VERIFIER).await.ok();
}
