//! `POST /token?grant_type=refresh_token` (contract 4).

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Auth, auth, section, text, with};

async fn signed_in(auth: &Auth) -> Value {
    auth.sign_up("ada@example.com").await
}

async fn next(auth: &Auth, session: &Value) -> Value {
    auth.refresh(text(session, "refresh_token")).await.ok()
}

/// The last refresh of every session was so many seconds ago.
async fn pass(auth: &Auth, seconds: u32) {
    let sql = format!(
        "update auth.sessions set refreshed_at = refreshed_at - interval '{seconds} s',
            created_at = created_at - interval '{seconds} s',
            refresh_token_rotations =
                (select array_agg(at - interval '{seconds} s' order by n) from unnest(refresh_token_rotations) with ordinality r (at, n));
         update auth.refresh_tokens set updated_at = updated_at - interval '{seconds} s'"
    );
    auth.db.script(&sql).await;
}

const USED: &str = "Invalid Refresh Token: Already Used";
const UNKNOWN: &str = "Invalid Refresh Token: Refresh Token Not Found";

#[tokio::test]
async fn each_refresh_gives_both_tokens_anew() {
    let auth = auth().await;
    let first = signed_in(&auth).await;
    let second = next(&auth, &first).await;
    let third = next(&auth, &second).await;
    let tokens = [&first, &second, &third].map(|session| text(session, "refresh_token").to_owned());
    assert!(tokens[0] != tokens[1] && tokens[1] != tokens[2]);
    assert_eq!(second["user"]["id"], first["user"]["id"]);
    assert_eq!(auth.value("select count(*)::text from auth.sessions").await, "1");
    let refreshed = "select (refreshed_at is not null)::text || refresh_token_counter from auth.sessions";
    assert_eq!(auth.value(refreshed).await, "true2");
    assert_eq!(auth.value("select count(*)::text from auth.refresh_tokens").await, "0");
}

#[tokio::test]
async fn a_lost_answer_can_be_asked_for_again_at_any_time() {
    let auth = auth().await;
    let first = signed_in(&auth).await;
    let second = next(&auth, &first).await;
    pass(&auth, 3600).await;
    let again = next(&auth, &first).await;
    assert_eq!(text(&again, "refresh_token"), text(&second, "refresh_token"), "the current one, not a new one");
    next(&auth, &second).await;
}

#[tokio::test]
async fn an_older_token_within_the_interval_gets_the_current_one() {
    let auth = auth().await;
    let first = signed_in(&auth).await;
    let second = next(&auth, &first).await;
    let third = next(&auth, &second).await;
    let late = next(&auth, &first).await;
    assert_eq!(text(&late, "refresh_token"), text(&third, "refresh_token"));
}

#[tokio::test]
async fn the_interval_counts_from_when_a_token_was_replaced() {
    let auth = auth().await;
    let first = signed_in(&auth).await;
    let second = next(&auth, &first).await;
    let third = next(&auth, &second).await;
    pass(&auth, 8).await;
    let fourth = next(&auth, &third).await;
    let fifth = next(&auth, &fourth).await;
    // Replaced eight seconds ago, and the interval is ten.
    assert_eq!(text(&next(&auth, &first).await, "refresh_token"), text(&fifth, "refresh_token"));
    pass(&auth, 3).await;
    let sixth = next(&auth, &fifth).await;
    // Replaced three seconds ago.
    assert_eq!(text(&next(&auth, &third).await, "refresh_token"), text(&sixth, "refresh_token"));
    // Replaced eleven seconds ago: that the session was refreshed a moment ago does not make it younger.
    let replayed = auth.refresh(text(&first, "refresh_token")).await.error();
    assert_eq!(replayed.1, "refresh_token_already_used");
    assert_eq!(auth.value("select count(*)::text from auth.sessions").await, "0");
}

#[tokio::test]
async fn replacements_are_remembered_up_to_a_bound() {
    let auth = auth().await;
    let first = signed_in(&auth).await;
    let mut session = first.clone();
    for _ in 0..20 {
        session = next(&auth, &session).await;
    }
    assert_eq!(auth.value("select cardinality(refresh_token_rotations)::text from auth.sessions").await, "16");
    assert_eq!(auth.refresh(text(&first, "refresh_token")).await.error().1, "refresh_token_already_used");
}

#[tokio::test]
async fn a_stolen_token_ends_the_session_for_both() {
    let auth = auth().await;
    let first = signed_in(&auth).await;
    let second = next(&auth, &first).await;
    let third = next(&auth, &second).await;
    pass(&auth, 11).await;
    let replayed = auth.refresh(text(&first, "refresh_token")).await.error();
    assert_eq!(replayed, (400, "refresh_token_already_used".to_owned(), USED.to_owned()));
    // Although that was an error, its consequence was committed.
    assert_eq!(auth.value("select count(*)::text from auth.sessions").await, "0");
    let current = auth.refresh(text(&third, "refresh_token")).await.error();
    assert_eq!(current, (400, "refresh_token_not_found".to_owned(), UNKNOWN.to_owned()));
    let bearer = auth.call("GET /user", Some(text(&third, "access_token")), Value::Null).await.error();
    assert_eq!((bearer.0, bearer.1.as_str()), (403, "session_not_found"));
}

