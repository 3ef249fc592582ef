//! Files without a transaction: statement by statement, with progress that is remembered.

use ferrobase_migrate::{Error, Event, InDoubt, State, UpOptions};

use crate::folder::{Folder, wait_for};

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
async fn a_run_that_dies_leaves_its_statement_in_doubt() {
    let folder = Folder::with(&[(
        "0001_x",
        &format!(
            "{HEADER}create table a (x int);\nselect pg_terminate_backend(pg_backend_pid());\ncreate table b (x int);"
        ),
    )])
    .await;
    assert!(matches!(folder.up().await, Err(Error::Connection { .. })));
    let entry = &folder.status().await.migrations[0];
    let progress = entry.progress.as_ref().unwrap();
    assert_eq!((progress.done, progress.total, progress.in_doubt, &progress.error), (1, 3, true, &None));
    // Run again, it dies again; taken as done, the file goes on.
    assert!(matches!(folder.up().await, Err(Error::Connection { .. })));
    let skip = UpOptions { in_doubt: InDoubt::Skip, ..UpOptions::default() };
    folder.up_with(&skip).await.0.unwrap();
    assert_eq!(folder.states().await, "0001 applied");
    assert_eq!(folder.ask("select to_regclass('b') is not null").await, "t");
}

#[tokio::test]
async fn a_statement_in_doubt_that_was_completed_says_so_when_it_fails() {
    let folder = Folder::with(&[("0001_x", &format!("{HEADER}create table a (x int);\nselect pg_sleep(30);"))]).await;
    let run = folder.spawn_up(UpOptions::default());
    wait_for(
        &folder,
        "select count(*)::text from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()",
        "1",
    )
    .await;
    // As if it had died between the first statement and the note that it was done.
    run.abort();
    let _ = run.await;
    folder.connect().await.script(
        "select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database();
         update ferrobase.migration_progress set done = 0, in_doubt = true,
            done_checksum = encode(sha256(''), 'hex')",
    ).await.unwrap();
    let failure = folder.failure().await;
    assert_eq!((failure.code.as_str(), failure.in_doubt), ("42P07", true));
    assert_eq!(failure.applied, Some((0, 2)));
    assert!(failure.hint.is_some());
}
