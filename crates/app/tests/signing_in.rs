//! Somebody signs up at the running binary, and what row security shows follows from the token.

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
