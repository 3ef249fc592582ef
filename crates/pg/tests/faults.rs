//! Servers and networks that fail: killed backends, restarts, peers that vanish without a word.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use ferrobase_pg::{ConnectOptions, Error, Host, Pool, PoolOptions, SqlState};
use ferrobase_testkit::TestDatabase;
use ferrobase_testkit::proxy::{Fault, Proxy};

use crate::support::server::Server;
use crate::support::{BatchExt, batch, cell, database, eventually, login, options, pool, value};

const KILL_ALL: &str = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                        where datname = current_database() and usename = 'fbpg_login'";

async fn kill_all(database: &TestDatabase) {
    value(&mut database.connect().await, KILL_ALL).await;
}

async fn proxied(database: &TestDatabase, options: PoolOptions) -> (Proxy, Pool) {
    let direct = login(database);
    let proxy = Proxy::start(direct.hosts()[0].to_string()).await.unwrap();
    let url = proxy.in_front_of(&database.url_as("fbpg_login", "geheim"));
    let connect = ConnectOptions::parse(&url).unwrap().with_connect_timeout(Duration::from_secs(1));
    (proxy, Pool::new(connect, options))
}

#[tokio::test]
async fn killed_idle_connections_are_not_noticed_by_callers() {
    let database = database().await;
    let pool = pool(&database, 4);
    for round in 0..10 {
        let runs: Vec<_> = (0..4)
            .map(|_| {
                let pool = pool.clone();
                tokio::spawn(async move { pool.run(batch(&["select pg_sleep(0.01)"])).await })
            })
            .collect();
        for run in runs {
            run.await.unwrap().unwrap();
        }
        kill_all(&database).await;
        let reply = pool.run(batch(&["select 'alive'"])).await.unwrap_or_else(|e| panic!("round {round}: {e}"));
        assert_eq!(cell(&reply), Some("alive"));
    }
}

/// A connection that breaks off while it is opened is no outage: whoever waits for it gets the next one.
#[tokio::test]
async fn one_failed_attempt_to_connect_is_told_to_nobody() {
    let database = database().await;
    let upstream = login(&database).hosts()[0].to_string();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        // The first caller finds the door shut.
        drop(listener.accept().await.unwrap());
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut server = tokio::net::TcpStream::connect(&upstream).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
        }
    });
    let connect = login(&database).with_hosts([Host::tcp("127.0.0.1", address.port())]);
    let pool = Pool::new(connect, options(1));
    pool.run(batch(&["select 1"])).await.unwrap();
    let stats = pool.stats();
    assert!(stats.available && stats.connect_failures == 1, "{stats:?}");
}

#[tokio::test]
async fn a_backend_killed_at_work_costs_one_request() {
    let database = database().await;
    let pool = pool(&database, 2);
    let run = tokio::spawn({
        let pool = pool.clone();
        async move { pool.run(batch(&["select pg_sleep(30)"])).await }
    });
    eventually("it runs", async || pool.stats().active == 1).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    kill_all(&database).await;
    let error = run.await.unwrap().unwrap_err();
    assert!(error.is_connection() && error.code() == Some(SqlState::ADMIN_SHUTDOWN), "{error}");
    assert_eq!(cell(&pool.run(batch(&["select 'next'"])).await.unwrap()), Some("next"));
    assert_eq!(pool.stats().repeated, 0);
}

#[tokio::test]
async fn while_the_database_is_gone_callers_hear_so_at_once_and_it_is_found_again() {
    let database = database().await;
    let (proxy, pool) = proxied(&database, options(3)).await;
    pool.run(batch(&["select 1"])).await.unwrap();
    proxy.set(Fault::Refuse);
    let first = pool.run(batch(&["select 1"])).await.unwrap_err();
    assert!(first.is_connection(), "{first}");
    eventually("known to be down", async || {
        let _ = pool.run(batch(&["select 1"])).await;
        !pool.stats().available
    })
    .await;
    for _ in 0..20 {
        let started = Instant::now();
        let error = pool.run(batch(&["select 1"])).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable { retry_after, .. } if retry_after > Duration::ZERO), "{error}");
        assert!(started.elapsed() < Duration::from_millis(100));
    }
    proxy.set(Fault::None);
    let back = Instant::now();
    eventually("it is back", async || pool.run(batch(&["select 1"])).await.is_ok()).await;
    assert!(back.elapsed() < Duration::from_secs(2), "{:?}", back.elapsed());
    assert!(pool.stats().available);
}

#[tokio::test]
async fn a_peer_that_vanished_costs_its_deadline_and_its_connection() {
    let database = database().await;
    let small = PoolOptions { cancel_grace: Duration::from_millis(300), ..options(1) };
    let (proxy, pool) = proxied(&database, small).await;
    pool.run(batch(&["select 1"])).await.unwrap();
    proxy.set(Fault::Stall);
    let started = Instant::now();
    let error = pool.run(batch(&["select 1"]).within(Duration::from_millis(200))).await.unwrap_err();
    assert!(matches!(error, Error::Deadline) && started.elapsed() < Duration::from_millis(500), "{error}");
    tokio::time::sleep(Duration::from_millis(800)).await;
    proxy.set(Fault::None);
    eventually("recovered", async || pool.run(batch(&["select 1"]).within(Duration::from_secs(1))).await.is_ok()).await;
    assert!(pool.stats().closed >= 1);
}

