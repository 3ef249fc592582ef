//! `POST /logout` (contract 3).

use serde_json::Value;

use crate::harness::{Auth, auth, text};

async fn three(auth: &Auth) -> [Value; 3] {
    let first = auth.sign_up("ada@example.com").await;
    let second = auth.sign_in("ada@example.com", "password").await.ok();
    let third = auth.sign_in("ada@example.com", "password").await.ok();
    [first, second, third]
}

async fn alive(auth: &Auth, sessions: &[Value; 3]) -> [bool; 3] {
    let mut alive = [false; 3];
    for (place, session) in sessions.iter().enumerate() {
        let seen = auth.call("GET /user", Some(text(session, "access_token")), Value::Null).await.status;
        let refreshed = auth.refresh(text(session, "refresh_token")).await.status;
        assert_eq!(seen == 200, refreshed == 200, "{place}: {seen} {refreshed}");
        alive[place] = seen == 200;
    }
    alive
}

#[tokio::test]
async fn scopes_say_which_sessions_end() {
    for (scope, expected) in [
        ("", [false, false, false]),
        ("?scope=global", [false, false, false]),
        ("?scope=local", [false, true, true]),
        ("?scope=others", [true, false, false]),
    ] {
        let auth = auth().await;
        let sessions = three(&auth).await;
        let token = text(&sessions[0], "access_token");
        let answer = auth.call(&format!("POST /logout{scope}"), Some(token), Value::Null).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (204, ""), "{scope}");
        assert_eq!(alive(&auth, &sessions).await, expected, "{scope}");
    }
}

#[tokio::test]
async fn other_scopes_and_other_tokens_are_refused() {
    let auth = auth().await;
    let session = auth.sign_up("ada@example.com").await;
    let token = text(&session, "access_token");
    let refused = auth.call("POST /logout?scope=moon", Some(token), Value::Null).await.error();
    assert_eq!((refused.0, refused.1.as_str()), (400, "validation_failed"));
    let garbage = auth.call("POST /logout", Some("garbage"), Value::Null).await.error();
    assert!(garbage.2.starts_with("invalid JWT"), "{garbage:?}");
    auth.call("POST /logout", Some(token), Value::Null).await;
    let again = auth.call("POST /logout", Some(token), Value::Null).await.error();
    assert_eq!((again.0, again.1.as_str()), (403, "session_not_found"));
}
