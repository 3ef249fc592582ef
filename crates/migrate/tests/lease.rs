//! Runners that come at the same time, die, or lose the lease.

use std::time::{Duration, Instant};

use ferrobase_migrate::{Error, Event, UpOptions};

use crate::folder::{Folder, KILL_SLEEPING, SLEEPING, wait_for};

/// A file whose first statement runs outside a transaction, as it commits by itself, and takes a while.
const OUTSIDE: &str = "-- ferrobase: no-transaction\ndo $$ begin commit; perform pg_sleep(1); end $$;\n";

fn hasty() -> UpOptions {
    UpOptions { wait: Duration::from_millis(700), runner: "the hasty one".into(), ..UpOptions::default() }
}

#[tokio::test]
async fn runners_at_the_same_time_apply_each_file_once() {
    let folder = Folder::with(&[
        ("0001_t", "create table t (x int)"),
        ("0002_a", "insert into t values (1); select pg_sleep(0.2)"),
        ("0003_b", "insert into t values (2)"),
        ("0004_i", "-- ferrobase: no-transaction\ncreate index concurrently t_x on t (x);\ninsert into t values (3)"),
        ("0005_c", "insert into t values (4)"),
    ])
    .await;
    let runs: Vec<_> = (0..6).map(|_| folder.spawn_up(UpOptions::default())).collect();
    let mut files = 0;
    for run in runs {
        files += run.await.unwrap().0.unwrap().applied.len();
    }
    assert_eq!(files, 5);
    assert_eq!(folder.ask("select string_agg(x::text, ',' order by x) from t").await, "1,2,3,4");
}

#[tokio::test]
async fn sec_24_a_runner_that_waits_blocks_nobody() {
    let folder = Folder::with(&[("0001_t", "create table t (x int)")]).await;
    folder.up().await.unwrap();
    // A waiting session would be waited for by the index build, and the other way round for ever.
    folder
        .write("0002_i", "-- ferrobase: no-transaction\nselect pg_sleep(1);\ncreate index concurrently t_x on t (x);");
    let first = folder.spawn_up(UpOptions::default());
    wait_for(&folder, SLEEPING, "1").await;
    let second = folder.spawn_up(UpOptions::default());
    let waits = "select count(*)::text from pg_stat_activity a where cardinality(pg_blocking_pids(a.pid)) > 0
                 and datname = current_database()";
    let until = Instant::now() + Duration::from_millis(600);
    while Instant::now() < until {
        assert_eq!(folder.ask(waits).await, "0");
    }
    let locks = "select count(*)::text from pg_locks where locktype = 'advisory'
                 and database = (select oid from pg_database where datname = current_database())";
    assert_eq!(folder.ask(locks).await, "0");
    first.await.unwrap().0.unwrap();
    let (report, events) = second.await.unwrap();
    assert_eq!(report.unwrap().applied.len(), 0);
    assert!(matches!(&events[0], Event::Waiting { holder } if holder.contains("process")), "{events:?}");
}

#[tokio::test]
async fn a_long_transaction_keeps_the_lease_after_its_time() {
    let folder = Folder::with(&[("0001_t", "create table t (x int); select pg_sleep(2);")]).await;
    let first = folder.spawn_up(UpOptions::default());
    wait_for(&folder, SLEEPING, "1").await;
    let (second, _) = folder.up_with(&hasty()).await;
    match second.unwrap_err() {
        Error::Busy { holder } => assert!(holder.contains("process") && holder.contains("backend"), "{holder}"),
        other => panic!("{other:?}"),
    }
    first.await.unwrap().0.unwrap();

    // Whatever the row says: as long as a transaction holds it, its holder is at work.
    folder.write("0002_u", "create table u (x int)");
    let mut holder = folder.connect().await;
    holder
        .script(
            "update ferrobase.migration_lease set holder = 'gone', backend_pid = 0, expires_at = '-infinity';
             begin; select from ferrobase.migration_lease for update;",
        )
        .await
        .unwrap();
    assert!(matches!(folder.up_with(&hasty()).await.0, Err(Error::Busy { .. })));
    holder.script("commit").await.unwrap();
    folder.up_with(&hasty()).await.0.unwrap();
}

