//! What the tutorial does, the second port, sockets, logs, and a database that is not there.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use ferrobase_testkit::proxy::{Fault, Proxy};
use ferrobase_testkit::{App, token};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Deployment, eventually, get, signal};
use crate::caller::{self, PATIENCE};
use crate::support::BINARY;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tutorial_works_as_written() {
    let deployment = Deployment::new().await;
    let app = deployment.start().await;
    let (status, body) = get(&app, "/todos?select=id,task&order=id").await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(
        body,
        r#"[{"id":1,"task":"finish tutorial 0"}, {"id":2,"task":"pat self on back"}]"#.replace("}, {", "}, \n {")
    );

    let client = reqwest::Client::new();
    let anonymous = client.post(app.url("/todos")).json(&json!({"task": "do bad thing"})).send().await.unwrap();
    assert_eq!(anonymous.status(), 401);
    let error: Value = anonymous.json().await.unwrap();
    assert_eq!((&error["code"], &error["message"]), (&json!("42501"), &json!("permission denied for table todos")));

    let user = token::with_claims(&json!({"role": deployment.role("user"), "exp": token::now() + 300}));
    let written = client.post(app.url("/todos")).bearer_auth(&user).json(&json!({"task": "learn how to auth"}));
    assert_eq!(written.send().await.unwrap().status(), 201);
    let changed = client.patch(app.url("/todos")).bearer_auth(&user).json(&json!({"done": true}));
    assert_eq!(changed.send().await.unwrap().status(), 204);
    assert_eq!(get(&app, "/rpc/who").await.1, format!("\"{}\"", deployment.role("anon")));
    let as_user = client.get(app.url("/rpc/who")).bearer_auth(&user).send().await.unwrap().text().await.unwrap();
    assert_eq!(as_user, format!("\"{}\"", deployment.role("user")));
    let refused = client.get(app.url("/todos")).bearer_auth("nonsense").send().await.unwrap();
    assert_eq!(refused.status(), 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_anonymous_role_a_token_is_needed() {
    let deployment = Deployment::new().await;
    let app = App::postgrest(BINARY, &deployment.url()).env("PGRST_DB_SCHEMAS", "api").start().await.unwrap();
    let (status, body) = get(&app, "/todos").await;
    assert_eq!(status, 401);
    assert!(body.contains("PGRST302"), "{body}");
}

/// Nothing of `ferrobase.yaml`, of `FERROBASE_*` or of our installation counts here (design 8.10).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_installed_and_nothing_of_ours_is_read() {
    let deployment = Deployment::new().await;
    let app =
        deployment.server().env("FERROBASE_NONSENSE", "1").env("FERROBASE_REST__MAX_ROWS", "1").start().await.unwrap();
    let rows: Value = serde_json::from_str(&get(&app, "/todos").await.1).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 2);
    let mut session = deployment.database.connect().await;
    let ours = session.query("select 1 from pg_namespace where nspname in ('ferrobase', 'auth', 'app')", &[]).await;
    assert!(ours.unwrap().rows.is_empty());
    // A table without row security is as visible as its grants say.
    assert_eq!(get(&app, "/rest/v1/todos").await.0, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_port_tells_how_it_is() {
    let deployment = Deployment::new().await;
    let app = deployment.start().await;
    for (path, status) in
        [("/live", 200), ("/ready", 200), ("/metrics", 200), ("/schema_cache", 200), ("/nothing", 404)]
    {
        assert_eq!(reqwest::get(app.admin_url(path)).await.unwrap().status(), status, "{path}");
    }
    let metrics = reqwest::get(app.admin_url("/metrics")).await.unwrap().text().await.unwrap();
    for line in [
        "pgrst_schema_cache_loads_total{status=\"SUCCESS\"} 1",
        "pgrst_db_pool_max 10",
        "pgrst_db_pool_timeouts_total 0",
        "pgrst_jwt_cache_requests_total 0",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    let cache: Value = reqwest::get(app.admin_url("/schema_cache")).await.unwrap().json().await.unwrap();
    assert_eq!(cache["relations"][0]["name"], "api.todos");
    deployment.database.script("drop schema api cascade; create schema api; create view api.v as select 1 as a").await;
    signal(&app, Signal::SIGUSR1);
    eventually(&app, "the new cache", async || {
        reqwest::get(app.admin_url("/schema_cache")).await.unwrap().text().await.unwrap().contains("api.v")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_takes_the_place_of_the_port() {
    let deployment = Deployment::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    let _app = deployment
        .server()
        .env("PGRST_SERVER_UNIX_SOCKET", path.to_str().unwrap())
        .env("PGRST_SERVER_UNIX_SOCKET_MODE", "600")
        .start()
        .await
        .unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    stream.write_all(b"GET /todos?select=id HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

/// PostgREST's errors page: `status_text`; a message of `PTxyz` stands there too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_choose_the_words_beside_a_status() {
    let deployment = Deployment::new().await;
    let raise = |name: &str, state: &str, message: &str, detail: &str| {
        format!(
            "create function api.{name}() returns void language plpgsql as $$ begin
                raise sqlstate '{state}' using message = '{message}', detail = '{detail}'; end $$;"
        )
    };
    let json = r#"{"code": "1", "message": "m"}"#;
    for (name, detail) in [
        ("expired", r#"{"status": 419, "status_text": "Page Expired", "headers": {"X-Powered-By": "Nerd Rage"}}"#),
        ("known", r#"{"status": 404, "headers": {}}"#),
        ("unknown", r#"{"status": 419, "headers": {}}"#),
        ("split", r#"{"status": 419, "status_text": "a\r\nSet-Cookie: b", "headers": {}}"#),
    ] {
        deployment.database.script(&raise(name, "PGRST", json, detail)).await;
    }
    deployment.database.script(&raise("pay", "PT402", "Pay first", "x")).await;
    deployment.database.script(&raise("lines", "PT402", "Pay\nfirst", "x")).await;
    deployment
        .database
        .script("create function api.odd() returns text language sql as $$ select set_config('response.status', '299', true); select 'x'::text $$")
        .await;
    let app = deployment.start().await;
    for (name, line) in [
        ("expired", "HTTP/1.1 419 Page Expired\r\n"),
        ("known", "HTTP/1.1 404 Not Found\r\n"),
        ("unknown", "HTTP/1.1 419 \r\n"),
        ("split", "HTTP/1.1 500 Internal Server Error\r\n"),
        ("pay", "HTTP/1.1 402 Pay first\r\n"),
        ("lines", "HTTP/1.1 402 Payment Required\r\n"),
        ("odd", "HTTP/1.1 299 \r\n"),
    ] {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", app.port())).await.unwrap();
        let head = format!("POST /rpc/{name} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(line), "{name}: {answer}");
        assert_eq!(answer.to_ascii_lowercase().contains("x-powered-by: nerd rage"), name == "expired", "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_logged_in_apaches_form_by_their_status() {
    let deployment = Deployment::new().await;
    let app = deployment.server().env("PGRST_LOG_LEVEL", "info").start().await.unwrap();
    let request = reqwest::Client::new().get(app.url("/todos?select=id")).header("User-Agent", "test \"agent\"");
    request.send().await.unwrap();
    get(&app, "/nothing").await;
    let anon = deployment.role("anon");
    let mut log = String::new();
    eventually(&app, "two lines", async || app.log().contains("/nothing")).await;
    log.push_str(&app.log());
    let line = log.lines().find(|line| line.contains("/todos")).unwrap();
    assert!(line.starts_with(&format!("127.0.0.1 - {anon} [")), "{line}");
    assert!(line.ends_with("\"GET /todos?select=id HTTP/1.1\" 200 22 \"\" \"test ?agent?\""), "{line}");
    assert!(log.contains("\"GET /nothing HTTP/1.1\" 404"), "{log}");
    assert!(log.contains(": API server listening on 127.0.0.1:"), "{log}");
    assert!(log.contains("Listener connected to"), "{log}");

    let quiet = deployment.start().await;
    get(&quiet, "/nothing").await;
    assert!(!quiet.log().contains("/nothing"), "{}", quiet.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_means_503_until_it_is_there() {
    let deployment = Deployment::new().await;
    let direct = ferrobase_pg::ConnectOptions::parse(&deployment.url()).unwrap();
    let proxy = Proxy::start(direct.hosts()[0].to_string()).await.unwrap();
    proxy.set(Fault::Refuse);
    let server = App::postgrest(BINARY, &proxy.in_front_of(&deployment.url())).env("PGRST_DB_SCHEMAS", "api");
    let app = server.env("PGRST_DB_ANON_ROLE", deployment.role("anon")).without_waiting().start().await.unwrap();
    eventually(&app, "an answer", async || reqwest::get(app.url("/todos")).await.is_ok()).await;
    let answer = reqwest::get(app.url("/todos")).await.unwrap();
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    assert!(answer.text().await.unwrap().contains("PGRST002"));
    assert_eq!(reqwest::get(app.admin_url("/ready")).await.unwrap().status(), 503);
    assert_eq!(reqwest::get(app.admin_url("/live")).await.unwrap().status(), 200);
    proxy.set(Fault::None);
    eventually(&app, "the schema cache", async || get(&app, "/todos").await.0 == 200).await;
}

/// Nobody asks for anything but `/ready` between the database's end and its return.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_goes_away_is_not_ready_until_it_is_back() {
    let deployment = Deployment::new().await;
    let direct = ferrobase_pg::ConnectOptions::parse(&deployment.url()).unwrap();
    let proxy = Proxy::start(direct.hosts()[0].to_string()).await.unwrap();
    let server = App::postgrest(BINARY, &proxy.in_front_of(&deployment.url())).env("PGRST_DB_SCHEMAS", "api");
    let app = server.env("PGRST_DB_ANON_ROLE", deployment.role("anon")).start().await.unwrap();
    let ready = async || reqwest::get(app.admin_url("/ready")).await.unwrap().status().as_u16();
    for _ in 0..2 {
        assert_eq!(ready().await, 200);
        proxy.set(Fault::Refuse);
        eventually(&app, "not ready", async || ready().await == 503).await;
        assert_eq!(get(&app, "/todos").await.0, 503);
        assert_eq!(reqwest::get(app.admin_url("/live")).await.unwrap().status(), 200);
        proxy.set(Fault::None);
        eventually(&app, "ready again", async || ready().await == 200).await;
        assert_eq!(get(&app, "/todos").await.0, 200);
    }
}

/// A health check must not take a server that is only busy out of service.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_connections_are_all_at_work_is_ready() {
    let deployment = Deployment::new().await;
    let slow = "create function api.slow() returns text language sql as $$ select pg_sleep(4); select 'done'::text $$";
    deployment.database.script(slow).await;
    let app = deployment.server().env("PGRST_DB_POOL", "1").start().await.unwrap();
    let running = tokio::spawn(reqwest::get(app.url("/rpc/slow")));
    tokio::time::sleep(Duration::from_millis(500)).await;
    let asked = std::time::Instant::now();
    assert_eq!(reqwest::get(app.admin_url("/ready")).await.unwrap().status(), 200);
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    assert_eq!(running.await.unwrap().unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_and_no_recovery_end_the_process() {
    let deployment = Deployment::new().await;
    let wrong = deployment.database.url_as(&deployment.role("login"), "wrong");
    let mut app = App::postgrest(BINARY, &wrong).without_waiting().start().await.unwrap();
    let status = app.wait(Duration::from_secs(10)).await.unwrap();
    assert_eq!(status.code(), Some(1), "{}", app.log());
    assert!(app.log().contains("password authentication failed"), "{}", app.log());

    let nowhere = App::postgrest(BINARY, "postgresql://nobody@127.0.0.1:1/none");
    let mut app = nowhere.env("PGRST_DB_POOL_AUTOMATIC_RECOVERY", "false").without_waiting().start().await.unwrap();
    assert_eq!(app.wait(Duration::from_secs(10)).await.unwrap().code(), Some(1), "{}", app.log());
    assert!(app.log().contains("Automatic recovery disabled"), "{}", app.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_in_flight_end_before_the_process_does() {
    let deployment = Deployment::new().await;
    let slow = "create function api.slow() returns text language sql as $$ select pg_sleep(1); select 'done'::text $$";
    deployment.database.script(slow).await;
    let mut app = deployment.start().await;
    let running = tokio::spawn(reqwest::get(app.url("/rpc/slow")));
    tokio::time::sleep(Duration::from_millis(300)).await;
    signal(&app, Signal::SIGTERM);
    assert_eq!(running.await.unwrap().unwrap().text().await.unwrap(), "\"done\"");
    assert_eq!(app.wait(Duration::from_secs(10)).await.unwrap().code(), Some(0));
    assert!(app.log().contains("Received termination unix signal SIGTERM"), "{}", app.log());
}

/// Two processes share the port; the new one takes over without a failed request (`server-reuseport`).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_process_takes_over_without_a_failed_request() {
    let deployment = Deployment::new().await;
    let mut old = deployment.server().env("PGRST_SERVER_REUSEPORT", "true").start().await.unwrap();
    let (url, asked) = (old.url("/todos"), Arc::new(AtomicU64::new(0)));
    let counted = Arc::clone(&asked);
    let asking = tokio::spawn(async move {
        // A connection for each request: a kept one would stay with the old process.
        let client = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
        loop {
            let answer = client.get(&url).header("Connection", "close").send().await;
            assert_eq!(answer.unwrap().status(), 200);
            counted.fetch_add(1, Relaxed);
        }
    });
    let more = async |what: &str| {
        let before = asked.load(Relaxed);
        let enough = async || asking.is_finished() || asked.load(Relaxed) >= before + 100;
        caller::eventually(what, PATIENCE, enough).await;
        assert!(!asking.is_finished(), "a request failed: {what}");
    };
    more("the old one answers").await;
    let new = deployment.server().env("PGRST_SERVER_REUSEPORT", "true").port(old.port()).start().await.unwrap();
    more("both answer").await;
    signal(&old, Signal::SIGTERM);
    more("the new one answers").await;
    assert!(old.wait(Duration::from_secs(20)).await.unwrap().success());
    more("the old one is gone").await;
    asking.abort();
    assert_eq!(get(&new, "/todos").await.0, 200);
}

/// The admin port goes over with the API port: it answers throughout, and never for a process that is not ready.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_admin_port_is_shared_in_a_takeover_and_told_without_one() {
    let deployment = Deployment::new().await;
    let old = deployment.server().env("PGRST_SERVER_REUSEPORT", "true").start().await.unwrap();
    let admin = old.admin_url("/ready");
    let admin_port = admin.trim_end_matches("/ready").rsplit(':').next().unwrap().to_owned();
    let asking = tokio::spawn(async move {
        for _ in 0..300 {
            let answer = reqwest::Client::new().get(&admin).header("Connection", "close").send().await;
            assert_eq!(answer.unwrap().status(), 200);
        }
    });
    let second = |shares: &str| {
        let server = deployment.server().port(old.port()).without_waiting();
        server.env("PGRST_ADMIN_SERVER_PORT", &admin_port).env("PGRST_SERVER_REUSEPORT", shares)
    };
    let new = second("true").start().await.unwrap();
    eventually(&new, "the new process serves", async || new.log().contains("Admin server listening")).await;
    assert!(new.log().contains("API server listening"), "{}", new.log());
    asking.await.unwrap();
    assert_eq!(reqwest::get(old.admin_url("/live")).await.unwrap().status(), 200);

    let mut refused = second("false").start().await.unwrap();
    assert_eq!(refused.wait(Duration::from_secs(20)).await.unwrap().code(), Some(1));
    let said = refused.log();
    assert!(said.contains("PGRST_ADMIN_SERVER_PORT") && said.contains("server-reuseport"), "{said}");
    assert!(!said.contains("--admin-port"), "{said}");
}
