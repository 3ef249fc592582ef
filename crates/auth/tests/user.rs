//! `/user` (contract 3).

use serde_json::{Value, json};

use crate::harness::{Answer, Auth, auth, section, text, with};

#[tokio::test]
async fn metadata_is_merged_and_null_deletes() {
    let auth = auth().await;
    let session = auth.sign_up("ada@example.com").await;
    let token = text(&session, "access_token");
    let put = async |data: Value| auth.call("PUT /user", Some(token), json!({"data": data})).await.ok();
    put(json!({"a": 1, "b": {"c": 2}})).await;
    let user = put(json!({"a": null, "b": {"d": 3}})).await;
    assert_eq!(user["user_metadata"], json!({"email_verified": true, "b": {"d": 3}}));
    let seen = auth.call("GET /user", Some(token), Value::Null).await.ok();
    assert_eq!(seen["user_metadata"], user["user_metadata"]);
}

#[tokio::test]
async fn a_new_password_signs_the_others_out() {
    let auth = auth().await;
    let first = auth.sign_up("ada@example.com").await;
    let second = auth.sign_in("ada@example.com", "password").await.ok();
    let put = async |body| auth.call("PUT /user", Some(text(&first, "access_token")), body).await;
    let same = put(json!({"password": "password"})).await.error();
    assert_eq!((same.0, same.1.as_str()), (422, "same_password"));
    assert_eq!(put(json!({"password": "short"})).await.error().1, "weak_password");
    let wrong = put(json!({"password": "another password", "current_password": "wrong"})).await.error();
    assert_eq!(wrong.1, "current_password_invalid");
    put(json!({"password": "another password"})).await.ok();
    auth.refresh(text(&first, "refresh_token")).await.ok();
    assert_eq!(auth.refresh(text(&second, "refresh_token")).await.error().1, "refresh_token_not_found");
    assert_eq!(auth.sign_in("ada@example.com", "password").await.error().1, "invalid_credentials");
    auth.sign_in("ada@example.com", "another password").await.ok();
}

#[tokio::test]
async fn an_anonymous_account_becomes_somebodys() {
    let auth = auth().await;
    auth.sign_up("taken@example.com").await;
    let session = auth.post("/signup", json!({"data": {"cart": [1]}})).await.ok();
    let token = text(&session, "access_token");
    let put = async |body| auth.call("PUT /user", Some(token), body).await;
    assert_eq!(put(json!({"password": "password"})).await.error().0, 422);
    let taken = put(json!({"email": "taken@example.com"})).await.error();
    assert_eq!((taken.0, taken.1.as_str()), (422, "email_exists"));
    let user = put(json!({"email": "ada@example.com", "password": "password"})).await.ok();
    assert_eq!((text(&user, "email"), &user["is_anonymous"]), ("ada@example.com", &json!(false)));
    assert_eq!(user["app_metadata"], json!({"provider": "email", "providers": ["email"]}));
    assert_eq!(user["user_metadata"], json!({"cart": [1], "email_verified": true}));
    assert_eq!(text(&user["identities"][0], "provider"), "email");
    let again = auth.sign_in("ada@example.com", "password").await.ok();
    assert_eq!(again["user"]["id"], session["user"]["id"]);
}

#[tokio::test]
async fn a_new_address_waits_for_its_confirmation() {
    let auth = auth().await;
    let session = auth.sign_up("ada@example.com").await;
    let body = json!({"email": "ada@new.example.com"});
    let user = auth.call("PUT /user", Some(text(&session, "access_token")), body).await.ok();
    assert_eq!((text(&user, "email"), text(&user, "new_email")), ("ada@example.com", "ada@new.example.com"));
    let mails = auth.mails.0.lock().await;
    let to: Vec<_> = mails.iter().map(|mail| mail.to.as_str()).collect();
    assert_eq!(to, ["ada@example.com", "ada@new.example.com"], "both have to say yes");
}

#[tokio::test]
async fn an_old_session_needs_another_proof_where_that_is_asked_for() {
    let auth = with(section(|section| section.password.reauthenticate = true)).await;
    let session = auth.sign_up("ada@example.com").await;
    let put = async |body| auth.call("PUT /user", Some(text(&session, "access_token")), body).await;
    auth.db.script("update auth.sessions set created_at = now() - interval '25 h'").await;
    assert_eq!(put(json!({"password": "another password"})).await.error().1, "reauthentication_needed");
    let wrong = put(json!({"password": "another password", "nonce": "123456"})).await.error();
    assert_eq!((wrong.0, wrong.1.as_str()), (422, "reauthentication_not_valid"));
    auth.db.script("update auth.sessions set created_at = now()").await;
    put(json!({"password": "another password"})).await.ok();
}

/// Runs a statement in another transaction, which ends only when the change waits for the account's row.
async fn put_while(sql: &str, body: Value) -> (Auth, Answer) {
    let auth = auth().await;
    let session = auth.sign_up("ada@example.com").await;
    let mut other = auth.db.connect().await;
    for statement in ["begin", "select from auth.users for update", sql] {
        other.query(statement, &[]).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    let put = auth.call("PUT /user", Some(text(&session, "access_token")), body);
    let commit = async {
        while auth.value("select count(*)::text from pg_locks where not granted").await == "0" {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        other.query("commit", &[]).await.expect("committed");
    };
    let (answer, ()) = tokio::join!(put, commit);
    (auth, answer)
}

#[tokio::test]
async fn sec_a_change_that_was_overtaken_changes_nothing() {
    for (sql, code) in [
        ("delete from auth.sessions", "session_not_found"),
        ("update auth.users set deleted_at = now()", "user_not_found"),
        ("update auth.users set banned_until = now() + interval '1 h'", "user_banned"),
        ("update auth.users set encrypted_password = 'another'", "conflict"),
    ] {
        let (auth, answer) = put_while(sql, json!({"password": "another password", "data": {"a": 1}})).await;
        assert_eq!(answer.error().1, code, "{sql}");
        let touched = "select count(*)::text from auth.users where raw_user_meta_data ? 'a'";
        assert_eq!(auth.value(touched).await, "0", "{sql}");
    }
}
