//! More than the database can do, and a database that does nothing any more: who is told at once, and who is served.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use ferrobase_pg::{ConnectOptions, Error, Pool, PoolOptions};
use ferrobase_testkit::TestDatabase;
use ferrobase_testkit::proxy::{Fault, Proxy};

use crate::support::{BatchExt, batch, database, eventually, login, options};

/// A statement that holds a connection for twenty milliseconds and needs no processor.
const WORK: &str = "select pg_sleep(0.02)";
const TARGET: Duration = Duration::from_millis(300);

/// What callers saw who all come back at once, and after a while when they were turned away.
#[derive(Default)]
struct Seen {
    served: AtomicUsize,
    refused: AtomicUsize,
    /// Milliseconds that those who were served waited at most.
    longest: AtomicUsize,
    others: AtomicUsize,
}

async fn press(pool: &Pool, callers: usize, settle: Duration, time: Duration) -> Arc<Seen> {
    let (seen, counts) = (Arc::new(Seen::default()), Arc::new(AtomicBool::new(false)));
    let until = Instant::now() + settle + time;
    let callers: Vec<_> =
        (0..callers).map(|_| tokio::spawn(call(pool.clone(), until, Arc::clone(&seen), Arc::clone(&counts)))).collect();
    tokio::time::sleep(settle).await;
    counts.store(true, Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    seen
}

async fn call(pool: Pool, until: Instant, seen: Arc<Seen>, counts: Arc<AtomicBool>) {
    while Instant::now() < until {
        let (asked, counts_now) = (Instant::now(), counts.load(Relaxed));
        let result = pool.run(batch(&[WORK])).await;
        let is_refused = matches!(result, Err(Error::Saturated { .. }));
        if counts_now {
            let counter = match &result {
                Ok(reply) => {
                    seen.longest.fetch_max(reply.timing.wait.as_millis() as usize, Relaxed);
                    &seen.served
                }
                Err(_) if is_refused => &seen.refused,
                Err(_) => &seen.others,
            };
            counter.fetch_add(1, Relaxed);
        }
        if is_refused {
            assert!(asked.elapsed() < Duration::from_secs(1), "a refusal is told at once");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

async fn pool(shed_after: Duration) -> (TestDatabase, Pool) {
    let database = database().await;
    let pool = Pool::new(login(&database), PoolOptions { shed_after, ..options(4) });
    (database, pool)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_on_top_of_a_standing_queue_is_told_and_the_others_are_served() {
    let (_database, pool) = pool(TARGET).await;
    let second = Duration::from_secs(2);
    let alone = press(&pool, 4, Duration::from_millis(200), second).await;
    assert_eq!((alone.refused.load(Relaxed), pool.stats().shed), (0, 0), "nobody is turned away where nobody waits");
    let pressed = press(&pool, 200, 4 * TARGET, second).await;
    let (served, capacity) = (pressed.served.load(Relaxed), alone.served.load(Relaxed));
    let longest = pressed.longest.load(Relaxed);
    println!("{served} served of {capacity}, {} refused, longest wait {longest} ms", pressed.refused.load(Relaxed));
    assert!(served * 10 >= capacity * 8, "{served} of {capacity}: what is turned away must cost nothing");
    assert!(pressed.refused.load(Relaxed) > served && pool.stats().shed > 0);
    assert_eq!((pressed.others.load(Relaxed), pool.stats().saturated), (0, 0));
    assert!(longest < 4 * TARGET.as_millis() as usize, "{longest} ms");
    let after = press(&pool, 4, Duration::from_millis(200), Duration::from_millis(500)).await;
    assert_eq!(after.refused.load(Relaxed), 0, "and it is over when it is over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_it_everybody_waits() {
    let (_database, pool) = pool(Duration::ZERO).await;
    let pressed = press(&pool, 400, 4 * TARGET, Duration::from_secs(1)).await;
    assert_eq!((pressed.refused.load(Relaxed), pool.stats().shed), (0, 0));
    assert!(pressed.longest.load(Relaxed) > 4 * TARGET.as_millis() as usize);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_is_no_overload() {
    let (_database, pool) = pool(TARGET).await;
    let burst: Vec<_> = (0..50)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.run(batch(&["select pg_sleep(0.01)"])).await })
        })
        .collect();
    for one in burst {
        one.await.unwrap().unwrap();
    }
    assert_eq!(pool.stats().shed, 0);
}

async fn suspicious(database: &TestDatabase) -> (Proxy, Pool) {
    let proxy = Proxy::start(login(database).hosts()[0].to_string()).await.unwrap();
    let url = proxy.in_front_of(&database.url_as("fbpg_login", "geheim"));
    let connect = ConnectOptions::parse(&url).unwrap().with_connect_timeout(Duration::from_secs(1));
    (proxy, Pool::new(connect, PoolOptions { breaker_failures: 3, ..options(8) }))
}

/// Connections are open, and nothing comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_hangs_is_found_out_once_and_not_by_everybody() {
    let database = database().await;
    let (proxy, pool) = suspicious(&database).await;
    pool.run(batch(&["select 1"])).await.unwrap();
    proxy.set(Fault::Swallow);
    for _ in 0..3 {
        let late = pool.run(batch(&["select 1"]).within(Duration::from_millis(300))).await;
        assert!(matches!(late, Err(Error::Deadline | Error::AcquireTimeout(_))), "{late:?}");
    }
    // Who waits meanwhile is told when it is certain.
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.run(batch(&["select 1"]).within(Duration::from_secs(20))).await }
    });
    eventually("the breaker opens", async || pool.stats().broken).await;
    assert!(matches!(waiting.await.unwrap(), Err(Error::Unavailable { .. })));
    for _ in 0..100 {
        let asked = Instant::now();
        let refused = pool.run(batch(&["select 1"])).await;
        assert!(matches!(refused, Err(Error::Unavailable { .. })), "{refused:?}");
        assert!(asked.elapsed() < Duration::from_millis(500), "it is told at once");
    }
    let stats = pool.stats();
    assert!((stats.breaks, stats.available) == (1, false) && pool.outage().is_some(), "{stats:?}");
    proxy.set(Fault::None);
    eventually("it closes", async || !pool.stats().broken).await;
    pool.run(batch(&["select 1"])).await.unwrap();
    assert!(pool.stats().available && pool.outage().is_none());
}

/// Whoever calls what takes too long gets the database asked, and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_cannot_open_the_breaker() {
    let database = database().await;
    let (_proxy, pool) = suspicious(&database).await;
    for _ in 0..4 {
        let late = pool.run(batch(&["select pg_sleep(10)"]).within(Duration::from_millis(100))).await;
        assert!(matches!(late, Err(Error::Deadline)), "{late:?}");
    }
    eventually("it was asked", async || pool.stats().probes > 0).await;
    pool.run(batch(&["select 1"])).await.unwrap();
    let before = pool.stats().probes;
    for _ in 0..3 {
        for _ in 0..2 {
            pool.run(batch(&["select pg_sleep(10)"]).within(Duration::from_millis(50))).await.unwrap_err();
        }
        pool.run(batch(&["select nothing"])).await.unwrap_err();
    }
    let stats = pool.stats();
    assert_eq!((stats.probes, stats.breaks), (before, 0), "an answer in between is an answer");
}