/// A firewall that forgot all connections, so that only new ones work: one caller waits for nothing, not one for each.
#[tokio::test]
async fn connections_that_are_half_open_cost_one_deadline() {
    let database = database().await;
    let (proxy, pool) = proxied(&database, options(4)).await;
    let four = async || {
        let runs: Vec<_> = (0..4)
            .map(|_| {
                let pool = pool.clone();
                tokio::spawn(async move { pool.run(batch(&["select pg_sleep(0.1)"])).await })
            })
            .collect();
        for run in runs {
            run.await.unwrap().unwrap();
        }
    };
    four().await;
    eventually("at rest", async || pool.stats().idle == 4).await;
    proxy.set(Fault::Swallow);
    tokio::time::sleep(Duration::from_millis(50)).await;
    proxy.set(Fault::None);
    let error = pool.run(batch(&["select 1"]).within(Duration::from_millis(200))).await.unwrap_err();
    assert!(matches!(error, Error::Deadline), "{error}");
    let started = Instant::now();
    eventually("all are given up", async || pool.stats().closed == 4).await;
    assert!(started.elapsed() < Duration::from_secs(3), "long before the grace is over: {:?}", started.elapsed());
    four().await;
    let stats = pool.stats();
    assert_eq!((stats.opened, stats.terminated, stats.active), (8, 0, 0), "{stats:?}");
}

/// Of sessions that are waited for because their server is out of reach none keeps others from being opened.
#[tokio::test]
async fn sessions_out_of_reach_take_nobodys_place() {
    let database = database().await;
    let (proxy, pool) = proxied(&database, options(2)).await;
    for _ in 0..2 {
        pool.run(batch(&["select 1"])).await.unwrap();
        proxy.set(Fault::Swallow);
        let lost: Vec<_> = (0..2)
            .map(|_| {
                let pool = pool.clone();
                tokio::spawn(async move { pool.run(batch(&["select 1"]).within(Duration::from_millis(200))).await })
            })
            .collect();
        for lost in lost {
            lost.await.unwrap().unwrap_err();
        }
        tokio::time::sleep(Duration::from_millis(1500)).await;
        proxy.set(Fault::None);
        let back = Instant::now();
        eventually("served", async || pool.run(batch(&["select 1"])).await.is_ok()).await;
        // The second is that of an attempt to connect which was swallowed.
        assert!(back.elapsed() < Duration::from_secs(3), "{:?}", back.elapsed());
        assert!(pool.stats().size <= 2, "{:?}", pool.stats());
    }
}

#[tokio::test]
async fn a_server_without_free_slots_does_not_stop_those_who_are_in() {
    let (server, _) = Server::start(false).await;
    let connect = ConnectOptions::parse(&server.url("scram_user", "")).unwrap();
    // 30 slots, 3 of them reserved.
    let pool = Pool::new(connect, options(40));
    let runs: Vec<_> = (0..40)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.run(batch(&["select pg_sleep(0.2)"])).await })
        })
        .collect();
    for run in runs {
        run.await.unwrap().unwrap();
    }
    let stats = pool.stats();
    assert!(stats.connect_failures > 0 && stats.size <= 30, "{stats:?}");
    assert!(stats.available, "{stats:?}");
}

/// The server restarts while eight callers ask without pause: nobody hangs or gets a wrong answer, and two seconds
/// after it is back everybody is served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_under_load_is_survived() {
    let (server, _) = Server::start(false).await;
    let pool = Pool::new(ConnectOptions::parse(&server.url("scram_user", "")).unwrap(), options(4));
    let stop = Arc::new(AtomicBool::new(false));
    let (good, bad) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let callers: Vec<_> = (0..8)
        .map(|caller| {
            let (pool, stop, good, bad) = (pool.clone(), stop.clone(), good.clone(), bad.clone());
            tokio::spawn(async move {
                let mut round = 0_u64;
                while !stop.load(Relaxed) {
                    round += 1;
                    let me = format!("{caller}:{round}");
                    let request = batch(&["select current_setting('app.me')"]).with("app.me", &me);
                    let run = tokio::time::timeout(Duration::from_secs(5), pool.run(request));
                    match run.await.expect("nobody hangs") {
                        Ok(reply) => {
                            assert_eq!(cell(&reply), Some(me.as_str()));
                            good.fetch_add(1, Relaxed);
                        }
                        Err(error) => {
                            assert!(error.is_connection(), "{error}");
                            bad.fetch_add(1, Relaxed);
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                    }
                }
            })
        })
        .collect();
    for how in ["fast", "immediate"] {
        eventually("answers", async || good.load(Relaxed) > 100).await;
        server.restart(how).await;
        let back = Instant::now();
        good.store(0, Relaxed);
        eventually("answers again", async || good.load(Relaxed) > 0).await;
        assert!(back.elapsed() < Duration::from_secs(2), "{how}: {:?}", back.elapsed());
    }
    stop.store(true, Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
}

/// The maintenance lives on the runtime that used the pool first; a pool survives that runtime.
#[test]
fn a_pool_outlives_the_runtime_that_used_it_first() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let first = runtime();
    let database = first.block_on(database());
    let direct = login(&database);
    let real = direct.hosts()[0].to_string();
    let pool = Pool::new(direct.with_hosts([Host::tcp("127.0.0.1", free.port())]), options(1));
    assert!(first.block_on(pool.run(batch(&["select 1"]))).is_err());
    drop(first);
    runtime().block_on(async {
        let listener = tokio::net::TcpListener::bind(free).await.unwrap();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut server = tokio::net::TcpStream::connect(&real).await.unwrap();
                tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
            }
        });
        eventually("it is found", async || pool.run(batch(&["select 1"])).await.is_ok()).await;
    });
}
