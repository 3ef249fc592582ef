//! Bounds of a pool, each hit, and how sessions come and go.

use std::time::{Duration, Instant};

use ferrobase_pg::{Error, Pool, PoolOptions, Pooler};

use crate::support::{BatchExt, batch, cell, database, eventually, login, options, pool, user_batch, value};

const PID: &str = "select pg_backend_pid()";

async fn pid(pool: &Pool) -> String {
    cell(&pool.run(batch(&[PID])).await.unwrap()).unwrap().to_owned()
}

#[tokio::test]
async fn making_a_pool_costs_nothing_and_sessions_are_reused() {
    let database = database().await;
    let pool = pool(&database, 4);
    assert_eq!(pool.stats().size, 0);
    let first = pid(&pool).await;
    for _ in 0..20 {
        assert_eq!(pid(&pool).await, first);
    }
    let stats = pool.stats();
    assert_eq!((stats.size, stats.idle, stats.active, stats.waiting, stats.opened), (1, 1, 0, 0, 1));
    assert!(stats.available);
}

#[tokio::test]
async fn no_more_connections_than_allowed() {
    let database = database().await;
    let pool = pool(&database, 3);
    let runs = (0..30).map(|_| {
        let pool = pool.clone();
        tokio::spawn(async move { pool.run(batch(&["select pg_sleep(0.01)"])).await.unwrap() })
    });
    for run in runs.collect::<Vec<_>>() {
        run.await.unwrap();
    }
    let stats = pool.stats();
    assert_eq!((stats.opened, stats.size, stats.idle), (3, 3, 3));
}

#[tokio::test]
async fn a_full_queue_turns_callers_away_at_once() {
    let database = database().await;
    let pool = Pool::new(login(&database), PoolOptions { max_waiting: 2, ..options(1) });
    pid(&pool).await;
    let busy = tokio::spawn({
        let pool = pool.clone();
        async move { pool.run(batch(&["select pg_sleep(0.5)"])).await }
    });
    eventually("busy", async || pool.stats().active == 1).await;
    let queued: Vec<_> = (0..2)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.run(batch(&["select 1"])).await })
        })
        .collect();
    eventually("two wait", async || pool.stats().waiting == 2).await;
    let started = Instant::now();
    let error = pool.run(batch(&["select 1"])).await.unwrap_err();
    assert!(matches!(error, Error::Saturated { waiting: 2, retry_after } if retry_after > Duration::ZERO), "{error}");
    assert!(started.elapsed() < Duration::from_millis(100));
    busy.await.unwrap().unwrap();
    for run in queued {
        run.await.unwrap().unwrap();
    }
    let stats = pool.stats();
    assert_eq!((stats.saturated, stats.waiting), (1, 0));
}

/// Nobody waits for a caller while connections can still be opened: a new pool does not turn its first callers away.
#[tokio::test]
async fn whoever_waits_for_a_connection_to_open_is_no_waiting_caller() {
    let database = database().await;
    for max_waiting in [0, 1] {
        let pool = Pool::new(login(&database), PoolOptions { max_waiting, ..options(3) });
        let runs: Vec<_> = (0..3 + max_waiting)
            .map(|_| {
                let pool = pool.clone();
                tokio::spawn(async move { pool.run(batch(&["select pg_sleep(0.3)"])).await })
            })
            .collect();
        eventually("all are in", async || pool.stats().active == 3 && pool.stats().waiting == max_waiting).await;
        let error = pool.run(batch(&["select 1"])).await.unwrap_err();
        assert!(matches!(error, Error::Saturated { .. }), "{error}");
        for run in runs {
            run.await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn a_warm_pool_keeps_its_minimum_without_being_asked() {
    let database = database().await;
    let pool = Pool::new(login(&database), PoolOptions { min_connections: 2, ..options(3) });
    pool.warm();
    eventually("two are open", async || pool.stats().idle == 2).await;
}

#[tokio::test]
async fn waiting_is_bounded_by_the_option_and_by_the_deadline() {
    let database = database().await;
    let pool = Pool::new(login(&database), PoolOptions { acquire_timeout: Duration::from_millis(100), ..options(1) });
    let held = pool.session(Instant::now() + Duration::from_secs(5)).await.unwrap();
    let error = pool.run(batch(&["select 1"])).await.unwrap_err();
    assert!(matches!(error, Error::AcquireTimeout(_)), "{error}");
    let started = Instant::now();
    let error = pool.run(batch(&["select 1"]).within(Duration::from_millis(20))).await.unwrap_err();
    assert!(matches!(error, Error::AcquireTimeout(waited) if waited < Duration::from_millis(90)), "{error}");
    assert!(started.elapsed() < Duration::from_millis(90));
    drop(held);
    pool.run(batch(&["select 1"])).await.unwrap();
    assert_eq!(pool.stats().timeouts, 2);
}

#[tokio::test]
async fn callers_are_served_in_order_and_gone_ones_skipped() {
    let database = database().await;
    let pool = pool(&database, 1);
    let held = pool.session(Instant::now() + Duration::from_secs(5)).await.unwrap();
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let mut callers = Vec::new();
    for i in 0..10 {
        let (pool, tell) = (pool.clone(), tell.clone());
        let before = pool.stats().waiting;
        let waits = pool.clone();
        callers.push(tokio::spawn(async move {
            pool.run(batch(&["select 1"])).await.unwrap();
            tell.send(i).unwrap();
        }));
        eventually("queued", async || waits.stats().waiting == before + 1).await;
    }
    for gone in [0, 4, 9] {
        callers[gone].abort();
    }
    eventually("left", async || pool.stats().waiting == 7).await;
    drop(held);
    for expected in [1, 2, 3, 5, 6, 7, 8] {
        assert_eq!(told.recv().await, Some(expected));
    }
    assert_eq!(pool.stats().opened, 1);
}

#[tokio::test]
async fn connections_are_retired_and_the_minimum_is_kept() {
    let database = database().await;
    let short = PoolOptions {
        min_connections: 2,
        max_idle_time: Duration::from_millis(50),
        max_lifetime: Duration::from_millis(1500),
        ..options(5)
    };
    let pool = Pool::new(login(&database), short);
    let first = pid(&pool).await;
    eventually("the minimum is opened", async || pool.stats().size == 2).await;
    let runs: Vec<_> = (0..5)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.run(batch(&["select pg_sleep(0.1)"])).await.unwrap() })
        })
        .collect();
    for run in runs {
        run.await.unwrap();
    }
    assert_eq!(pool.stats().size, 5);
    eventually("idle ones are closed", async || pool.stats().size == 2).await;
    eventually("old ones are replaced", async || pid(&pool).await != first).await;
}

