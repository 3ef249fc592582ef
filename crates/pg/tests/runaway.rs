//! Statements that nobody waits for any more: cancelled, and terminated when their code catches the cancellation.

use std::time::{Duration, Instant};

use ferrobase_pg::{Error, Pool, PoolOptions};

use crate::support::{BatchExt, batch, cell, database, eventually, login, options, pool, user_batch, value};

/// Ignores every cancellation for a minute.
const SWALLOW: &str = "
    create function swallow() returns void language plpgsql as $$
    declare latest timestamptz := clock_timestamp() + interval '1 minute';
    begin
        while clock_timestamp() < latest loop
            begin
                perform pg_sleep(0.02);
            exception when query_canceled then null;
            end;
        end loop;
    end $$;
";

async fn running(database: &ferrobase_testkit::TestDatabase, what: &str) -> String {
    let sql = format!(
        "select count(*) from pg_stat_activity where datname = current_database() and state = 'active' and query like '%{what}%' and pid <> pg_backend_pid()"
    );
    value(&mut database.connect().await, &sql).await.unwrap()
}

#[tokio::test]
async fn sec_20_a_function_that_swallows_its_cancellation_is_terminated() {
    let database = database().await;
    database.script(SWALLOW).await;
    let pool = Pool::new(login(&database), PoolOptions { cancel_grace: Duration::from_millis(400), ..options(1) });
    let started = Instant::now();
    let request = user_batch(&["select swallow()"]).with("statement_timeout", "100").within(Duration::from_millis(300));
    let error = pool.run(request).await.unwrap_err();
    assert!(matches!(error, Error::Deadline), "{error}");
    assert!(started.elapsed() < Duration::from_millis(600), "the caller waits no longer than its deadline");

    assert_eq!(cell(&pool.run(batch(&["select 'next'"])).await.unwrap()), Some("next"));
    assert!(started.elapsed() < Duration::from_secs(5), "the slot is free again soon");
    assert_eq!(running(&database, "swallow").await, "0");
    let stats = pool.stats();
    assert_eq!((stats.cancels, stats.terminated, stats.opened, stats.size), (1, 1, 2, 1));
}

#[tokio::test]
async fn sec_20_a_deadline_cancels_and_keeps_the_connection() {
    let database = database().await;
    let pool = pool(&database, 1);
    let started = Instant::now();
    let error = pool.run(batch(&["select pg_sleep(60)"]).within(Duration::from_millis(200))).await.unwrap_err();
    assert!(matches!(error, Error::Deadline) && started.elapsed() < Duration::from_millis(600));
    assert_eq!(cell(&pool.run(batch(&["select 'next'"])).await.unwrap()), Some("next"));
    let stats = pool.stats();
    assert_eq!((stats.cancels, stats.terminated, stats.opened), (1, 0, 1));
    let past = batch(&["select 1"]).within(Duration::ZERO);
    assert!(pool.run(past).await.is_err());
}

#[tokio::test]
async fn a_caller_who_goes_away_cancels_his_statement() {
    let database = database().await;
    database.script("create table t (id int); grant all on t to public").await;
    let pool = pool(&database, 1);
    let run = tokio::spawn({
        let pool = pool.clone();
        async move { pool.run(batch(&["insert into t values (1)", "select pg_sleep(60)"])).await }
    });
    eventually("it runs", async || running(&database, "pg_sleep").await == "1").await;
    run.abort();
    assert_eq!(cell(&pool.run(batch(&["select count(*) from t"])).await.unwrap()), Some("0"));
    assert_eq!((pool.stats().cancels, pool.stats().opened), (1, 1));
}

/// A cancellation that comes late must not hit whoever has the connection next, nor may an answer go astray.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sec_20_cancellations_never_hit_a_neighbour() {
    let database = database().await;
    let pool = pool(&database, 2);
    let tasks: Vec<_> = (0..16_u64)
        .map(|task| {
            let pool = pool.clone();
            tokio::spawn(async move {
                for round in 0..60_u64 {
                    let mine = format!("{task}-{round}");
                    let ask = "select current_setting('app.me'), pg_sleep(0.0005)";
                    let request = batch(&[ask]).with("app.me", &mine);
                    if (task + round) % 3 == 0 {
                        let patience = Duration::from_micros((task * 977 + round * 1311) % 40_000);
                        let _ = tokio::time::timeout(patience, pool.run(request)).await;
                    } else {
                        let reply = pool.run(request).await.unwrap_or_else(|e| panic!("{mine}: {e}"));
                        assert_eq!(cell(&reply), Some(mine.as_str()));
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    eventually("all are back", async || pool.stats().active == 0).await;
    let stats = pool.stats();
    assert!(stats.cancels > 0 && stats.desyncs == 0 && stats.protocol_errors == 0, "{stats:?}");
}