#[tokio::test]
async fn without_rotation_a_replay_is_refused_and_nothing_else() {
    let auth = with(section(|section| section.refresh_token_rotation = false)).await;
    let first = signed_in(&auth).await;
    let second = next(&auth, &first).await;
    let third = next(&auth, &second).await;
    pass(&auth, 11).await;
    assert_eq!(auth.refresh(text(&first, "refresh_token")).await.error().1, "refresh_token_already_used");
    next(&auth, &third).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clients_at_once_stay_in_step() {
    let auth = auth().await;
    let session = signed_in(&auth).await;
    let token = text(&session, "refresh_token");
    let answers = tokio::join!(
        auth.refresh(token),
        auth.refresh(token),
        auth.refresh(token),
        auth.refresh(token),
        auth.refresh(token)
    );
    let answers = [answers.0, answers.1, answers.2, answers.3, answers.4].map(|answer| answer.ok());
    let given: std::collections::BTreeSet<_> = answers.iter().map(|answer| text(answer, "refresh_token")).collect();
    assert_eq!(given.len(), 1, "one rotation, and the same token for everybody");
    assert_eq!(auth.value("select refresh_token_counter::text from auth.sessions").await, "1");
}

#[tokio::test]
async fn garbage_and_tokens_of_nobody() {
    let auth = auth().await;
    let session = signed_in(&auth).await;
    let token = text(&session, "refresh_token");
    let mut changed = token.to_owned();
    changed.replace_range(30..31, if &token[30..31] == "A" { "B" } else { "A" });
    for token in ["abcdefghijkl", "x", &changed, "\u{e9}t\u{e9}", &"A".repeat(10_000)] {
        let refused = auth.refresh(token).await.error();
        assert_eq!(refused, (400, "refresh_token_not_found".to_owned(), UNKNOWN.to_owned()), "{token}");
    }
    let empty = auth.refresh("").await;
    assert_eq!((empty.status.as_u16(), &empty.json()["error"]), (400, &json!("invalid_request")));
}

#[tokio::test]
async fn who_was_banned_or_deleted_gets_no_more_tokens() {
    let auth = auth().await;
    let session = signed_in(&auth).await;
    let path = format!("/admin/users/{}", text(&session["user"], "id"));
    auth.admin(&format!("PUT {path}"), json!({"ban_duration": "1h"})).await.ok();
    assert_eq!(auth.refresh(text(&session, "refresh_token")).await.error().1, "user_banned");
    auth.admin(&format!("PUT {path}"), json!({"ban_duration": "none"})).await.ok();
    let session = next(&auth, &session).await;
    auth.admin(&format!("DELETE {path}"), Value::Null).await.ok();
    assert_eq!(auth.refresh(text(&session, "refresh_token")).await.error().1, "refresh_token_not_found");
}

#[tokio::test]
async fn sessions_end_by_the_clock_and_by_rest() {
    let minute = Duration::from_secs(60);
    let auth = with(section(|section| section.sessions.timebox = Some(10 * minute))).await;
    let session = signed_in(&auth).await;
    let session = next(&auth, &session).await;
    pass(&auth, 601).await;
    let refused = auth.refresh(text(&session, "refresh_token")).await.error();
    assert_eq!((refused.1.as_str(), refused.2.as_str()), ("session_expired", "Invalid Refresh Token: Session Expired"));

    let auth = with(section(|section| section.sessions.inactivity_timeout = Some(10 * minute))).await;
    let session = signed_in(&auth).await;
    pass(&auth, 500).await;
    let session = next(&auth, &session).await;
    pass(&auth, 500).await;
    let session = next(&auth, &session).await;
    pass(&auth, 601).await;
    let refused = auth.refresh(text(&session, "refresh_token")).await.error();
    assert!(refused.2.contains("(Inactivity)"), "{refused:?}");
}

#[tokio::test]
async fn a_newer_sign_in_ends_the_older_session_where_one_is_allowed() {
    let auth = with(section(|section| section.sessions.single_per_user = true)).await;
    let older = signed_in(&auth).await;
    let newer = auth.sign_in("ada@example.com", "password").await.ok();
    let refused = auth.refresh(text(&older, "refresh_token")).await.error();
    assert!(refused.2.contains("(Revoked by Newer Login)"), "{refused:?}");
    next(&auth, &newer).await;
}

#[tokio::test]
async fn imported_sessions_go_on() {
    let auth = auth().await;
    let session = signed_in(&auth).await;
    let user = text(&session["user"], "id");
    auth.db
        .script(&format!(
            "delete from auth.sessions;
             insert into auth.sessions (id, user_id, created_at, updated_at, aal)
             values ('0190b6f0-0000-7000-8000-000000000001', '{user}', now(), now(), 'aal1');
             insert into auth.refresh_tokens (token, user_id, revoked, session_id, parent, created_at, updated_at) values
             ('oldoldoldold', '{user}', true, '0190b6f0-0000-7000-8000-000000000001', null, now() - interval '1 h', now()),
             ('current_-123', '{user}', false, '0190b6f0-0000-7000-8000-000000000001', 'oldoldoldold', now(), now())"
        ))
        .await;
    let first = auth.refresh("current_-123").await.ok();
    let again = auth.refresh("current_-123").await.ok();
    assert_eq!(text(&again, "refresh_token"), text(&first, "refresh_token"), "the answer was lost");
    let second = next(&auth, &first).await;
    pass(&auth, 60).await;
    assert_eq!(auth.refresh("oldoldoldold").await.error().1, "refresh_token_already_used");
    assert_eq!(auth.refresh(text(&second, "refresh_token")).await.error().1, "refresh_token_not_found");
}
