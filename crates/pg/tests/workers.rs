//! A pool that several single-threaded runtimes use: sessions go where they are asked for, whatever the socket is.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ferrobase_base::Worker;
use ferrobase_pg::{Batch, ConnectOptions, Host, Pool, PoolOptions};

use crate::support::server::Server;
use crate::support::{batch, cell, database, eventually, options, pool, statement};

const WORKERS: usize = 3;
const ROUNDS: usize = 2;

/// Works as one of several threads that each have a runtime of their own, and ends with it.
fn on_worker(number: usize, of: usize, work: impl AsyncFnOnce() + Send + 'static) -> JoinHandle<()> {
    std::thread::spawn(move || {
        Worker { number, of }.settle();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(work());
    })
}

fn asked(me: &str, shareable: bool) -> Batch {
    let select = statement("select $1::text || pg_backend_pid() * 0", &[Some(me)]);
    Batch { statements: vec![select], shareable, ..batch(&[]) }
}

/// Several callers on each worker, each of whom wants his own answers.
fn ask_everywhere(pool: &Pool, shareable: bool, round: usize) {
    let threads: Vec<_> = (0..WORKERS)
        .map(|number| {
            let pool = pool.clone();
            on_worker(round * WORKERS + number, ROUNDS * WORKERS, async move || {
                let callers = (0..4).map(|caller| {
                    let pool = pool.clone();
                    tokio::spawn(async move {
                        for turn in 0..60 {
                            let me = format!("{number}/{caller}/{turn}:");
                            let reply = pool.run(asked(&me, shareable)).await.unwrap();
                            assert_eq!(cell(&reply), Some(&*format!("{me}0")));
                        }
                    })
                });
                for caller in callers.collect::<Vec<_>>() {
                    caller.await.unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

/// A lane keeps its connection for a second without work, but not when the lane of another worker needs it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_without_work_lets_the_lane_of_another_worker_have_its_connection() {
    let database = database().await;
    let pool = pool(&database, 4);
    let busy: Vec<_> = (0..3)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.run(batch(&["select pg_sleep(4)"])).await.map(drop) })
        })
        .collect();
    eventually("three are busy", async || pool.stats().active == 3).await;
    let (first, (done, wait)) = (pool.clone(), tokio::sync::oneshot::channel::<()>());
    let (ready, is_ready) = tokio::sync::oneshot::channel();
    let one = on_worker(0, 2, async move || {
        for turn in 0..5 {
            first.run(asked(&format!("{turn}"), true)).await.unwrap();
        }
        assert!(first.stats().shared > 0, "it has a lane");
        ready.send(()).unwrap();
        let _ = wait.await;
    });
    is_ready.await.unwrap();
    let second = pool.clone();
    let other = on_worker(1, 2, async move || {
        let started = Instant::now();
        second.run(asked("second:", true)).await.unwrap();
        assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
        done.send(()).unwrap();
    });
    for thread in [one, other] {
        tokio::task::spawn_blocking(|| thread.join().unwrap()).await.unwrap();
    }
    for busy in busy {
        busy.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_serve_whichever_thread_asks_also_when_another_has_ended() {
    let (server, files) = Server::start(true).await;
    let parse = |rest: &str| ConnectOptions::parse(&server.url("scram_user", rest)).unwrap();
    let local = Host::unix(server.socket_folder(), server.port);
    let kinds = [
        ("TCP", parse("sslmode=disable")),
        ("Unix", parse("sslmode=disable").with_hosts([local])),
        ("TLS", parse(&format!("sslmode=verify-full&sslrootcert={}", files.authority.display()))),
    ];
    for (kind, connect) in kinds {
        for shareable in [false, true] {
            let pool = Pool::new(connect.clone(), PoolOptions { max_shared: 2, ..options(4) });
            let warm = pool.run(asked("first:", shareable)).await.unwrap();
            assert_eq!(cell(&warm), Some("first:0"), "{kind}");
            for round in 0..ROUNDS {
                // The threads of the first round, whose sessions these are, are gone in the second: other sessions take their place.
                let asking = pool.clone();
                tokio::task::spawn_blocking(move || ask_everywhere(&asking, shareable, round)).await.unwrap();
            }
            let reply = pool.run(asked("last:", shareable)).await.unwrap();
            assert_eq!(cell(&reply), Some("last:0"), "{kind}");
            let stats = pool.stats();
            assert!(stats.size <= 4 && stats.protocol_errors == 0 && stats.desyncs == 0, "{kind}: {stats:?}");
            assert_eq!(stats.shared > 100, shareable, "{kind}: {stats:?}");
        }
    }
}
