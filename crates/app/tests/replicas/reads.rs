//! Reads on a replica: which ones, how fresh, and what happens when it is slow, frozen or dead.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use ferrobase_testkit::token;
use reqwest::Method;
use serde_json::json;

use super::{SOON, Scene, read_with, serve, session, write};
use crate::caller::{Caller, PATIENCE, eventually, metric};

async fn lag(scene: &Scene) -> Option<f64> {
    let series = format!("ferrobase_database_replica_lag_seconds{{server=\"127.0.0.1:{}\"}}", scene.replica.port());
    match metric(&scene.app, &series).await {
        Some(lag) => Some(lag),
        None => metric(&scene.app, series.strip_prefix("ferrobase_").unwrap()).await,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_answers_reads_and_never_stale_ones() {
    let scene = Scene::new("").await;
    let caller = scene.caller();
    routing(&scene, &caller).await;
    tokens(&scene, &caller).await;
    sec_14_tokens_that_are_no_good(&scene, &caller).await;
    regions(&scene).await;
    // Nothing is written meanwhile: whoever measured the time since the last write would see a replica far behind.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(lag(&scene).await, Some(0.0));
    assert!(scene.reads_on_replica().await);
    paused(&scene, &caller).await;
    statements_end_sooner_on_a_replica(&scene).await;
}

/// `database.replica_statement_timeout`.
async fn statements_end_sooner_on_a_replica(scene: &Scene) {
    let nap = "create function nap() returns text language plpgsql stable as
               $$ begin perform pg_sleep(0.6); return current_setting('statement_timeout'); end $$";
    session(&scene.primary.url()).await.script(nap).await.unwrap();
    let database = format!(
        "{{read_preference: replica, statement_timeout: 10s, replica_statement_timeout: 300ms, \
         replicas: [{{host: 127.0.0.1, port: {}}}]}}",
        scene.replica.port()
    );
    let (app, _folder) = serve(&scene.primary.url(), &database).await;
    let caller = Caller::of(&app);
    let on_replica = async || caller.get("/rpc/port").await.body == scene.replica.port().to_string();
    eventually("the replica answers", PATIENCE, on_replica).await;
    let cut = caller.get("/rpc/nap").await;
    assert_eq!((cut.status, cut.code().as_str()), (504, "57014"), "{cut:?}");
    let streamed = caller.request(Method::GET, "/rpc/nap").header("accept", "application/x-ndjson");
    assert_eq!(caller.send(streamed).await.unwrap().code(), "57014");
    let asked = caller.request(Method::GET, "/rpc/nap").header("x-ferrobase-read", "primary");
    let answer = caller.send(asked).await.unwrap();
    assert_eq!((answer.status, answer.json()), (200, json!("10s")), "the primary has its own bound");
}

/// What runs where.
async fn routing(scene: &Scene, caller: &Caller) {
    let (primary, replica) = (scene.primary.port().to_string(), scene.replica.port().to_string());
    assert_eq!(caller.post("/rpc/port", &json!({})).await.body, replica, "a stable function only reads");
    assert_eq!(caller.post("/rpc/writing_port", &json!({ "n": 1 })).await.body, primary);
    let refused = caller.get("/rpc/writing_port?n=2").await;
    assert_eq!((refused.status, refused.code().as_str()), (405, "25006"), "as on a primary: {refused:?}");
    let asked = |from: &str| caller.send(caller.request(Method::GET, "/rpc/port").header("x-ferrobase-read", from));
    assert_eq!(asked("primary").await.unwrap().body, primary);
    assert_eq!(asked("replica").await.unwrap().body, replica);
    let service = caller.with(token::of_role("service_role"));
    assert_eq!(service.get("/rpc/port").await.body, replica);
    let streamed = caller.request(Method::GET, "/entries").header("accept", "application/x-ndjson");
    let streamed = caller.send(streamed).await.unwrap_or_else(|error| panic!("{error}\n{}", scene.app.log()));
    assert_eq!(streamed.body, "{\"client\":-1,\"n\":1}\n");
    let read = caller.get("/entries").await;
    assert_eq!(read.header("x-ferrobase-freshness"), "", "a read gives no token");
    let undone =
        caller.request(Method::POST, "/entries").header("prefer", "return=minimal").json(&json!({ "client": "x" }));
    assert_eq!(caller.send(undone).await.unwrap().header("x-ferrobase-freshness"), "", "nor does what failed");
}

/// Whoever brings the token of a write sees the write.
async fn tokens(scene: &Scene, caller: &Caller) {
    for n in 0..60 {
        let written = write(caller, 1, n).await;
        assert_eq!(written.status, 201, "{written:?}");
        let token = written.header("x-ferrobase-freshness").to_owned();
        assert_eq!(token.len(), 50, "{written:?}");
        let cookie = written.header("set-cookie");
        assert_eq!(cookie, format!("fb_freshness={token}; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"));
        let seen = if n % 2 == 0 {
            read_with(caller, &format!("/entries?client=eq.1&n=eq.{n}"), &token).await
        } else {
            let request = caller.request(Method::GET, &format!("/entries?client=eq.1&n=eq.{n}"));
            caller.send(request.header("cookie", format!("fb_freshness={token}"))).await.unwrap()
        };
        assert_eq!(seen.json(), json!([{ "client": 1, "n": n }]), "{n}");
    }
    let on_replica = metric(&scene.app, "database_reads_total{server=\"replica\"}").await;
    assert!(on_replica.is_some_and(|reads| reads > 55.0), "the replica caught up in time: {on_replica:?}");

    // A commit that is not on disk yet, and a transaction under way that wrote behind it: somebody has to push.
    let mut other = session(&scene.primary.url()).await;
    let written = caller.call("quick", &json!({})).await;
    other.script("begin; insert into entries values (-3, 1)").await.unwrap();
    let token = written.header("x-ferrobase-freshness").to_owned();
    let seen = read_with(caller, "/entries?client=eq.-2", &token).await;
    assert_eq!(seen.json(), json!([{ "client": -2, "n": 1 }]));
    assert!(seen.took < SOON, "{seen:?}");

    // Several writes in one transaction, and an upload.
    let batch = json!([{ "method": "POST", "path": "/entries", "body": { "client": 2, "n": 1 } },
                       { "method": "POST", "path": "/entries", "body": { "client": 2, "n": 2 } }]);
    let token = caller.post("/", &batch).await.header("x-ferrobase-freshness").to_owned();
    let seen = read_with(caller, "/entries?client=eq.2&select=n", &token).await;
    assert_eq!(seen.json().as_array().map(Vec::len), Some(2), "{token:?} {seen:?}");
    let rows: String = (0..50).map(|n| format!("{{\"client\": 3, \"n\": {n}}}\n")).collect();
    let upload = caller.with(token::of_user("u")).request(Method::POST, "/entries");
    let loaded = caller.send(upload.header("content-type", "application/x-ndjson").body(rows)).await.unwrap();
    assert_eq!(loaded.status, 201, "{loaded:?}");
    let token = loaded.header("x-ferrobase-freshness").to_owned();
    let seen = read_with(caller, "/entries?client=eq.3&select=n", &token).await;
    assert_eq!(seen.json().as_array().map(Vec::len), Some(50), "{token:?}");
    other.script("rollback").await.unwrap();
}

/// A damaged token, one of another server's key, and none of our making: the primary answers, and nobody waits.
async fn sec_14_tokens_that_are_no_good(scene: &Scene, caller: &Caller) {
    use ferrobase_pg::{Lsn, Position};
    use ferrobase_request::FreshnessKey;
    use ferrobase_request::freshness::Mark;

    let good = write(caller, 4, 1).await.header("x-ferrobase-freshness").to_owned();
    let damaged = format!("{}{}", &good[..49], if good.ends_with('A') { 'Q' } else { 'A' });
    let position = Position { timeline: 1, lsn: Lsn(u64::MAX) };
    let forged = FreshnessKey::derived_from(None, "default").seal(Mark { system: 1, position });
    for token in [damaged.as_str(), forged.as_str(), "nonsense", "", &"x".repeat(5000)] {
        let answer = read_with(caller, "/rpc/port", token).await;
        assert_eq!(answer.body, scene.primary.port().to_string(), "{token}");
        assert!(answer.took < Duration::from_millis(500), "{answer:?}");
    }
    assert_eq!(metric(&scene.app, "database_fresh_tokens_unusable_total").await, Some(5.0));
}

/// A process reads in its own region, wherever the primary is.
async fn regions(scene: &Scene) {
    let (primary, replica) = (scene.primary.port(), scene.replica.port());
    let database = |region: &str| {
        format!(
            "{{read_preference: replica, region: {region}, regions: {{east: {{primary: {{host: 127.0.0.1, port: {primary}}}}}, \
             west: {{replicas: [{{host: 127.0.0.1, port: {replica}, user: reader, password: of the reader}}]}}}}}}"
        )
    };
    let reader = "create role reader login noinherit password 'of the reader'; grant anon, authenticated to reader";
    session(&scene.primary.url()).await.script(reader).await.unwrap();
    let (west, _folder) = serve(&scene.primary.url(), &database("west")).await;
    let (east, _folder) = serve(&scene.primary.url(), &database("east")).await;
    let port = async |app| Caller::of(app).get("/rpc/port").await.body;
    eventually("west reads in the west", SOON, async || port(&west).await == replica.to_string()).await;
    assert_eq!(port(&east).await, primary.to_string(), "the primary is nearer");
    assert_eq!(Caller::of(&west).get("/rpc/login").await.json(), json!("reader"), "a login of its own");
    let service = Caller::of(&west).with(token::of_role("service_role"));
    assert_eq!(service.get("/rpc/port").await.body, primary.to_string(), "which never becomes service_role");
    let written = Caller::of(&west).post("/rpc/writing_port", &json!({ "n": 77 })).await;
    assert_eq!(written.body, primary.to_string());
    // A token of one process is good for another.
    let token = written.header("x-ferrobase-freshness").to_owned();
    let seen = read_with(&scene.caller(), "/entries?client=eq.-1&n=eq.77", &token).await;
    assert_eq!(seen.json(), json!([{ "client": -1, "n": 77 }]));
}

/// A replica that does not go on.
async fn paused(scene: &Scene, caller: &Caller) {
    let mut direct = session(&scene.replica.url()).await;
    direct.query("select pg_wal_replay_pause()", &[]).await.unwrap();
    let written = write(caller, 5, 1).await;
    let token = written.header("x-ferrobase-freshness").to_owned();
    let seen = read_with(caller, "/entries?client=eq.5", &token).await;
    assert_eq!(seen.json(), json!([{ "client": 5, "n": 1 }]));
    assert!(seen.took < SOON, "it waits until the replica is too far behind, and no longer: {seen:?}");
    let elsewhere = async || scene.read_port().await == scene.primary.port();
    eventually("reads without a token go elsewhere too", SOON, elsewhere).await;
    assert!(lag(scene).await.is_some_and(|lag| lag > 0.5));
    assert!(scene.app.log().contains("too far behind"));
    direct.query("select pg_wal_replay_resume()", &[]).await.unwrap();
    eventually("it catches up", SOON, async || scene.reads_on_replica().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_goes_costs_no_request() {
    let scene = Arc::new(Scene::new("").await);
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..8).map(|_| tokio::spawn(read_on(Arc::clone(&scene), Arc::clone(&stop)))).collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    scene.replica.freeze();
    let elsewhere = async || scene.read_port().await == scene.primary.port();
    eventually("the primary answers", SOON, elsewhere).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    scene.replica.thaw();
    eventually("it goes on", PATIENCE, async || scene.reads_on_replica().await).await;
    scene.replica.kill();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(elsewhere().await);
    scene.replica.start_again().await.unwrap();
    eventually("it is back", PATIENCE, async || scene.reads_on_replica().await).await;
    stop.store(true, Relaxed);
    for client in clients {
        let (reads, longest) = client.await.unwrap();
        assert!(reads > 0 && longest < SOON, "{reads} reads, the longest took {longest:?}");
    }
    let said = scene.app.log();
    assert!(said.contains("does not answer") && said.contains("answers reads again"), "{said}");
    assert!(said.lines().filter(|line| line.contains("does not answer")).count() < 6, "state changes only: {said}");
}

/// Reads until told to stop; every answer must be one.
async fn read_on(scene: Arc<Scene>, stop: Arc<AtomicBool>) -> (u64, Duration) {
    let (caller, mut reads, mut longest) = (scene.caller(), 0, Duration::ZERO);
    while !stop.load(Relaxed) {
        let started = Instant::now();
        let answer = caller.get("/entries?limit=1").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        longest = longest.max(started.elapsed());
        reads += 1;
    }
    (reads, longest)
}
