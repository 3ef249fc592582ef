//! PostgreSQL that is down, restarts, is cut off or is slow: the server says so at once, loses nothing and recovers.
//!
//! "At once" is far below a request's deadline, "recovers" is within two seconds of the database being back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use ferrobase_pg::{ConnectOptions, Session};
use ferrobase_testkit::private::Stop;
use ferrobase_testkit::proxy::{Fault, Proxy};
use ferrobase_testkit::{App, PrivateCluster, pooler};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::Method;
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::caller::{Caller, eventually, metric, ready, terminate_sessions, value};
use crate::support::{self, BINARY};

const RECOVERY: Duration = Duration::from_secs(2);

/// What clients write and read while the database fails, and a function that takes its time.
const SCHEMA: &str = "
    create table entries (client int, n int, primary key (client, n));
    alter table entries enable row level security;
    create policy everything on entries using (true) with check (true);
    create function slow(seconds float) returns text language sql volatile as
        $$ select pg_sleep(seconds); select 'done'::text $$;
    notify ferrobase;";

async fn session(url: &str) -> Session {
    Session::connect(&ConnectOptions::parse(url).unwrap()).await.unwrap()
}

/// An installed database of the shared server with the schema.
async fn database() -> ferrobase_testkit::TestDatabase {
    let database = support::installed().await;
    database.script(SCHEMA).await;
    database
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_down_at_start_is_waited_for() {
    let cluster = PrivateCluster::start(&[]).await.unwrap();
    drop(App::serve(BINARY, &cluster.url()).start().await.unwrap());
    cluster.stop(Stop::Fast).await.unwrap();

    let app = App::serve(BINARY, &cluster.url()).without_waiting().start().await.unwrap();
    let caller = Caller::of(&app);
    let listens = async || caller.send(caller.request(Method::GET, "/entries")).await.is_ok();
    eventually("it listens although the database is down", Duration::from_secs(2), listens).await;
    let refused = caller.get("/entries").await;
    assert!(refused.is_unavailable(), "{refused:?}");
    assert!(refused.took < Duration::from_millis(500), "at once: {refused:?}");
    assert_eq!(ready(&app).await, (503, r#"{"ready":false,"waiting_for":["database","catalog"]}"#.to_owned()));
    let live = reqwest::get(app.admin_url("/live")).await.unwrap();
    assert_eq!(live.status(), 200, "a process that waits is alive");

    // Long enough for a back-off that grows without bound to show.
    tokio::time::sleep(Duration::from_secs(4)).await;
    cluster.start_again().await.unwrap();
    let back = Instant::now();
    eventually("ready", RECOVERY, async || ready(&app).await.0 == 200).await;
    assert_eq!(caller.get("/entries").await.status, 404, "an answer of the catalog: there is no such table");
    assert!(back.elapsed() < RECOVERY, "{:?}", back.elapsed());
    let said = app.log().matches("not usable yet").count();
    assert!((1..=3).contains(&said), "the trouble is said, and not at every attempt: {said}");
}

/// What the callers of a restart saw.
#[derive(Default)]
struct Seen {
    reads: AtomicU64,
    writes: AtomicU64,
    refused: AtomicU64,
    longest_ms: AtomicU64,
}

/// 32 clients read and write while PostgreSQL dies and comes back, in four ways: nobody hangs, nobody is lied to, every
/// acknowledged row is there, nothing was written twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_under_load_loses_nothing_and_hangs_nobody() {
    // PgBouncer holds its clients' requests while the server is away, as long as its settings say.
    if pooler::is_used() {
        return;
    }
    let cluster = PrivateCluster::start(&[]).await.unwrap();
    let app = App::serve(BINARY, &cluster.url()).start().await.unwrap();
    session(&cluster.url()).await.script(SCHEMA).await.unwrap();
    let caller = Caller::of(&app);
    eventually("the table is served", PATIENCE, async || caller.get("/entries").await.status == 200).await;

    let (seen, stop) = (Arc::new(Seen::default()), Arc::new(AtomicBool::new(false)));
    let clients: Vec<_> = (0..32)
        .map(|client| tokio::spawn(read_and_write(Caller::of(&app), client, Arc::clone(&seen), Arc::clone(&stop))))
        .collect();
    let progress = || seen.reads.load(Relaxed) + seen.writes.load(Relaxed);
    for how in [Stop::Immediate, Stop::Kill, Stop::Fast] {
        let before = progress();
        eventually("load", PATIENCE, async || progress() > before + 200).await;
        cluster.stop(how).await.unwrap();
        let noticed = eventually("/ready fails", RECOVERY, async || ready(&app).await.0 == 503).await;
        // In the middle of the outage nobody waits for anything.
        tokio::time::sleep(Duration::from_millis(700)).await;
        let refused = caller.get("/entries?limit=1").await;
        assert!(refused.is_unavailable() && refused.took < Duration::from_secs(1), "{refused:?}");
        cluster.start_again().await.unwrap();
        let back = Instant::now();
        eventually("answers", RECOVERY, async || caller.get("/entries?limit=1").await.status == 200).await;
        let served = back.elapsed();
        eventually("ready", RECOVERY, async || ready(&app).await.0 == 200).await;
        println!("{how:?}: noticed after {noticed:?}, served {served:?} after it was back");
    }
    // A backend that crashes takes every other one with it, and PostgreSQL recovers by itself.
    let before = progress();
    eventually("load", PATIENCE, async || progress() > before + 200).await;
    let one = "select pid from pg_stat_activity where application_name = 'ferrobase' limit 1";
    let pid = value(&mut session(&cluster.url()).await, one).await.parse().unwrap();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let url = ConnectOptions::parse(&cluster.url()).unwrap();
    eventually("PostgreSQL is back", PATIENCE, async || Session::connect(&url).await.is_ok()).await;
    let served = eventually("answers", RECOVERY, async || caller.get("/entries?limit=1").await.status == 200).await;
    println!("crash: served {served:?} after it was back");
    let before = progress();
    eventually("load", PATIENCE, async || progress() > before + 200).await;
    stop.store(true, Relaxed);
    let mut written = Vec::new();
    for client in clients {
        written.push(client.await.unwrap());
    }
    let mut stored: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    let mut direct = session(&cluster.url()).await;
    for row in &direct.query("select client, n from entries", &[]).await.unwrap().rows {
        let number = |index| row.text(index).unwrap().parse().unwrap();
        assert!(stored.entry(number(0)).or_default().insert(number(1)));
    }
    let acknowledged: usize = written.iter().map(BTreeSet::len).sum();
    for (client, written) in written.into_iter().enumerate() {
        let stored = stored.remove(&(client as u64)).unwrap_or_default();
        let lost: Vec<_> = written.difference(&stored).collect();
        assert!(lost.is_empty(), "client {client} lost acknowledged rows: {lost:?}");
    }
    let count = |counter: &AtomicU64| counter.load(Relaxed);
    println!(
        "{} reads, {acknowledged} acknowledged writes, {} refused, longest answer {} ms",
        count(&seen.reads),
        count(&seen.refused),
        count(&seen.longest_ms)
    );
    assert!(count(&seen.refused) > 0, "the outage was never seen");

    // The listener is back too: what changes now is seen without anybody asking.
    direct.script("create table later (a int); alter table later enable row level security").await.unwrap();
    eventually("a later change is seen", 2 * RECOVERY, async || caller.get("/later").await.status == 200).await;
}

const PATIENCE: Duration = crate::caller::PATIENCE;

/// One client: writes a row, reads its newest row back; gives the rows whose writing was acknowledged.
async fn read_and_write(caller: Caller, client: u64, seen: Arc<Seen>, stop: Arc<AtomicBool>) -> BTreeSet<u64> {
    let mut written = BTreeSet::new();
    let mut next = 0;
    while !stop.load(Relaxed) {
        next += 1;
        let answer = caller.post("/entries", &json!({"client": client, "n": next})).await;
        seen.longest_ms.fetch_max(answer.took.as_millis() as u64, Relaxed);
        match answer.status {
            201 => {
                seen.writes.fetch_add(1, Relaxed);
                written.insert(next);
            }
            _ => refused(&answer, &seen).await,
        }
        let path = format!("/entries?client=eq.{client}&select=client,n&order=n.desc&limit=1");
        let answer = caller.get(&path).await;
        seen.longest_ms.fetch_max(answer.took.as_millis() as u64, Relaxed);
        match answer.status {
            200 => {
                seen.reads.fetch_add(1, Relaxed);
                let rows = answer.json();
                let newest = rows[0]["n"].as_u64().unwrap_or(0);
                let known = written.last().copied().unwrap_or(0);
                assert!(newest >= known, "client {client} read {newest} after {known} was acknowledged");
                assert!(rows[0].is_null() || rows[0]["client"] == client, "client {client} got {rows}");
            }
            _ => refused(&answer, &seen).await,
        }
    }
    written
}

/// The only other answer: not now, come back.
async fn refused(answer: &crate::caller::Answer, seen: &Seen) {
    assert!(answer.is_unavailable(), "{answer:?}");
    seen.refused.fetch_add(1, Relaxed);
    tokio::time::sleep(Duration::from_millis(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_or_silent_network_is_told_at_once_and_what_changed_meanwhile_is_seen() {
    // PgBouncer holds its clients' requests while the server is away, as long as its settings say.
    if pooler::is_used() {
        return;
    }
    let database = database().await;
    let direct = ConnectOptions::parse(database.url()).unwrap();
    let proxy = Proxy::start(direct.hosts()[0].to_string()).await.unwrap();
    let app = App::serve(BINARY, &proxy.in_front_of(database.url()))
        .env("FERROBASE_SERVER__REQUEST_TIMEOUT", "1s")
        .start()
        .await
        .unwrap();
    let caller = Caller::of(&app);
    assert_eq!(caller.get("/entries").await.status, 200);

    proxy.set(Fault::Refuse);
    eventually("/ready fails", RECOVERY, async || ready(&app).await.0 == 503).await;
    for _ in 0..20 {
        let refused = caller.get("/entries").await;
        assert!(refused.is_unavailable() && refused.took < Duration::from_millis(500), "{refused:?}");
    }
    // Nobody can tell the server of this now: its listener is cut off too.
    database.script("create table meanwhile (a int); alter table meanwhile enable row level security").await;
    proxy.set(Fault::None);
    eventually("answers", RECOVERY, async || caller.get("/entries").await.status == 200).await;
    // The listener's own pause is at most two seconds, and a load of the catalog follows.
    let limit = Duration::from_secs(5);
    eventually("the change is seen", limit, async || caller.get("/meanwhile").await.status == 200).await;

    // A network that swallows everything costs each request its deadline and no more.
    proxy.set(Fault::Stall);
    let asked: Vec<_> = (0..8)
        .map(|_| {
            let caller = caller.clone();
            tokio::spawn(async move { caller.get("/entries").await })
        })
        .collect();
    for asked in asked {
        let answer = asked.await.unwrap();
        assert!(matches!(answer.status, 503 | 504) && !answer.code().is_empty(), "{answer:?}");
        assert!(answer.took < Duration::from_secs(3), "{answer:?}");
    }
    proxy.set(Fault::None);
    let limit = Duration::from_secs(8);
    eventually("answers again", limit, async || caller.get("/entries").await.status == 200).await;
    assert_eq!(ready(&app).await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_are_ended_cost_nobody_who_is_not_in_one() {
    let database = database().await;
    let app = support::serve(&database).start().await.unwrap();
    let caller = Caller::of(&app);
    for round in 0..10 {
        let together: Vec<_> = (0..8)
            .map(|_| {
                let caller = caller.clone();
                tokio::spawn(async move { caller.get("/entries").await })
            })
            .collect();
        for one in together {
            let answer = one.await.unwrap();
            assert_eq!(answer.status, 200, "round {round}: {answer:?}\n{}", app.log());
        }
        terminate_sessions(&database).await;
    }
    // Whoever is in the middle of something hears it, and may ask again.
    let busy = tokio::spawn({
        let caller = caller.clone();
        async move { caller.call("slow", &json!({"seconds": 30})).await }
    });
    let mut direct = database.connect().await;
    let running = "select count(*) from pg_stat_activity where state = 'active' and query like '%slow%'
                   and datname = current_database() and pid <> pg_backend_pid()";
    eventually("it runs", PATIENCE, async || value(&mut direct, running).await == "1").await;
    terminate_sessions(&database).await;
    let answer = busy.await.unwrap();
    assert!(answer.is_unavailable(), "{answer:?}");
    assert_eq!(caller.get("/entries").await.status, 200);
}

/// The catalog is loaded again and again while clients read, because of NOTIFY and because tables change under them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_and_ddl_fail_no_request() {
    let database = database().await;
    database.script("insert into entries select c, n from generate_series(1, 8) c, generate_series(1, 5) n").await;
    let app = support::serve(&database).start().await.unwrap();
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (1..=8)
        .map(|client| {
            let (caller, stop, asked) = (Caller::of(&app), Arc::clone(&stop), Arc::clone(&asked));
            tokio::spawn(async move {
                while !stop.load(Relaxed) {
                    let answer = caller.get(&format!("/entries?client=eq.{client}&order=n")).await;
                    assert_eq!(answer.status, 200, "{answer:?}");
                    let rows = answer.json();
                    assert_eq!(rows.as_array().unwrap().len(), 5, "{rows}");
                    assert!(rows.as_array().unwrap().iter().all(|row| row["client"] == client), "{rows}");
                    asked.fetch_add(1, Relaxed);
                }
            })
        })
        .collect();
    let caller = Caller::of(&app);
    let mut direct = database.connect().await;
    for round in 0..3 {
        let ddl = format!(
            "alter table entries add column extra_{round} int default {round};
             create table other_{round} (a int); alter table other_{round} enable row level security"
        );
        direct.script(&ddl).await.unwrap();
        let path = format!("/other_{round}");
        let limit = Duration::from_secs(5);
        eventually("the table is seen", limit, async || caller.get(&path).await.status == 200).await;
        let answer = caller.get(&format!("/entries?select=extra_{round}&limit=1")).await;
        assert_eq!(answer.json()[0][format!("extra_{round}")], round);
        direct.script(&format!("drop table other_{round}; notify pgrst, 'reload schema'")).await.unwrap();
        eventually("the table is gone", limit, async || caller.get(&path).await.status == 404).await;
    }
    stop.store(true, Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    println!("{} requests during six reloads", asked.load(Relaxed));
    assert!(asked.load(Relaxed) > 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn saturation_is_told_at_once_and_others_recover() {
    let database = database().await;
    let app = support::serve(&database)
        // Two for requests, one for service keys.
        .env("FERROBASE_DATABASE__MAX_CONNECTIONS", "3")
        .env("FERROBASE_DATABASE__MAX_WAITING", "2")
        .start()
        .await
        .unwrap();
    let caller = Caller::of(&app);
    let slow: Vec<_> = (0..4)
        .map(|_| {
            let caller = caller.clone();
            tokio::spawn(async move { caller.call("slow", &json!({"seconds": 1.5})).await })
        })
        .collect();
    let full = "database_connections_waiting{pool=\"request\"}";
    let running = "database_connections_active{pool=\"request\"}";
    // The first two wait as well while their connections are opened.
    eventually("two run and two wait", PATIENCE, async || {
        metric(&app, running).await == Some(2.0) && metric(&app, full).await == Some(2.0)
    })
    .await;
    for _ in 0..10 {
        let refused = caller.get("/entries").await;
        assert!(refused.is_unavailable() && refused.code() == "PGRST003", "{refused:?}");
        assert!(refused.took < Duration::from_millis(500), "at once: {refused:?}");
    }
    let service = caller.with(support::credentials()["SERVICE_KEY"].clone()).get("/entries").await;
    assert_eq!(service.status, 200, "service keys have a connection of their own: {service:?}");
    assert!(service.took < Duration::from_secs(1), "{service:?}");
    for slow in slow {
        assert_eq!(slow.await.unwrap().status, 200, "whoever was let in is answered");
    }
    assert_eq!(caller.get("/entries").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_leaves_takes_its_query_along() {
    let database = database().await;
    let app = support::serve(&database).env("FERROBASE_DATABASE__MAX_CONNECTIONS", "3").start().await.unwrap();
    let caller = Caller::of(&app);
    let mut direct = database.connect().await;
    let running = "select count(*) from pg_stat_activity where state = 'active' and query like '%slow%'
                   and datname = current_database() and pid <> pg_backend_pid()";
    for _ in 0..3 {
        let mut leaving = Vec::new();
        for _ in 0..2 {
            let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", app.port())).await.unwrap();
            let request = "POST /rest/v1/rpc/slow HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                           content-length: 14\r\n\r\n{\"seconds\":30}";
            stream.write_all(request.as_bytes()).await.unwrap();
            leaving.push(stream);
        }
        eventually("both run", PATIENCE, async || value(&mut direct, running).await == "2").await;
        drop(leaving);
        eventually("nothing runs", RECOVERY, async || value(&mut direct, running).await == "0").await;
        let answer = caller.get("/entries").await;
        assert!(answer.status == 200 && answer.took < RECOVERY, "the connections are free again: {answer:?}");
    }
    let active = "database_connections_active{pool=\"request\"}";
    eventually("nothing is lent out", RECOVERY, async || metric(&app, active).await == Some(0.0)).await;
    assert_eq!(app.log().matches("\"status\":499").count(), 6, "each is in the log");
}