#[tokio::test]
async fn a_long_statement_outside_a_transaction_keeps_the_lease_after_its_time() {
    let folder = Folder::with(&[("0001_t", OUTSIDE)]).await;
    let first = folder.spawn_up(UpOptions::default());
    wait_for(&folder, SLEEPING, "1").await;
    folder.connect().await.script("update ferrobase.migration_lease set expires_at = '-infinity'").await.unwrap();
    assert!(matches!(folder.up_with(&hasty()).await.0, Err(Error::Busy { .. })));
    first.await.unwrap().0.unwrap();
}

#[tokio::test]
async fn sec_24_a_runner_that_lost_the_lease_stops() {
    let folder = Folder::with(&[("0001_t", &format!("{OUTSIDE}create table late (x int);"))]).await;
    let first = folder.spawn_up(UpOptions::default());
    wait_for(&folder, SLEEPING, "1").await;
    folder.connect().await.script("update ferrobase.migration_lease set token = token + 1").await.unwrap();
    assert!(matches!(first.await.unwrap().0, Err(Error::LeaseLost)));
    assert_eq!(folder.ask("select to_regclass('late') is null").await, "t");
    let progress = folder.status().await.migrations[0].progress.clone().unwrap();
    assert_eq!((progress.done, progress.in_doubt), (0, true), "it records nothing over the other one's progress");

    // Between two files: the second one's transaction does not begin to work.
    let folder = Folder::with(&[("0001_a", OUTSIDE), ("0002_b", "create table late (x int)")]).await;
    let first = folder.spawn_up(UpOptions::default());
    wait_for(&folder, SLEEPING, "1").await;
    folder.connect().await.script("update ferrobase.migration_lease set token = token + 1").await.unwrap();
    assert!(matches!(first.await.unwrap().0, Err(Error::LeaseLost)));
    assert_eq!(folder.ask("select to_regclass('late') is null").await, "t");
}

#[tokio::test]
async fn a_runner_that_dies_is_followed_at_once() {
    let folder = Folder::with(&[("0001_t", "create table t (x int);\nselect pg_sleep(60);")]).await;
    let first = folder.spawn_up(UpOptions::default());
    wait_for(&folder, SLEEPING, "1").await;
    folder.connect().await.script(KILL_SLEEPING).await.unwrap();
    assert!(matches!(first.await.unwrap().0, Err(Error::Connection { .. })));
    assert_eq!(
        folder.ask("select holder is not null from ferrobase.migration_lease").await,
        "t",
        "it could not give it back"
    );
    folder.write("0001_t", "create table t (x int);");
    let began = Instant::now();
    folder.up().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_connection_dropped_in_the_middle_rolls_back_and_is_followed() {
    let folder = Folder::with(&[("0001_t", "create table t (x int);\nselect pg_sleep(60);")]).await;
    let first = folder.spawn_up(UpOptions::default());
    wait_for(&folder, SLEEPING, "1").await;
    // As with kill -9: the socket closes, nobody says anything. PostgreSQL looks every two seconds.
    first.abort();
    let _ = first.await;
    folder.write("0001_t", "create table t (x int);");
    folder.up().await.unwrap();
    assert_eq!(folder.ask("select count(*)::text from t").await, "0");
    assert_eq!(folder.ask("select count(*)::text from ferrobase.migrations").await, "1");
}

#[tokio::test]
async fn a_lock_that_is_not_to_be_had_is_tried_again() {
    let folder = Folder::with(&[("0001_t", "create table t (x int)")]).await;
    folder.up().await.unwrap();
    folder.write("0002_a", "create table before (x int); alter table t add column y int;");
    let mut blocker = folder.connect().await;
    blocker.script("begin; lock table t in access share mode").await.unwrap();
    let options = UpOptions { lock_timeout: Duration::from_millis(100), lock_attempts: 2, ..UpOptions::default() };
    let (result, events) = folder.up_with(&options).await;
    match result.unwrap_err() {
        Error::Failed(failure) => {
            assert_eq!(failure.code, "55P03");
            assert!(failure.hint.unwrap().contains("pg_stat_activity"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(events.iter().filter(|e| matches!(e, Event::Retrying { .. })).count(), 1);

    let options = UpOptions { lock_attempts: 50, ..options };
    let run = folder.spawn_up(options);
    tokio::time::sleep(Duration::from_millis(500)).await;
    blocker.script("commit").await.unwrap();
    let (result, events) = run.await.unwrap();
    assert_eq!(result.unwrap().applied.len(), 1);
    assert!(events.iter().any(|e| matches!(e, Event::Retrying { .. })));
}
