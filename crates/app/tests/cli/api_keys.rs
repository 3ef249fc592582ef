//! `ferrobase keys create|list|revoke` and `keys signing`: keys as a running server takes them.

use std::time::{Duration, Instant};

use ferrobase_testkit::token;
use reqwest::Client;
use serde_json::{Value, json};

use crate::dev::project::Project;
use crate::support;

async fn ask(app: &ferrobase_testkit::App, path: &str, key: &str) -> (u16, String) {
    let request = Client::new().get(app.url(path)).header("apikey", key).bearer_auth(key);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn status(app: &ferrobase_testkit::App, path: &str, key: &str) -> u16 {
    ask(app, path, key).await.0
}

/// Waits until a key is answered so; servers look every few seconds.
async fn becomes(app: &ferrobase_testkit::App, path: &str, key: &str, wanted: u16) {
    let began = Instant::now();
    loop {
        let seen = status(app, path, key).await;
        if seen == wanted {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{path} answers {seen}, not {wanted}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_opaque_key_works_until_it_is_taken_back() {
    let database = support::installed().await;
    database
        .script(
            "create table public.secrets (id int primary key); insert into public.secrets values (1);
             alter table public.secrets enable row level security;
             grant select on public.secrets to service_role;
             create function public.me() returns text language sql as 'select current_user::text'",
        )
        .await;
    let app = support::serve(&database).start().await.unwrap();
    let (project, url) = (Project::empty(), database.url());
    let keys = |arguments: &[&str]| project.run(&[&["keys"], arguments, &["--database-url", url]].concat());
    let secret = keys(&["create", "reports"]);
    assert!(secret.err.contains("the only time"), "{}", secret.err);
    let secret = secret.succeeds().trim().to_owned();
    let public = keys(&["create", "web", "--publishable", "--json"]).json();
    let public = public["key"].as_str().unwrap();
    assert!(secret.starts_with("sb_secret_") && public.starts_with("sb_publishable_"));
    becomes(&app, "/rest/v1/secrets", &secret, 200).await;
    becomes(&app, "/rest/v1/rpc/me", public, 200).await;
    let admin = status(&app, "/auth/v1/admin/users", &secret).await;
    assert_eq!((admin, status(&app, "/auth/v1/admin/users", public).await), (200, 403));
    assert_eq!(ask(&app, "/rest/v1/secrets", public).await, (200, "[]".to_owned()), "policies bind the public key");
    assert_eq!(ask(&app, "/rest/v1/secrets", &secret).await, (200, "[{\"id\":1}]".to_owned()));
    // Nothing of a key is in the database but its hash and its beginning.
    let listed = keys(&["list", "--json"]).json();
    let row =
        database.connect().await.query("select string_agg(k::text, ' ') from auth.api_keys k", &[]).await.unwrap();
    let row = row.rows.first().unwrap().text(0).unwrap().to_owned();
    assert!(!row.contains(&secret) && !listed.to_string().contains(&secret), "{row} {listed}");
    assert!(keys(&["create", "reports"]).err.contains("already"));
    for name in ["", &"x".repeat(121), "two\nlines"] {
        let told = keys(&["create", name]).err;
        assert!(told.contains("a key needs a name of one line, of at most 120 characters"), "{name}: {told}");
    }
    let everything = keys(&["create", "all", "--publishable", "--role", "service_role"]);
    everything.fails(&["--role service_role: it passes row-level security", "leave out --publishable"]);
    assert!(keys(&["create", "x", "--role", "nobody_such"]).err.contains("no role nobody_such"));
    let began = Instant::now();
    while keys(&["list", "--json"]).json().as_array().unwrap().iter().all(|key| key["last_used_at"].is_null()) {
        assert!(began.elapsed() < Duration::from_secs(20), "no use was noted");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    keys(&["revoke", "reports"]).succeeds();
    assert!(keys(&["revoke", "reports"]).err.contains("no key reports"));
    becomes(&app, "/rest/v1/secrets", &secret, 401).await;
    assert!(keys(&["list"]).succeeds().contains("revoked"));
    assert_eq!(status(&app, "/rest/v1/rpc/me", "sb_secret_made_up").await, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_a_role_that_no_request_runs_as_is_not_made() {
    let database = support::installed().await;
    let (project, url) = (Project::empty(), database.url());
    let create = |name: &str, role: &str| {
        project.run(&["keys", "create", name, "--role", role, "--json", "--database-url", url])
    };
    let owner = database.connect().await.query("select current_user", &[]).await.unwrap();
    let owner = owner.rows.first().unwrap().text(0).unwrap().to_owned();
    for role in [&owner, "pg_read_all_data"] {
        create("wrong", role).fails(&[&format!("--role {role}: no request may run as it: it ")]);
    }
    // One that another configuration may allow is made, with a word; here it is refused like a token that names it.
    let reporting = format!("reporting_{}", std::process::id());
    database.script(&format!("drop role if exists {reporting}; create role {reporting} nologin")).await;
    let told = create("reports", &reporting);
    assert!(told.err.contains("is not in auth.allowed_roles"), "{}", told.err);
    let key = told.json()["key"].as_str().unwrap().to_owned();
    let app = support::serve(&database).start().await.unwrap();
    becomes(&app, "/rest/v1/", &key, 403).await;
    let listed = project.run(&["keys", "list", "--json", "--database-url", url]).json();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    assert!(!create("more", "service_role").err.contains("allowed_roles"));
    database.script(&format!("drop role {reporting}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_with_scopes_opens_those_and_nothing_else() {
    let database = support::installed().await;
    database.script("create table public.notes (id int primary key); grant all on public.notes to service_role").await;
    let app = support::serve(&database).start().await.unwrap();
    let (project, url) = (Project::empty(), database.url());
    let create = |arguments: &[&str]| {
        project.run(&[&["keys", "create"], arguments, &["--json", "--database-url", url]].concat())
    };
    let reader = create(&["reader", "--scope", "rest:read"]).json();
    assert_eq!(reader["scopes"], json!(["rest:read"]));
    let admin = create(&["admin", "--scope", "auth:admin", "--scope", "rest:write"]).json();
    assert!(create(&["wrong", "--scope", "rest:drop"]).err.contains("no scope \"rest:drop\"; the scopes are rest,"));
    let (reader, admin) = (reader["key"].as_str().unwrap(), admin["key"].as_str().unwrap());
    becomes(&app, "/rest/v1/notes", reader, 200).await;
    becomes(&app, "/auth/v1/admin/users", admin, 200).await;
    let insert = async |key: &str, bearer: &str| {
        let request = Client::new().post(app.url("/rest/v1/notes")).header("apikey", key).bearer_auth(bearer);
        let answer = request.json(&json!({"id": 1})).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (refused, text) = insert(reader, reader).await;
    assert!(refused == 403 && text.contains("FB305") && text.contains("rest:write"), "{text}");
    // A token beside it does not take its bounds away.
    assert_eq!(insert(reader, &token::of_role("service_role")).await.0, 403);
    assert_eq!(status(&app, "/auth/v1/admin/users", reader).await, 403);
    assert_eq!(status(&app, "/auth/v1/settings", reader).await, 403);
    assert_eq!(status(&app, "/rest/v1/notes", admin).await, 403);
    let graphql = create(&["graphs", "--scope", "graphql"]).json();
    let graphql = graphql["key"].as_str().unwrap();
    let query = async |key: &str| {
        let request = Client::new().post(app.url("/graphql/v1")).header("apikey", key);
        request.json(&json!({"query": "{ __typename }"})).send().await.unwrap().status().as_u16()
    };
    becomes(&app, "/rest/v1/notes", graphql, 403).await;
    assert_eq!((query(graphql).await, query(reader).await), (200, 403));
    assert_eq!(insert(admin, admin).await.0, 201);
    let listed = project.run(&["keys", "list", "--database-url", url]).succeeds();
    assert!(listed.contains("auth:admin rest:write"), "{listed}");
}

/// Waits until a node publishes so many keys.
async fn published(app: &ferrobase_testkit::App, wanted: usize) -> Vec<String> {
    let began = Instant::now();
    loop {
        let answer = Client::new().get(app.url("/auth/v1/.well-known/jwks.json")).send().await.unwrap();
        let set: Value = answer.json().await.unwrap();
        assert!(!set.to_string().contains("\"d\""), "{set}");
        let kids: Vec<_> =
            set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect();
        if kids.len() == wanted {
            return kids;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{kids:?}, not {wanted}:\n{}", app.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn signed_up(app: &ferrobase_testkit::App, email: &str) -> (String, Option<String>) {
    let body = json!({"email": email, "password": "password"});
    let answer = Client::new().post(app.url("/auth/v1/signup")).json(&body).send().await.unwrap();
    let session: Value = answer.json().await.unwrap();
    let token = session["access_token"].as_str().unwrap_or_else(|| panic!("{session}")).to_owned();
    let kid = jsonwebtoken::decode_header(&token).unwrap().kid;
    (token, kid)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_keys_of_the_database_turn_on_every_node_without_a_restart() {
    let database = support::installed().await;
    database.script("create function public.me() returns text language sql as 'select auth.uid()::text'").await;
    let node = || support::serve(&database).env("FERROBASE_AUTH__EMAIL__AUTOCONFIRM", "true");
    let (one, two) = (node().start().await.unwrap(), node().start().await.unwrap());
    let (project, url) = (Project::empty(), database.url());
    let signing = |arguments: &[&str]| {
        project.run(&[&["keys", "signing"], arguments, &["--json", "--database-url", url]].concat())
    };
    let (by_secret, kid) = signed_up(&one, "ann@example.com").await;
    assert_eq!(kid, None);
    assert!(signing(&["standby"]).err.contains("`generate` makes the first"));
    let first = signing(&["generate"]).json()[0]["kid"].as_str().unwrap().to_owned();
    assert!(signing(&["generate"]).err.contains("`standby` and `rotate`"));
    for node in [&one, &two] {
        assert_eq!(published(node, 1).await, std::slice::from_ref(&first));
    }
    let (by_first, kid) = signed_up(&one, "bob@example.com").await;
    assert_eq!(kid.as_ref(), Some(&first));
    assert_eq!(status(&two, "/rest/v1/rpc/me", &by_first).await, 200, "the other node believes it");
    signing(&["standby"]).json();
    for node in [&one, &two] {
        published(node, 2).await;
    }
    let turned = signing(&["rotate"]).json();
    let next = turned.as_array().unwrap().iter().find(|key| key["signs"] == true).unwrap()["kid"].as_str().unwrap();
    let began = Instant::now();
    let mut number = 0;
    while signed_up(&two, &format!("{number}@example.com")).await.1.as_deref() != Some(next) {
        number += 1;
        assert!(began.elapsed() < Duration::from_secs(20), "the node goes on signing with the old key");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!(signing(&["remove", next]).err.contains("does not sign"));
    signing(&["remove", &first]).json();
    assert_eq!(published(&one, 1).await, [next]);
    becomes(&one, "/rest/v1/rpc/me", &by_first, 401).await;
    assert_eq!(status(&one, "/rest/v1/rpc/me", &by_secret).await, 200, "the secret is another key");
    // The room's role, as which hooks and triggers run, reads none of it; no private key is anywhere.
    let refused =
        database.connect().await.query("set role supabase_auth_admin; select from ferrobase.secrets", &[]).await;
    assert!(refused.is_err());
    let stored = "select string_agg(value, ' ') from ferrobase.secrets where name = 'room.auth.signing_keys'";
    let stored = database.connect().await.query(stored, &[]).await.unwrap();
    assert_eq!(stored.rows.first().unwrap().text(0).unwrap(), format!("[{{\"kid\":\"{next}\",\"signs\":true}}]"));
    // The last one may go.
    signing(&["remove", next]).json();
    published(&two, 0).await;
    assert_eq!(signed_up(&two, "eve@example.com").await.1, None);
}

#[test]
fn signing_keys_are_made_turned_and_retired() {
    let project = Project::empty();
    let signing = |arguments: &[&str]| {
        project.run(&[&["keys", "signing"], arguments, &["--file", "signing.json", "--json"]].concat())
    };
    let first = signing(&["generate"]).json();
    assert_eq!((first.as_array().unwrap().len(), &first[0]["signs"]), (1, &json!(true)));
    assert!(signing(&["generate"]).err.contains("exists"));
    assert!(signing(&["rotate"]).err.contains("standby"));
    let both = signing(&["standby"]).json();
    assert_eq!((&both[0]["signs"], &both[1]["signs"]), (&json!(true), &json!(false)));
    let old = both[0]["kid"].as_str().unwrap();
    assert!(signing(&["remove", old]).err.contains("does not sign"));
    let turned: Value = signing(&["rotate"]).json();
    assert_eq!((&turned[0]["signs"], &turned[1]["signs"]), (&json!(false), &json!(true)));
    assert_eq!(signing(&["remove", old]).json().as_array().unwrap().len(), 1);
    let text = std::fs::read_to_string(project.path().join("signing.json")).unwrap();
    ferrobase_auth::keys::SigningKeys::read(&serde_json::from_str(&text).unwrap()).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(project.path().join("signing.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
