//! Files without a transaction: statement by statement, with progress that is remembered.

use std::time::Duration;

use ferrobase_migrate::{Error, Event, InDoubt, State, UpOptions};

use crate::folder::{Folder, KILL_SLEEPING, SLEEPING, wait_for};

const HEADER: &str = "-- ferrobase: no-transaction\n";

#[tokio::test]
async fn statements_that_need_no_transaction_run() {
    let folder = Folder::with(&[
        ("0001_t", "create table t (x int); insert into t select generate_series(1, 100);"),
        ("0002_i", &format!("{HEADER}create index concurrently t_x on t (x);\nvacuum analyze t;\nselect 1;")),
    ])
    .await;
    let (report, events) = folder.up_with(&UpOptions::default()).await;
    assert_eq!(report.unwrap().applied.len(), 2);
    let steps: Vec<String> = events
        .iter()
        .filter_map(|event| match event {
            Event::Statement { number, of, place, summary, .. } => Some(format!("{number}/{of} {place} {summary}")),
            _ => None,
        })
        .collect();
    assert_eq!(
        steps,
        ["1/3 2:1 create index concurrently t_x on t (x)", "2/3 3:1 vacuum analyze t", "3/3 4:1 select 1"]
    );
    assert_eq!(folder.ask("select indisvalid from pg_index where indexrelid = 't_x'::regclass").await, "t");
    assert_eq!(folder.ask("select count(*)::text from ferrobase.migration_progress").await, "0");
}

#[tokio::test]
async fn partial_progress_is_kept_and_continued() {
    let text = |third: &str| {
        format!("{HEADER}create table a (x int);\ncreate table b (x int);\n{third};\ncreate table d (x int);")
    };
    let folder = Folder::with(&[("0001_x", &text("select nope"))]).await;
    let failure = folder.failure().await;
    assert_eq!((failure.place.line, failure.applied), (4, Some((2, 4))));
    let entry = &folder.status().await.migrations[0];
    assert_eq!(entry.state, State::Partial);
    let progress = entry.progress.as_ref().unwrap();
    assert_eq!((progress.done, progress.total, progress.in_doubt), (2, 4, false));
    assert!(progress.error.as_ref().unwrap().contains("nope"));
    assert_eq!(folder.ask("select to_regclass('b') is not null and to_regclass('d') is null").await, "t");

    // What is done may not change; what is not may.
    folder.write("0001_x", &text("select 1").replace("table a (x int)", "table a (x bigint)"));
    let error = folder.up().await.unwrap_err();
    assert!(matches!(&error, Error::PartialEdited { done: 2, .. }), "{error}");
    assert!(error.hint().unwrap().contains("ferrobase dev --reset"));
    folder.write("0001_x", &text("select 1").replace(HEADER, "-- another title\n"));
    assert!(matches!(folder.up().await.unwrap_err(), Error::PartialEdited { .. }));
    folder
        .write("0001_x", &text("create table c (x int)").replace(HEADER, "-- a title\n-- ferrobase: no-transaction\n"));
    folder.up().await.unwrap();
    assert_eq!(folder.states().await, "0001 applied");
    assert_eq!(folder.ask("select to_regclass('c') is not null and to_regclass('d') is not null").await, "t");
}

#[tokio::test]
async fn a_statement_commits_together_with_its_record() {
    let folder = Folder::with(&[(
        "0001_x",
        &format!(
            "{HEADER}create table a (x int);\ninsert into a select 1 from pg_sleep(1);\ninsert into a select 2 from pg_sleep(1);"
        ),
    )])
    .await;
    // The client is gone in the middle of one statement, and then of the next.
    let run = folder.spawn_up(UpOptions::default());
    wait_for(&folder, SLEEPING, "1").await;
    run.abort();
    let _ = run.await;
    wait_for(&folder, SLEEPING, "0").await;
    let progress = folder.status().await.migrations[0].progress.clone().unwrap();
    assert_eq!((progress.done, progress.total, progress.in_doubt), (1, 3, false));
    let run = folder.spawn_up(UpOptions::default());
    wait_for(&folder, "select count(*)::text from a", "1").await;
    run.abort();
    let _ = run.await;
    folder.up().await.unwrap();
    assert_eq!(folder.ask("select string_agg(x::text, ',' order by x) from a").await, "1,2");
}

#[tokio::test]
async fn a_statement_that_is_refused_leaves_nothing_of_itself() {
    let folder = Folder::with(&[(
        "0001_x",
        &format!(
            "{HEADER}create table a (x int primary key, y int references a deferrable initially deferred);\n\
             insert into a values (1, 2);"
        ),
    )])
    .await;
    let failure = folder.failure().await;
    assert_eq!((failure.code.as_str(), failure.place.line, failure.applied), ("23503", 3, Some((1, 2))));
    let progress = folder.status().await.migrations[0].progress.clone().unwrap();
    assert_eq!((progress.done, progress.in_doubt), (1, false));
    assert_eq!(folder.ask("select count(*)::text from a").await, "0");
}

/// A block that commits, which PostgreSQL runs outside transactions only, and that ends its own connection.
const DIES: &str = "do $$ begin commit; perform pg_terminate_backend(pg_backend_pid()); end $$";

