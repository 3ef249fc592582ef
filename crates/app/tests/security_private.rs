//! Attacks on what belongs to a whole cluster: roles, logins, the server's log. Each test has a PostgreSQL of its own.

use std::time::Duration;

use ferrobase_pg::{ConnectOptions, Session};
use ferrobase_testkit::{App, PrivateCluster, pooler, token};
use reqwest::Method;
use serde_json::json;

use crate::caller::{Caller, PATIENCE, eventually, value};
use crate::security::{SCHEMA, ask, go};
use crate::support::{ANN, BINARY, BOB};

async fn session(cluster: &PrivateCluster) -> Session {
    Session::connect(&ConnectOptions::parse(&cluster.url()).unwrap()).await.unwrap()
}

/// Ends every session but the asker's, so that the server logs in anew.
async fn end_sessions(session: &mut Session) {
    let sql = "select count(pg_terminate_backend(pid)) from pg_stat_activity
               where pid <> pg_backend_pid() and backend_type = 'client backend'";
    value(session, sql).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_21_settings_that_code_gives_its_role_lift_no_bound() {
    let cluster = PrivateCluster::start(&[]).await.unwrap();
    let serve = App::serve(BINARY, &cluster.url()).env("FERROBASE_DATABASE__STATEMENT_TIMEOUT", "5s");
    let app = serve.start().await.unwrap();
    let mut direct = session(&cluster).await;
    direct.script(SCHEMA).await.unwrap();
    direct.script("create schema private; create table private.vault (id int)").await.unwrap();
    let caller = Caller::of(&app);
    let look = "select concat_ws('|', current_setting('statement_timeout'), current_setting('work_mem'),
        current_setting('lock_timeout'), current_setting('search_path'), current_setting('row_security'),
        current_setting('app.user_id'), current_setting('request.jwt.claims'), current_user,
        current_setting('transaction_read_only'), current_setting('default_transaction_read_only'))";
    eventually("the schema is known", PATIENCE, async || ask(&caller, "select 1").await.status == 200).await;
    let clean = ask(&caller, look).await.json();
    for setting in [
        "statement_timeout = 0",
        "work_mem = '64GB'",
        "lock_timeout = '3s'",
        "search_path = private",
        "row_security = off",
        "role = 'service_role'",
        "default_transaction_read_only = on",
        // PostgreSQL 15 and later let superusers only do these.
        "app.user_id = 'evil'",
        "request.jwt.claims = '{\"role\": \"service_role\"}'",
        "pgrst.db_schemas = 'private'",
    ] {
        let answer = go(&caller, &format!("alter role anon set {setting}")).await;
        assert!(answer.status == 204 || answer.code() == "42501", "{setting}: {answer:?}");
        // As if it had been let.
        direct.script(&format!("alter role anon set {setting}")).await.unwrap();
    }
    direct.script("notify ferrobase").await.unwrap();
    let expected = clean.as_str().unwrap().replacen("|4MB|0|", "|64MB|3s|", 1);
    let bounded = async || ask(&caller, look).await.json() == json!(expected);
    let limit = Duration::from_secs(5);
    eventually("only what is allowed is taken, up to the bound", limit, bounded).await;
    assert_eq!(caller.get("/notes").await.json(), json!([]));

    // Configuration in the database chooses no keys, schemas or roles.
    direct
        .script(
            "alter role authenticator set pgrst.db_schemas = 'private';
             alter role authenticator set pgrst.db_anon_role = 'service_role';
             alter role authenticator set pgrst.jwt_secret = 'a secret of the attacker, long enough to be taken';
             notify pgrst, 'reload config'; notify pgrst, 'reload schema'",
        )
        .await
        .unwrap();
    end_sessions(&mut direct).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let profile = caller.request(Method::GET, "/vault").header("accept-profile", "private");
    assert_eq!(caller.send(profile).await.unwrap().status, 406);
    assert_eq!(caller.get("/notes").await.json(), json!([]));
    assert_eq!(caller.with(token::of_user(ANN)).get("/notes?select=body").await.json(), json!([{"body": "of ann"}]));
}

