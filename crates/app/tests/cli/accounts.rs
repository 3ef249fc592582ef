//! `ferrobase auth users`.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::dev::project::Project;
use crate::support;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_are_made_listed_banned_exported_and_deleted() {
    let database = support::installed().await;
    let app = support::serve(&database).start().await.unwrap();
    let (project, url) = (Project::empty(), database.url());
    let users = |arguments: &[&str]| project.run(&[&["auth", "users"], arguments, &["--database-url", url]].concat());
    let mut create = project.command(&[
        "auth",
        "users",
        "create",
        "Ada@Example.com",
        "--password-stdin",
        "--json",
        "--database-url",
        url,
    ]);
    let mut create = create.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    create.stdin.take().unwrap().write_all(b"a good password\n").unwrap();
    let made: Value = serde_json::from_slice(&create.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!((&made[0]["email"], made[0]["email_confirmed_at"].is_string()), (&json!("ada@example.com"), true));
    let sign_in = async || {
        let body = json!({"email": "ada@example.com", "password": "a good password"});
        let url = app.url("/auth/v1/token?grant_type=password");
        reqwest::Client::new().post(url).json(&body).send().await.unwrap().status().as_u16()
    };
    assert_eq!(sign_in().await, 200);
    assert!(users(&["create", "ada@example.com"]).err.contains("has an account already"));
    assert!(users(&["create", "no address"]).err.contains("invalid format"));
    assert!(users(&["list"]).succeeds().contains("ada@example.com"));
    assert_eq!(users(&["list", "--filter", "nobody", "--json"]).json(), json!([]));
    assert!(users(&["ban", "ada@example.com", "--for", "24h"]).succeeds().contains("banned"));
    assert_eq!(sign_in().await, 400);
    users(&["ban", "ada@example.com", "--for", "none"]).succeeds();
    assert_eq!(sign_in().await, 200);
    let exported: Value = serde_json::from_str(users(&["export"]).succeeds().trim()).unwrap();
    assert!(exported["password_hash"].as_str().unwrap().starts_with("$argon2id$"));
    users(&["delete", exported["id"].as_str().unwrap()]).succeeds();
    assert!(users(&["delete", "ada@example.com"]).err.contains("nobody has"));
    assert_eq!(sign_in().await, 400);
    // An export comes back with its password.
    let service = ferrobase_testkit::token::of_role("service_role");
    let request = reqwest::Client::new().post(app.url("/auth/v1/admin/users")).bearer_auth(service).json(&exported);
    assert_eq!(request.send().await.unwrap().status().as_u16(), 200);
    assert_eq!(sign_in().await, 200);
}
