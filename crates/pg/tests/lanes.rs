//! Quick reads that share connections: who waits for whom, whose answer is whose, and what becomes of a lost one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ferrobase_pg::{Batch, Error, Pool};
use futures_util::FutureExt;

use crate::support::messages::{Act, MessageProxy};
use crate::support::{BatchExt, batch, cell, database, eventually, login, options, pool, statement, value};

/// Reads that may share a connection.
fn shareable(sql: &str, parameters: &[Option<&str>]) -> Batch {
    Batch { statements: vec![statement(sql, parameters)], shareable: true, ..batch(&[]) }
}

/// Who asks, after so many seconds.
const WHO: &str = "select current_setting('app.me') || current_user from pg_sleep($1::float8)";

fn who(me: &str, seconds: &str) -> Batch {
    shareable(WHO, &[Some(seconds)]).with("role", "fbpg_one").with("app.me", me)
}

/// Makes the shape known as quick.
async fn warm(pool: &Pool) {
    for _ in 0..3 {
        pool.run(who("warm", "0")).await.unwrap();
    }
    eventually("a lane took it", async || {
        pool.run(who("warm", "0")).await.unwrap();
        pool.stats().shared > 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_share_few_connections_and_everybody_gets_his_own_answer() {
    let database = database().await;
    let pool = pool(&database, 8);
    warm(&pool).await;
    let tasks: Vec<_> = (0..64)
        .map(|caller| {
            let pool = pool.clone();
            tokio::spawn(async move {
                for number in 0..50 {
                    let me = format!("{caller}-{number}-");
                    let asked = pool.run(who(&me, "0"));
                    // Some callers leave, at every stage.
                    if number % 10 == 7 {
                        let _ = tokio::time::timeout(Duration::from_micros(caller * 40), asked).await;
                        continue;
                    }
                    assert_eq!(cell(&asked.await.unwrap()), Some(&*format!("{me}fbpg_one")));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let stats = pool.stats();
    assert!(stats.shared > 1000, "{stats:?}");
    assert!(stats.size <= 8 && stats.desyncs == 0 && stats.protocol_errors == 0, "{stats:?}");
}

#[tokio::test]
async fn only_shapes_that_are_known_to_be_quick_share() {
    let database = database().await;
    let pool = pool(&database, 8);
    for _ in 0..3 {
        pool.run(who("slow", "0.01")).await.unwrap();
    }
    assert_eq!(pool.stats().shared, 0, "too slow");
    let alone = crate::support::pool(&database, 1);
    for _ in 0..5 {
        alone.run(who("one", "0")).await.unwrap();
    }
    assert_eq!(alone.stats().shared, 0, "half of one connection is none");
    let unmarked = Batch { shareable: false, ..who("mine", "0") };
    for _ in 0..3 {
        pool.run(Batch { scope: "other".into(), ..unmarked.clone() }).await.unwrap();
    }
    assert_eq!(pool.stats().shared, 0);
}

/// One statement of a quick shape takes two seconds: nobody else waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_answer_holds_up_nobody_behind_it() {
    let database = database().await;
    // One lane, so that everybody is behind it.
    let pool = Pool::new(login(&database), ferrobase_pg::PoolOptions { max_shared: 1, ..options(4) });
    warm(&pool).await;
    let slow = tokio::spawn({
        let pool = pool.clone();
        async move { pool.run(who("slow", "2")).await.map(|reply| cell(&reply).map(str::to_owned)) }
    });
    tokio::task::yield_now().await;
    let mut times = Vec::new();
    for number in 0..200 {
        let (me, started) = (format!("{number}-"), Instant::now());
        assert_eq!(cell(&pool.run(who(&me, "0")).await.unwrap()), Some(&*format!("{me}fbpg_one")));
        times.push(started.elapsed());
    }
    assert!(!slow.is_finished(), "two hundred answers came before the slow one");
    assert_eq!(slow.await.unwrap().unwrap().as_deref(), Some("slowfbpg_one"));
    times.sort();
    println!("behind a statement of 2 s: median {:?}, p99 {:?}, most {:?}", times[100], times[197], times[199]);
    // The shape is not quick any more, until it was measured often enough on its own.
    let shared = pool.stats().shared;
    pool.run(who("after", "0")).await.unwrap();
    assert_eq!(pool.stats().shared, shared);
}

/// A slow answer on one of two lanes, and nobody gets a connection of his own: those behind it go to the other lane.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_held_up_goes_to_another_lane() {
    let database = database().await;
    let pool = Pool::new(login(&database), ferrobase_pg::PoolOptions { max_shared: 2, ..options(4) });
    warm(&pool).await;
    let deadline = Instant::now() + Duration::from_secs(20);
    let taken = [pool.session(deadline).await.unwrap(), pool.session(deadline).await.unwrap()];
    let others = || {
        let run = |number: usize| {
            let pool = pool.clone();
            async move { (number, pool.run(who(&format!("{number}-"), "0")).await) }
        };
        futures_util::future::join_all((0..40).map(run))
    };
    eventually("both lanes have their connections", async || {
        others().await;
        pool.stats().lanes == 2 && pool.stats().size == 4
    })
    .await;
    let moved = pool.stats().moved;
    let mut slow = std::pin::pin!(pool.run(who("slow", "0.8")));
    // It is on its way, and so are all the others before it can be late. (A lane without work keeps its connection for longer.)
    assert!((&mut slow).now_or_never().is_none());
    for (number, answer) in others().await {
        assert_eq!(cell(&answer.unwrap()), Some(&*format!("{number}-fbpg_one")));
    }
    // All that is ready may be seen.
    tokio::task::yield_now().await;
    assert!((&mut slow).now_or_never().is_none(), "everybody else was answered before it");
    assert!(pool.stats().moved > moved, "{:?}", pool.stats());
    assert_eq!(cell(&slow.await.unwrap()), Some("slowfbpg_one"));
    drop(taken);
}

/// As one who was planned again, because the schema changed, or was sent here from another lane.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_longest_is_next_on_a_lane() {
    let database = database().await;
    let pool = Pool::new(login(&database), ferrobase_pg::PoolOptions { max_shared: 1, ..options(2) });
    warm(&pool).await;
    // Nobody leaves for a connection of his own.
    let taken = pool.session(Instant::now() + Duration::from_secs(20)).await.unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let ask = |me: &'static str, since: Instant| {
        let (pool, order) = (pool.clone(), Arc::clone(&order));
        tokio::spawn(async move {
            pool.run(Batch { since, ..who(me, "0.001") }).await.unwrap();
            order.lock().unwrap().push(me);
        })
    };
    let now = Instant::now();
    let mut asked: Vec<_> = (0..100).map(|_| ask("young", now)).collect();
    eventually("some were answered", async || order.lock().unwrap().len() > 2).await;
    asked.push(ask("old", now - Duration::from_secs(1)));
    for one in asked {
        one.await.unwrap();
    }
    let order = order.lock().unwrap();
    let at = order.iter().position(|me| *me == "old").expect("it was answered");
    assert!(at < 60, "{at} of the young ones came before the old one");
    drop(taken);
}

/// Where PostgreSQL has room, as it has for those that sleep.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_leave_full_lanes_while_that_is_faster() {
    let database = database().await;
    let pool = Pool::new(login(&database), ferrobase_pg::PoolOptions { max_shared: 1, ..options(8) });
    warm(&pool).await;
    let before = pool.stats().shared;
    let callers = (0..100).map(|caller| {
        let pool = pool.clone();
        tokio::spawn(async move {
            for number in 0..10 {
                let me = format!("{caller}-{number}-");
                assert_eq!(cell(&pool.run(who(&me, "0.001")).await.unwrap()), Some(&*format!("{me}fbpg_one")));
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    let shared = pool.stats().shared - before;
    // One lane beside seven others.
    assert!((1..700).contains(&shared), "{shared} of a thousand shared: {:?}", pool.stats());
}

#[tokio::test]
async fn an_error_is_its_own_callers_only() {
    let database = database().await;
    let pool = pool(&database, 8);
    let divide = |by: &'static str| shareable("select 10 / $1::int", &[Some(by)]);
    for _ in 0..4 {
        pool.run(divide("5")).await.unwrap();
    }
    let runs = (0..40).map(|number| {
        let pool = pool.clone();
        async move { pool.run(divide(if number % 2 == 0 { "0" } else { "2" })).await }
    });
    for (number, result) in futures_util::future::join_all(runs).await.into_iter().enumerate() {
        match result {
            Ok(reply) => assert!(number % 2 == 1 && cell(&reply) == Some("5")),
            Err(error) => assert!(number % 2 == 0 && error.code().unwrap().as_str() == "22012", "{error}"),
        }
    }
    assert!(pool.stats().shared >= 20, "{:?}", pool.stats());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_on_a_connection_that_is_lost_are_asked_again_elsewhere() {
    let database = database().await;
    let pool = pool(&database, 8);
    warm(&pool).await;
    let asked: Vec<_> =
        (0..20)
            .map(|n| {
                tokio::spawn({
                    let pool = pool.clone();
                    async move {
                        pool.run(who(&format!("{n}-"), "0.001")).await.map(|reply| cell(&reply).map(str::to_owned))
                    }
                })
            })
            .collect();
    // One of them: who is asked again elsewhere must find something there.
    database.script("select pg_terminate_backend(pid) from (select pid from pg_stat_activity where usename = 'fbpg_login' and datname = current_database() order by state limit 1) as one").await;
    for (n, task) in asked.into_iter().enumerate() {
        assert_eq!(task.await.unwrap().unwrap(), Some(format!("{n}-fbpg_one")));
    }
    // An idle lane whose connection went away is noticed before anything is sent.
    warm(&pool).await;
    database.script("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'fbpg_login' and datname = current_database()").await;
    assert_eq!(cell(&pool.run(who("next-", "0")).await.unwrap()), Some("next-fbpg_one"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_nobody_waits_for_is_cancelled_and_costs_the_lane_its_connection_only() {
    let database = database().await;
    let pool = Pool::new(login(&database), ferrobase_pg::PoolOptions { max_shared: 1, ..options(4) });
    warm(&pool).await;
    let late = pool.run(who("late", "60").within(Duration::from_millis(50))).await;
    assert!(matches!(late, Err(Error::Deadline)), "{late:?}");
    eventually("it was cancelled", async || pool.stats().cancels == 1).await;
    let running = "select count(*) from pg_stat_activity where query like '%pg_sleep(%' and state = 'active' and pid <> pg_backend_pid()
                   and datname = current_database()";
    let mut session = database.connect().await;
    eventually("nothing runs on", async || crate::support::value(&mut session, running).await.as_deref() == Some("0"))
        .await;
    assert_eq!(cell(&pool.run(who("next-", "0")).await.unwrap()), Some("next-fbpg_one"));
}

/// However far it got: a lane has no timer for each batch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_on_a_lane_waits_no_longer_than_its_deadline() {
    let database = database().await;
    let pool = Pool::new(login(&database), ferrobase_pg::PoolOptions { max_shared: 1, ..options(2) });
    warm(&pool).await;
    let soon =
        |me: &str, seconds: &str| Batch { deadline: Instant::now() + Duration::from_millis(300), ..who(me, seconds) };
    let late = async |what: &str, asked: Batch| {
        let started = Instant::now();
        let error = pool.run(asked).await.unwrap_err();
        let took = started.elapsed();
        assert!(matches!(error, Error::Deadline), "{what}: {error}");
        assert!((Duration::from_millis(290)..Duration::from_secs(5)).contains(&took), "{what}: after {took:?}");
    };
    late("under way", soon("slow", "20")).await;
    eventually("the shape is quick again", async || {
        let shared = pool.stats().shared;
        pool.run(who("again", "0")).await.unwrap();
        pool.stats().shared > shared
    })
    .await;
    eventually("the lane let go", async || pool.stats().idle == pool.stats().size).await;
    // Nobody gets a connection now, the lane neither.
    let deadline = Instant::now() + Duration::from_secs(20);
    let taken = [pool.session(deadline).await.unwrap(), pool.session(deadline).await.unwrap()];
    late("without a connection", soon("waits", "0")).await;
    drop(taken);
    assert_eq!(cell(&pool.run(who("after", "0")).await.unwrap()), Some("afterfbpg_one"));
}

/// What made it known as harmless fell while it ran or waited: its caller is to plan it anew, and needs no connection of his
/// own for that. Many find it out at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_on_a_lane_whose_proof_falls_is_answered_by_nobody() {
    let database = database().await;
    let pool = Pool::new(login(&database), ferrobase_pg::PoolOptions { max_shared: 1, ..options(8) });
    warm(&pool).await;
    let stands = Arc::new(AtomicBool::new(true));
    let proven = |me: &str, seconds: &str| Batch { proof: Some(Arc::clone(&stands)), ..who(me, seconds) };
    assert_eq!(cell(&pool.run(proven("one-", "0")).await.unwrap()), Some("one-fbpg_one"));
    let mut other = database.connect().await;
    let sessions = "select string_agg(pid::text, ' ' order by pid) from pg_stat_activity
                    where pid <> pg_backend_pid() and datname = current_database()";
    let before = value(&mut other, sessions).await.unwrap();
    let asked: Vec<_> = (0..20)
        .map(|number| {
            let (pool, batch) = (pool.clone(), proven(&number.to_string(), "0.004"));
            tokio::spawn(async move { pool.run(batch).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(6)).await;
    stands.store(false, Ordering::Release);
    let mut in_doubt = 0;
    for one in asked {
        match one.await.unwrap() {
            Ok(_) => {}
            Err(Error::Doubt) => in_doubt += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(in_doubt > 0, "the last of twenty waited for more than six milliseconds");
    // To close the connection and open another one would take longer than to look what was left there.
    eventually("the lane let go", async || pool.stats().idle == pool.stats().size).await;
    let after = value(&mut other, sessions).await.unwrap();
    assert!(before.split(' ').all(|pid| after.split(' ').any(|other| other == pid)), "{before}: {after}");
    assert!(matches!(pool.run(proven("late", "0")).await, Err(Error::Doubt)));
    assert_eq!(cell(&pool.run(who("after-", "0")).await.unwrap()), Some("after-fbpg_one"));
}

#[tokio::test]
async fn a_closed_pool_has_no_lanes() {
    let database = database().await;
    let pool = pool(&database, 8);
    warm(&pool).await;
    tokio::time::timeout(Duration::from_secs(5), pool.close()).await.expect("lanes let go of their connections");
    assert!(matches!(pool.run(who("late", "0")).await, Err(Error::Closed)));
}

/// Every message of an answer, lost or doubled, while several are under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_13_a_lane_out_of_step_never_yields_wrong_rows() {
    let database = database().await;
    let direct = login(&database);
    let ferrobase_pg::Host::Tcp { port, .. } = direct.hosts()[0].clone() else {
        panic!("the shared server listens on TCP")
    };
    let proxy = MessageProxy::start(([127, 0, 0, 1], port).into()).await;
    let plain = direct.with_hosts([ferrobase_pg::Host::tcp("127.0.0.1", proxy.address.port())]);
    let plain = plain.with_ssl_mode(ferrobase_pg::SslMode::Disable);
    let pool = Pool::new(
        plain,
        ferrobase_pg::PoolOptions { max_shared: 1, cancel_grace: Duration::from_millis(100), ..options(4) },
    );
    for position in 0..12 {
        for act in [Act::Drop, Act::Twice, Act::ReplayAnswer] {
            warm(&pool).await;
            proxy.set(std::iter::repeat_n(Act::Pass, position).chain([act]));
            let callers = ["alice-", "bob-", "carol-", "dave-"].map(|me| {
                let pool = pool.clone();
                async move { (me, pool.run(who(me, "0").within(Duration::from_millis(300))).await) }
            });
            for (me, answer) in futures_util::future::join_all(callers).await {
                let Ok(reply) = answer else { continue };
                assert_eq!(cell(&reply), Some(&*format!("{me}fbpg_one")), "{act:?} at {position}");
            }
            proxy.set([]);
        }
    }
    assert!(pool.stats().protocol_errors > 0);
}