/// A login may change its own password and settings, and code can run as the login. That must not last.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_21_a_login_cannot_be_turned_against_the_server() {
    // PgBouncer's connections are not opened, and so not looked at, by us: docs/guide/operating.md says what remains.
    if pooler::is_used() {
        return;
    }
    let cluster = PrivateCluster::start(&[]).await.unwrap();
    let app = App::serve(BINARY, &cluster.url()).start().await.unwrap();
    let mut direct = session(&cluster).await;
    direct.script(SCHEMA).await.unwrap();
    let caller = Caller::of(&app);
    let (ann, bob) = (caller.with(token::of_user(ANN)), caller.with(token::of_user(BOB)));
    eventually("the schema is known", PATIENCE, async || ask(&caller, "select 1").await.status == 200).await;
    let long = std::env::var_os("FERROBASE_LONG").is_some();
    let changes = [
        "set row_security = off",
        "set local_preload_libraries = ''missing''",
        "password ''of the attacker''",
        // The others take the same way; two seconds each.
        "set idle_session_timeout = 1",
        "set statement_timeout = 1",
        "set lock_timeout = 1",
        "set default_transaction_read_only = on",
        "set search_path = pg_temp",
        "set standard_conforming_strings = off",
        "set work_mem = ''64GB''",
        "set role = authenticated",
        "set client_encoding = ''LATIN1''",
    ];
    for change in &changes[..if long { changes.len() } else { 3 }] {
        let attack = format!(
            "do $d$ begin perform set_config('role', 'none', true);
             execute 'alter role ' || session_user || ' {change}'; end $d$"
        );
        let answer = go(&caller, &attack).await;
        assert_eq!(answer.status, 204, "{change}: {answer:?}");
        end_sessions(&mut direct).await;
        let healthy = async || {
            let read = ann.get("/notes?select=body&body=eq.of ann").await;
            let write = bob.post("/notes", &json!({"body": "more"})).await;
            let memory = ask(&caller, "select current_setting('work_mem')").await;
            read.status == 200
                && read.json() == json!([{"body": "of ann"}])
                && write.status == 201
                && memory.body == "\"4MB\""
        };
        let took = eventually(change, Duration::from_secs(10), healthy).await;
        println!("{change}: healthy after {took:?}");
    }
}

