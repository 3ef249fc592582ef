//! `/admin/users` (contract 5).

use ferrobase_request::AuthRules;
use ferrobase_request::credentials::AllowedRoles;
use serde_json::{Value, json};

use crate::harness::{auth, judged, section, text};

#[tokio::test]
async fn pages_are_newest_first_and_say_where_they_lead() {
    let auth = auth().await;
    for number in 1..=5 {
        auth.admin("POST /admin/users", json!({"email": format!("u{number}@example.com")})).await.ok();
    }
    let page = auth.admin("GET /admin/users?page=2&per_page=2", Value::Null).await;
    let emails: Vec<_> =
        page.ok()["users"].as_array().expect("users").iter().map(|u| text(u, "email").to_owned()).collect();
    assert_eq!(emails, ["u3@example.com", "u2@example.com"]);
    assert_eq!((page.field("x-total-count"), text(&page.json(), "aud")), ("5", "authenticated"));
    let links = "</admin/users?page=3&per_page=2>; rel=\"next\", </admin/users?page=3&per_page=2>; rel=\"last\"";
    assert_eq!(page.field("link"), links);
    let all = auth.admin("GET /admin/users?page=&per_page=", Value::Null).await.ok();
    assert_eq!(all["users"].as_array().map(Vec::len), Some(5));
    assert_eq!(auth.admin("GET /admin/users?page=-1", Value::Null).await.status, 400);
    let found = auth.admin("GET /admin/users?filter=u4", Value::Null).await.ok();
    assert_eq!(found["users"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn an_account_is_made_as_it_is_written() {
    let allowed_roles = AllowedRoles::only(["anon", "authenticated", "service_role", "editor"]);
    let auth = judged(section(|_| {}), AuthRules { allowed_roles, ..AuthRules::default() }, |_| None).await;
    let body = json!({"email": "Ada@Example.com", "password": "password", "user_metadata": {"name": "Ada"},
        "app_metadata": {"tenant_id": 7, "provider": "partner"}, "role": "editor"});
    let user = auth.admin("POST /admin/users", body).await.ok();
    assert_eq!(user["user_metadata"], json!({"name": "Ada"}), "exactly what was sent");
    assert_eq!(user["app_metadata"], json!({"tenant_id": 7, "provider": "partner", "providers": ["email"]}));
    assert_eq!(text(&user, "role"), "editor");
    assert!(user.get("confirmed_at").is_none(), "not even where sign-ups are confirmed at once");
    let confirmed =
        json!({"email": "bob@example.com", "email_confirm": true, "phone": "+49151", "phone_confirm": true});
    let user = auth.admin("POST /admin/users", confirmed).await.ok();
    assert!(user["email_confirmed_at"].is_string() && user["phone_confirmed_at"].is_string());
    assert_eq!(user["app_metadata"]["providers"], json!(["email", "phone"]));
    let again = auth.admin("POST /admin/users", json!({"email": "bob@example.com"})).await.error();
    assert_eq!((again.0, again.1.as_str()), (422, "email_exists"));
    let again = auth.admin("POST /admin/users", json!({"phone": "49151"})).await.error();
    assert_eq!((again.0, again.1.as_str()), (422, "phone_exists"));
    assert_eq!(auth.admin("POST /admin/users", json!({"password": "password"})).await.error().0, 400);
    let hash = auth.admin("POST /admin/users", json!({"email": "c@d.e", "password_hash": "plain"})).await.error();
    assert_eq!(hash.1, "validation_failed");
}

#[tokio::test]
async fn changes_take_effect_at_once() {
    let auth = auth().await;
    let session = auth.sign_up("ada@example.com").await;
    let path = format!("/admin/users/{}", text(&session["user"], "id"));
    let put = async |body| auth.admin(&format!("PUT {path}"), body).await;
    let user = put(json!({"email": "ada@new.example.com", "app_metadata": {"plan": "pro"}, "user_metadata": {"a": 1}}))
        .await
        .ok();
    assert_eq!(text(&user, "email"), "ada@new.example.com");
    assert_eq!(user["app_metadata"], json!({"provider": "email", "providers": ["email"], "plan": "pro"}));
    assert_eq!(user["user_metadata"], json!({"email_verified": true, "a": 1}));
    assert_eq!(text(&user["identities"][0]["identity_data"], "email"), "ada@new.example.com");
    let user = put(json!({"app_metadata": {"plan": null}, "ban_duration": "24h"})).await.ok();
    assert!(user["app_metadata"].get("plan").is_none() && user["banned_until"].is_string());
    assert_eq!(put(json!({"ban_duration": "soon"})).await.error().0, 400);
    put(json!({"ban_duration": "none", "password": "another password"})).await.ok();
    assert_eq!(auth.refresh(text(&session, "refresh_token")).await.error().1, "refresh_token_not_found");
    auth.sign_in("ada@new.example.com", "another password").await.ok();
    auth.sign_up("bob@example.com").await;
    assert_eq!(put(json!({"email": "bob@example.com"})).await.error().1, "email_exists");
}

#[tokio::test]
async fn ids_that_are_none_and_accounts_that_are_not_there() {
    let auth = auth().await;
    for method in ["GET", "PUT", "DELETE"] {
        let none = auth.admin(&format!("{method} /admin/users/7"), json!({})).await.error();
        assert_eq!((none.0, none.1.as_str()), (404, "validation_failed"), "{method}");
        let line = format!("{method} /admin/users/0190b6f0-0000-7000-8000-000000000009");
        let gone = auth.admin(&line, json!({})).await.error();
        assert_eq!(gone, (404, "user_not_found".to_owned(), "User not found".to_owned()), "{method}");
    }
}

#[tokio::test]
async fn a_soft_delete_keeps_the_row_and_nothing_of_the_person() {
    let auth = auth().await;
    let session = auth.sign_up("ada@example.com").await;
    let id = text(&session["user"], "id");
    let body = json!({"should_soft_delete": true});
    assert_eq!(auth.admin(&format!("DELETE /admin/users/{id}"), body).await.ok(), json!({}));
    let row = "select (deleted_at is not null)::text || u::text from auth.users u";
    let row = auth.value(row).await;
    assert!(row.starts_with("true") && !row.contains("ada@"), "{row}");
    assert!(!auth.value("select string_agg(i::text, '') from auth.identities i").await.contains("ada@"));
    let bearer = auth.call("GET /user", Some(text(&session, "access_token")), Value::Null).await.error();
    assert_eq!(bearer.1, "user_not_found");
    assert_eq!(auth.sign_in("ada@example.com", "password").await.error().1, "invalid_credentials");
    // The address is free again.
    auth.sign_up("ada@example.com").await;
}

#[tokio::test]
async fn an_empty_ban_changes_nothing() {
    let auth = auth().await;
    let session = auth.sign_up("ada@example.com").await;
    let line = format!("PUT /admin/users/{}", text(&session["user"], "id"));
    auth.admin(&line, json!({"ban_duration": "24h"})).await.ok();
    let user = auth.admin(&line, json!({"ban_duration": ""})).await.ok();
    assert!(user["banned_until"].is_string(), "{user}");
}

#[tokio::test]
async fn nothing_is_confirmed_where_there_is_no_address() {
    let auth = auth().await;
    let by_phone = auth.admin("POST /admin/users", json!({"phone": "49151"})).await.ok();
    let by_email = auth.admin("POST /admin/users", json!({"email": "ada@example.com"})).await.ok();
    for (user, confirm, at) in
        [(by_phone, "email_confirm", "email_confirmed_at"), (by_email, "phone_confirm", "phone_confirmed_at")]
    {
        let line = format!("PUT /admin/users/{}", text(&user, "id"));
        let user = auth.admin(&line, json!({confirm: true})).await.ok();
        assert!(user.get(at).is_none() && user.get("confirmed_at").is_none(), "{user}");
    }
}

#[tokio::test]
async fn address_and_number_at_once_are_two_providers() {
    let auth = auth().await;
    let session = auth.post("/signup", json!({})).await.ok();
    let line = format!("PUT /admin/users/{}", text(&session["user"], "id"));
    let user = auth.admin(&line, json!({"email": "ada@example.com", "phone": "49151"})).await.ok();
    assert_eq!(user["app_metadata"], json!({"provider": "email", "providers": ["email", "phone"]}));
}

#[tokio::test]
async fn sec_a_new_address_ends_changes_that_wait() {
    let auth = auth().await;
    let session = auth.sign_up("ada@example.com").await;
    let begun = json!({"email": "thief@example.com"});
    auth.call("PUT /user", Some(text(&session, "access_token")), begun).await.ok();
    let waiting = "select count(*)::text from auth.one_time_tokens";
    assert_eq!(auth.value(waiting).await, "2");
    let line = format!("PUT /admin/users/{}", text(&session["user"], "id"));
    auth.admin(&line, json!({"email": "ada@new.example.com"})).await.ok();
    assert_eq!(auth.value(waiting).await, "0");
}

#[tokio::test]
async fn what_cannot_be_stored_is_the_callers_mistake() {
    let auth = auth().await;
    let session = auth.sign_up("ada@example.com").await;
    let body = json!({"id": session["user"]["id"], "email": "bob@example.com"});
    let taken = auth.admin("POST /admin/users", body).await.error();
    assert_eq!((taken.0, taken.1.as_str()), (422, "user_already_exists"));
    let long = auth.admin("POST /admin/users", json!({"email": "bob@example.com", "role": "r".repeat(256)})).await;
    assert_eq!((long.error().0, long.error().1.as_str()), (400, "validation_failed"));
}

#[tokio::test]
async fn sec_no_account_gets_a_role_of_administrators_or_one_that_tokens_may_not_name() {
    let auth = auth().await;
    let session = auth.sign_up("ada@example.com").await;
    let path = format!("/admin/users/{}", text(&session["user"], "id"));
    for role in ["service_role", "supabase_admin", "postgres", "editor"] {
        let made = auth.admin("POST /admin/users", json!({"email": "bob@example.com", "role": role})).await.error();
        assert_eq!((made.0, made.1.as_str()), (400, "validation_failed"), "{role}");
        let changed = auth.admin(&format!("PUT {path}"), json!({"role": role})).await.error();
        assert_eq!((changed.0, changed.1.as_str()), (400, "validation_failed"), "{role}");
    }
    assert_eq!(auth.value("select string_agg(distinct role, ' ') from auth.users").await, "authenticated");
    // One that got in another way, or was allowed once, opens nothing here either.
    auth.db.script("update auth.users set role = 'editor'").await;
    let editor = auth.sign_in("ada@example.com", "password").await.ok();
    let refused = auth.call("GET /user", Some(text(&editor, "access_token")), Value::Null).await.error();
    assert_eq!((refused.0, refused.1.as_str()), (403, "bad_jwt"));
}

#[tokio::test]
async fn what_is_exported_comes_back_banned() {
    let auth = auth().await;
    let pool = auth.registry.default_target().pools.rooms["auth"].clone();
    for (until, name) in
        [("now() + interval '1 hour'", "ada"), ("'infinity'", "bob"), ("now() - interval '1 hour'", "eve")]
    {
        let email = format!("{name}@example.com");
        auth.sign_up(&email).await;
        auth.db.script(&format!("update auth.users set banned_until = {until} where email = '{email}'")).await;
    }
    let lines = ferrobase_auth::operate::export(&pool, 10, 0).await.expect("an export");
    auth.db.script("delete from auth.users").await;
    for line in lines {
        auth.admin("POST /admin/users", line).await.ok();
    }
    let banned = "select string_agg(email, ' ' order by email) from auth.users where banned_until > now()";
    assert_eq!(auth.value(banned).await, "ada@example.com bob@example.com");
    let soon =
        "select (banned_until - now() between '59 min' and '1 hour')::text from auth.users where email like 'ada%'";
    assert_eq!(auth.value(soon).await, "true");
    auth.sign_in("eve@example.com", "password").await.ok();
}
