//! Somebody signs up at the running binary, and what row security shows follows from the token.

use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::support;

/// The key of RFC 7515, A.3.
const SIGNING_KEYS: &str = r#"[{"kty": "EC", "crv": "P-256", "kid": "now", "key_ops": ["sign", "verify"],
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}]"#;

const NOTES: &str = "create table public.notes (
        id bigint generated always as identity primary key,
        author uuid not null default auth.uid() references auth.users (id) on delete cascade,
        text text not null);
    alter table public.notes enable row level security;
    create policy own on public.notes to authenticated
        using (author = (select auth.uid())) with check (author = (select auth.uid()))";

async fn call(app: &ferrobase_testkit::App, method: Method, path: &str, token: Option<&str>, body: &Value) -> Value {
    let mut request = Client::new().request(method, app.url(path)).header("prefer", "return=representation");
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let answer = request.json(body).send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{path}: {status} {text}");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_signed_up_sees_its_own_rows() {
    for keys in [None, Some(SIGNING_KEYS)] {
        let database = support::installed().await;
        database.script(NOTES).await;
        let mut server = support::serve(&database).env("FERROBASE_AUTH__EMAIL__AUTOCONFIRM", "true");
        if let Some(keys) = keys {
            server = server.env("FERROBASE_AUTH__SIGNING_KEYS", keys);
        }
        let app = server.start().await.unwrap();
        let mut tokens = Vec::new();
        for name in ["ann", "bob"] {
            let body = json!({"email": format!("{name}@example.com"), "password": "password"});
            let session = call(&app, Method::POST, "/auth/v1/signup", None, &body).await;
            let token = session["access_token"].as_str().unwrap().to_owned();
            let note = call(&app, Method::POST, "/rest/v1/notes", Some(&token), &json!({"text": name})).await;
            assert_eq!(note[0]["author"], session["user"]["id"]);
            tokens.push(token);
        }
        let seen = call(&app, Method::GET, "/rest/v1/notes?select=text", Some(&tokens[0]), &Value::Null).await;
        assert_eq!(seen, json!([{"text": "ann"}]));
        let published = call(&app, Method::GET, "/auth/v1/.well-known/jwks.json", None, &Value::Null).await;
        assert_eq!(published["keys"].as_array().map(Vec::len), Some(usize::from(keys.is_some())));
    }
}

async fn sign_up(app: &ferrobase_testkit::App) -> (u16, Value) {
    let body = json!({"email": "ann@example.com", "password": "password"});
    let request = Client::new().post(app.url("/auth/v1/signup")).header("x-supabase-api-version", "2024-01-01");
    let answer = request.json(&body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_that_cannot_be_installed_closes_nothing_else_and_comes_later() {
    let database = ferrobase_testkit::database().await;
    // Somebody's own table stands where ours would.
    database.script("create schema auth; create table auth.users (name text)").await;
    database.script("create table public.things (id int primary key); insert into public.things values (1)").await;
    let app = support::serve(&database).env("FERROBASE_AUTH__EMAIL__AUTOCONFIRM", "true").start().await.unwrap();
    database.script("grant select on public.things to service_role; notify ferrobase").await;
    let (status, body) = sign_up(&app).await;
    assert_eq!((status, &body["code"]), (503, &json!("unexpected_failure")), "{body}");
    let log = app.log();
    assert!(log.contains("room_not_installed") && log.contains("migration auth/0002"), "{log}");
    let token = ferrobase_testkit::token::of_role("service_role");
    let began = Instant::now();
    loop {
        let things = Client::new().get(app.url("/rest/v1/things")).bearer_auth(&token).send().await.unwrap();
        if things.status() == 200 {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{}", things.text().await.unwrap());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    database.script("drop table auth.users").await;
    let began = Instant::now();
    loop {
        let (status, body) = sign_up(&app).await;
        if status == 200 {
            break;
        }
        assert!(status == 503 && began.elapsed() < Duration::from_secs(60), "{status} {body}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_only_others_sign_nobody_signs_in_and_the_log_says_so() {
    let database = support::installed().await;
    let mut keys: Value = serde_json::from_str(SIGNING_KEYS).unwrap();
    keys[0].as_object_mut().unwrap().remove("d");
    let server = support::serve(&database).without_env("FERROBASE_AUTH__JWT_SECRET");
    let app = server.env("FERROBASE_AUTH__JWKS", json!({"keys": keys}).to_string()).start().await.unwrap();
    let (status, body) = sign_up(&app).await;
    assert_eq!((status, &body["code"]), (422, &json!("feature_disabled")), "{body}");
    let began = Instant::now();
    while !app.log().contains("nobody_signs_in") {
        assert!(began.elapsed() < Duration::from_secs(10), "{}", app.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    call(&app, Method::GET, "/auth/v1/settings", None, &Value::Null).await;
    assert_eq!(database.connect().await.query("select from auth.users", &[]).await.unwrap().rows.len(), 0);
}

/// The statements that a line of the log asks somebody to run.
fn asked_to_run(log: &str) -> Option<String> {
    fn find(value: &Value) -> Option<String> {
        match value {
            Value::String(text) => text.split_once("must run once:\n").map(|(_, sql)| sql.to_owned()),
            Value::Object(fields) => fields.values().find_map(find),
            _ => None,
        }
    }
    log.lines().filter_map(|line| serde_json::from_str(line).ok()).find_map(|line| find(&line))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_who_may_not_make_roles_asks_once_for_everything() {
    // Somebody else's installation in the cluster has made the roles and the plain logins.
    drop(support::installed().await);
    let database = ferrobase_testkit::database().await;
    let owner = format!("owner_of_{}", database.name());
    let takes = format!(
        "create role {owner} login nocreaterole password 'x'; alter database {name} owner to {owner}; \
         alter schema public owner to {owner}",
        name = database.name()
    );
    database.script(&takes).await;
    let server = support::serve(&database).env("FERROBASE_DATABASE__URL", database.url_as(&owner, "x"));
    let mut app = server.env("FERROBASE_AUTH__EMAIL__AUTOCONFIRM", "true").without_waiting().start().await.unwrap();
    let began = Instant::now();
    let sql = loop {
        if let Some(sql) = asked_to_run(&app.log()) {
            break sql;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{}", app.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(sql.matches("create role").count(), 3, "{sql}");
    database.script(&sql).await;
    app.wait_until_ready().await.unwrap();
    let (status, body) = sign_up(&app).await;
    assert_eq!(status, 200, "{body}");
    drop(app);
    let gives = format!(
        "alter database {} owner to postgres; reassign owned by {owner} to postgres; drop owned by {owner}; drop role {owner}",
        database.name()
    );
    database.script(&gives).await;
    for part in sql.split("create role ").skip(1) {
        database.script(&format!("drop role {}", part.split(' ').next().unwrap())).await;
    }
}