#[tokio::test]
async fn a_statement_in_doubt_waits_for_somebody_who_has_looked() {
    let text = format!("{HEADER}create table a (x int);\n{DIES};\ncreate table b (x int);");
    let folder = Folder::with(&[("0001_x", &text)]).await;
    assert!(matches!(folder.up().await, Err(Error::Connection { .. })));
    let entry = &folder.status().await.migrations[0];
    let progress = entry.progress.as_ref().unwrap();
    assert_eq!((progress.done, progress.total, progress.in_doubt, &progress.error), (1, 3, true, &None));

    for _ in 0..2 {
        let error = folder.up().await.unwrap_err();
        assert!(matches!(&error, Error::InDoubt { number: 2, of: 3, place, .. } if place.line == 3), "{error}");
        assert_eq!(error.code(), "migrate_in_doubt");
        assert!(error.hint().unwrap().contains("--in-doubt skip"));
    }
    // What may have been done is what it was, or nobody could say what is taken as done.
    folder.write("0001_x", &text.replace(DIES, "select 1"));
    assert!(matches!(folder.up_with(&deciding(InDoubt::Skip)).await.0, Err(Error::PartialEdited { done: 2, .. })));
    folder.write("0001_x", &text.replace(HEADER, ""));
    assert!(matches!(folder.up().await, Err(Error::PartialEdited { done: 2, .. })));

    // Run again, it dies again; taken as done, the file goes on.
    folder.write("0001_x", &text);
    assert!(matches!(folder.up_with(&deciding(InDoubt::Retry)).await.0, Err(Error::Connection { .. })));
    folder.up_with(&deciding(InDoubt::Skip)).await.0.unwrap();
    assert_eq!(folder.states().await, "0001 applied");
    assert_eq!(folder.ask("select to_regclass('b') is not null").await, "t");
}

#[tokio::test]
async fn a_statement_in_doubt_that_is_refused_stays_in_doubt() {
    let statement = "do $$ begin commit; create table b (x int); commit; perform pg_sleep(30); end $$";
    let folder = Folder::with(&[("0001_x", &format!("{HEADER}create table a (x int);\n{statement};"))]).await;
    let run = folder.spawn_up(UpOptions::default());
    wait_for(&folder, SLEEPING, "1").await;
    folder.connect().await.script(KILL_SLEEPING).await.unwrap();
    assert!(matches!(run.await.unwrap().0, Err(Error::Connection { .. })));

    let Err(Error::Failed(failure)) = folder.up_with(&deciding(InDoubt::Retry)).await.0 else { panic!() };
    assert_eq!((failure.code.as_str(), failure.in_doubt, failure.applied), ("42P07", true, Some((1, 2))));
    assert!(failure.hint.is_some());
    assert!(matches!(folder.up().await, Err(Error::InDoubt { number: 2, .. })));
}

#[tokio::test]
async fn a_file_that_goes_on_has_the_settings_it_made_before() {
    let text = |third: &str| {
        format!(
            "{HEADER}set search_path = s1, public;\ncreate schema s1;\n\
             select pg_catalog.set_config('work_mem', '5MB', false);\nset statement_timeout = '1h';\n\
             reset statement_timeout;\ncreate table t (x int);\n{third};\n\
             create table t2 as select current_setting('work_mem') as m, current_setting('statement_timeout') as s;"
        )
    };
    let folder = Folder::with(&[("0001_x", &text("select 1/0"))]).await;
    assert_eq!(folder.failure().await.applied, Some((6, 8)));
    folder.write("0001_x", &text("select 1"));
    folder.up().await.unwrap();
    assert_eq!(folder.ask("select m || ' ' || s from s1.t2").await, "5MB 0");
}

#[tokio::test]
async fn a_concurrent_build_waits_for_older_transactions() {
    let folder = Folder::with(&[("0001_t", "create table t (x int); create table other (x int);")]).await;
    folder.up().await.unwrap();
    let build = "set statement_timeout = '1h';\ncreate index concurrently t_x on t (x);\n\
                 create table seen as\n\
                 select current_setting('statement_timeout') || ' ' || current_setting('lock_timeout') as timeouts;";
    folder.write("0002_i", &format!("{HEADER}{build}"));
    let mut report = folder.connect().await;
    report.script("begin isolation level repeatable read; select * from other").await.unwrap();
    let options = UpOptions { lock_timeout: Duration::from_millis(100), ..UpOptions::default() };
    let run = folder.spawn_up(options.clone());
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(!run.is_finished(), "it waits");
    report.script("commit").await.unwrap();
    run.await.unwrap().0.unwrap();
    assert_eq!(folder.ask("select indisvalid from pg_index where indexrelid = 't_x'::regclass").await, "t");
    assert_eq!(folder.ask("select timeouts from seen").await, "1h 100ms", "they are as they were before");

    // Unless the file itself says how long.
    folder.write("0003_i", &format!("{HEADER}set lock_timeout = '200ms';\ncreate index concurrently t_y on t (x);"));
    report.script("begin isolation level repeatable read; select * from other").await.unwrap();
    let Err(Error::Failed(failure)) = folder.up_with(&options).await.0 else { panic!() };
    assert_eq!((failure.code.as_str(), failure.applied, failure.in_doubt), ("55P03", Some((1, 2)), false));
}

#[tokio::test]
async fn a_statement_that_cannot_get_a_lock_is_tried_again() {
    let folder = Folder::with(&[("0001_t", "create table t (x int)")]).await;
    folder.up().await.unwrap();
    folder.write("0002_y", &format!("{HEADER}select 1;\nalter table t add column y int;"));
    let mut blocker = folder.connect().await;
    blocker.script("begin; lock table t in access share mode").await.unwrap();
    let options = UpOptions { lock_timeout: Duration::from_millis(100), lock_attempts: 50, ..UpOptions::default() };
    let run = folder.spawn_up(options);
    tokio::time::sleep(Duration::from_millis(500)).await;
    blocker.script("commit").await.unwrap();
    let (result, events) = run.await.unwrap();
    assert_eq!(result.unwrap().applied.len(), 1);
    assert!(events.iter().any(|event| matches!(event, Event::Retrying { .. })));
}

fn deciding(in_doubt: InDoubt) -> UpOptions {
    UpOptions { in_doubt, ..UpOptions::default() }
}