#[tokio::test]
async fn closing_refuses_new_work_and_waits_for_the_old() {
    let database = database().await;
    let pool = pool(&database, 2);
    let running = tokio::spawn({
        let pool = pool.clone();
        async move { pool.run(batch(&["select pg_sleep(0.3), 'done'"])).await }
    });
    eventually("running", async || pool.stats().active == 1).await;
    tokio::time::timeout(Duration::from_secs(5), pool.close()).await.unwrap();
    assert_eq!(running.await.unwrap().unwrap().results[0].rows.first().unwrap().text(1), Some("done"));
    assert!(matches!(pool.run(batch(&["select 1"])).await, Err(Error::Closed)));
    assert_eq!(pool.stats().size, 0);
}

#[tokio::test]
async fn a_lent_session_comes_back_checked() {
    let database = database().await;
    let pool = pool(&database, 1);
    let soon = || Instant::now() + Duration::from_secs(5);
    let mut session = pool.session(soon()).await.unwrap();
    let pid = session.backend_pid();
    session.script("begin; set work_mem = '1MB'; select pg_advisory_lock(4)").await.unwrap();
    drop(session);
    let mut session = pool.session(soon()).await.unwrap();
    assert_eq!(session.backend_pid(), pid);
    let left = "select count(*) || current_setting('work_mem') from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()";
    assert_eq!(value(&mut session, left).await.as_deref(), Some("04MB"));
    assert!(!session.in_transaction());
}

#[tokio::test]
async fn requests_with_and_without_user_code_keep_their_own_sessions() {
    let database = database().await;
    let pool = pool(&database, 2);
    let both: Vec<_> = (0..2)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.run(batch(&["select pg_sleep(0.1)"])).await.unwrap() })
        })
        .collect();
    for run in both {
        run.await.unwrap();
    }
    let ask = |user_code| {
        let pool = &pool;
        async move {
            let request = if user_code { user_batch(&[PID]) } else { batch(&[PID]) };
            let reply = pool.run(request).await.unwrap();
            eventually("returned", async || pool.stats().idle == 2).await;
            cell(&reply).unwrap().to_owned()
        }
    };
    let (plain, checked) = (ask(false).await, ask(true).await);
    for _ in 0..3 {
        assert_eq!(ask(true).await, checked);
        assert_ne!(ask(false).await, checked);
    }
    let _ = plain;
}

/// What PgBouncer does to us: each transaction may run elsewhere, so nothing may be prepared.
#[tokio::test]
async fn behind_a_transaction_pooler_nothing_stays_on_the_server() {
    let database = database().await;
    let pool = Pool::new(login(&database), PoolOptions { pooler: Pooler::Transaction, ..options(1) });
    for _ in 0..4 {
        let reply =
            pool.run(user_batch(&["select count(*) from pg_prepared_statements"]).with("a.b", "c")).await.unwrap();
        assert_eq!(cell(&reply), Some("0"));
    }
    assert!(pool.run(user_batch(&["select 1/0"])).await.is_err());
    assert_eq!(pool.stats().opened, 1);
}

#[tokio::test]
async fn time_is_accounted_for() {
    let database = database().await;
    let pool = pool(&database, 1);
    let held = pool.session(Instant::now() + Duration::from_secs(5)).await.unwrap();
    let run = tokio::spawn({
        let pool = pool.clone();
        async move { pool.run(batch(&["select pg_sleep(0.05)"])).await.unwrap().timing }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(held);
    let timing = run.await.unwrap();
    assert!(timing.wait >= Duration::from_millis(40) && timing.execute >= Duration::from_millis(50), "{timing:?}");
}
