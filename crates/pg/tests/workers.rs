//! A pool that several single-threaded runtimes use: sessions go where they are asked for, whatever the socket is.

use std::thread::JoinHandle;

use ferrobase_base::Worker;
use ferrobase_pg::{Batch, ConnectOptions, Host, Pool, PoolOptions};

use crate::support::server::Server;
use crate::support::{batch, cell, options, statement};

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