/// Passwords, codes and tokens go to the room of sign-in, right ones and wrong ones; gives the secrets that it made.
async fn sign_in_with_canaries(app: &App) -> Vec<String> {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let call = async |method: Method, path: &str, token: Option<&str>, body: serde_json::Value| -> serde_json::Value {
        let mut request = client.request(method, app.url(&format!("/auth/v1{path}"))).json(&body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        request.send().await.unwrap().json().await.unwrap_or_default()
    };
    let email = "ada@example.com";
    let body = json!({"email": email, "password": "canary-password"});
    let session = call(Method::POST, "/signup", None, body.clone()).await;
    let token = session["access_token"].as_str().unwrap_or_else(|| panic!("{session}"));
    for body in [
        body,
        json!({"email": email, "password": "canary-wrong-password"}),
        json!({"email": "canary-nobody", "password": "canary-wrong-password"}),
    ] {
        call(Method::POST, "/token?grant_type=password", None, body).await;
    }
    for (path, body) in [
        ("/verify", json!({"type": "email", "email": email, "token": "canary-code"})),
        ("/verify", json!({"type": "email", "token_hash": "canary-hash"})),
        ("/token?grant_type=refresh_token", json!({"refresh_token": "canary-refresh-token"})),
        ("/token?grant_type=pkce", json!({"auth_code": "canary-auth-code", "code_verifier": "canary-verifier"})),
        (
            "/token?grant_type=id_token",
            json!({"provider": "google", "id_token": "canary-id-token", "nonce": "canary-nonce"}),
        ),
        (
            "/token?grant_type=web3",
            json!({"chain": "ethereum", "message": "canary-message", "signature": "canary-signature"}),
        ),
    ] {
        call(Method::POST, path, None, body).await;
    }
    let asked = client.get(app.url("/auth/v1/verify?token=canary-link&type=signup")).send().await.unwrap();
    assert!(asked.headers()["location"].to_str().unwrap().contains("error_code"), "{asked:?}");
    for body in [json!({"password": "canary-new-password", "nonce": "canary-nonce", "current_password": "canary-old"})]
    {
        call(Method::PUT, "/user", Some(token), body).await;
    }
    let refreshed = json!({"refresh_token": session["refresh_token"]});
    let refreshed = call(Method::POST, "/token?grant_type=refresh_token", None, refreshed).await;
    let secret = |session: &serde_json::Value, name: &str| {
        let text = session[name].as_str().unwrap_or_else(|| panic!("{session}"));
        // Of a token the part that proves something.
        text.rsplit('.').next().unwrap().to_owned()
    };
    let tokens =
        [&session, &refreshed].map(|session| ["access_token", "refresh_token"].map(|name| secret(session, name)));
    tokens.concat()
}

/// Marked secrets go in by every way there is; none of them comes out into a log, a metric or an answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_28_no_secret_is_in_any_log() {
    const OWNER: &str = "canary-owner-password";
    const SECRET: &str = "canary-jwt-secret-that-is-long-enough-for-anybody";
    let cluster = PrivateCluster::start(&[]).await.unwrap();
    let mut direct = session(&cluster).await;
    direct.script(&format!("create role owner superuser login password '{OWNER}'")).await.unwrap();
    direct.script(SCHEMA.replace("default auth.uid()", "").split("create table notes").next().unwrap()).await.unwrap();
    for (name, value) in [
        ("log_statement", "all"),
        ("log_min_duration_statement", "0"),
        ("log_parameter_max_length", "-1"),
        ("log_parameter_max_length_on_error", "-1"),
        ("log_min_messages", "debug1"),
        ("log_connections", "on"),
    ] {
        direct.script(&format!("alter system set {name} = '{value}'")).await.unwrap();
    }
    value(&mut direct, "select pg_reload_conf()").await;
    let url = cluster.url().replace("postgres:testkit@", &format!("owner:{OWNER}@"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ferrobase.log");
    let app = App::serve(BINARY, &url)
        .arg("--log-query")
        .env("FERROBASE_AUTH__JWT_SECRET", SECRET)
        .env("FERROBASE_AUTH__EMAIL__AUTOCONFIRM", "true")
        .env("FERROBASE_OBSERVABILITY__LOG__LEVEL", "trace")
        .env("FERROBASE_OBSERVABILITY__LOG__FILE", file.display().to_string())
        .start()
        .await
        .unwrap();
    let caller = Caller::of(&app);
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let claims = json!({ "role": "authenticated", "sub": ANN, "exp": token::now() + 3600 });
    let good = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
    let mut answers = String::new();
    let mut requests = Vec::new();
    for path in
        ["/rpc/ask", "/nowhere", "/rpc/go?apikey=canary-q1&token=canary-q2&ACCESS_TOKEN=canary-q3&c%6Fde=canary-q4"]
    {
        let post = || caller.request(Method::POST, path).json(&json!({ "sql": "select 1/0" }));
        requests.extend([
            post().bearer_auth(&good),
            post().bearer_auth("canary-bad-bearer"),
            post().header("apikey", "canary-bad-key"),
            post().header("apikey", "canary-bad-key").bearer_auth(&good),
            post().header("cookie", "session=canary-cookie"),
            post().header("authorization", "Basic canary-basic"),
            post().header("proxy-authorization", "canary-proxy"),
            post().header("x-api-key", "canary-x-key"),
        ]);
    }
    for request in requests {
        answers.push_str(&caller.send(request).await.unwrap().body);
    }
    let given = sign_in_with_canaries(&app).await;
    let metrics = reqwest::get(app.admin_url("/metrics")).await.unwrap().text().await.unwrap();
    // The passwords that the installation made, as the database keeps them.
    let stored = direct.query("select value from ferrobase.secrets where name like '%password'", &[]).await.unwrap();
    let session_keys = direct.query("select refresh_token_hmac_key from auth.sessions", &[]).await.unwrap();
    let session_keys = session_keys.rows.iter().map(|row| row.text(0).unwrap().to_owned());
    let given: Vec<String> = given.into_iter().chain(session_keys).collect();
    assert!(given.len() >= 5);
    let passwords: Vec<String> = stored.rows.iter().map(|row| row.text(0).unwrap().to_owned()).collect();
    assert_eq!(passwords.len(), 3, "requests, service keys, signing in");
    // A start that fails on its password says so, and not with which.
    let wrong = App::serve(BINARY, &url.replace(OWNER, "canary-wrong")).without_waiting().start().await.unwrap();
    eventually("the refused login is logged", PATIENCE, async || wrong.log().contains("not usable yet")).await;
    let pids = [wrong.log(), app.log()];
    drop(app);
    let (logged, by_postgres) = (std::fs::read_to_string(&file).unwrap(), cluster.log());
    assert!(logged.contains("Statement") && logged.contains("Request completed"), "the log is on");
    assert!(by_postgres.contains("parameters: $1") && by_postgres.contains("request.headers"), "parameters are logged");
    let signature = good.rsplit('.').next().unwrap().to_owned();
    for (name, text) in [
        ("the log file", &logged),
        ("PostgreSQL's log", &by_postgres),
        ("the output", &pids[0]),
        ("the output", &pids[1]),
        ("an answer", &answers),
        ("the metrics", &metrics),
    ] {
        for secret in passwords.iter().chain(&given).chain([&signature]).map(String::as_str).chain(["canary"]) {
            if let Some(line) = text.lines().find(|line| line.contains(secret)) {
                // The name of a parameter that could not be read is quoted back to whoever sent it, and to nobody else.
                assert!(name == "an answer", "{secret} is in {name}: {line}");
            }
        }
    }
    for secret in [OWNER, SECRET, "canary-bad", "canary-cookie", "canary-basic", &signature] {
        assert!(!answers.contains(secret), "{secret} is in an answer");
    }
}
