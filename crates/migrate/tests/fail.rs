//! A file that fails leaves nothing and says where.

use ferrobase_base::PublicError;
use ferrobase_migrate::{Error, Problem};

use crate::folder::Folder;

#[tokio::test]
async fn a_failing_file_leaves_nothing_and_those_before_it_stay() {
    let folder = Folder::with(&[
        ("0001_a", "create table a (x int)"),
        ("0002_b", "create table b (x int);\ninsert into b values (1);\nselect nope;\ncreate table late (x int);"),
        ("0003_c", "create table c (x int)"),
    ])
    .await;
    let failure = folder.failure().await;
    assert_eq!(failure.to_string(), "0002_b.sql:3:8: column \"nope\" does not exist (SQLSTATE 42703)");
    assert_eq!((failure.line.as_str(), failure.applied), ("select nope;", None));
    assert_eq!(folder.states().await, "0001 applied, 0002 pending, 0003 pending");
    assert_eq!(folder.ask("select to_regclass('b') is null and to_regclass('c') is null").await, "t");
    // Repaired, it goes on from there.
    folder.write("0002_b", "create table b (x int)");
    assert_eq!(folder.up().await.unwrap().applied.len(), 2);
}

#[tokio::test]
async fn failures_have_their_place() {
    let cases = [
        // Where PostgreSQL gives a position; characters are counted, not bytes.
        ("create table t (x int);\n\n-- é\nselect 'ääää',\n       wrong;", "4:", "5:8", "42703"),
        ("select 1;\r\nselekt 2;", "", "2:1", "42601"),
        // Where it gives none, the statement's beginning.
        ("create table t (x int check (x > 0));\n  insert into t\n  values (1), (-1);", "", "2:3", "23514"),
        // Inside a function's body.
        ("create function f() returns int language plpgsql as $$\nbegin\n  returnn 1;\nend $$;", "", "", "42601"),
        ("select 1/0", "", "1:1", "22012"),
        ("create table t (x int);\ncopy t from stdin;\n1\nx\n\\.\n", "", "2:1", "22P02"),
    ];
    for (text, _, place, code) in cases {
        let folder = Folder::with(&[("0001_x", text)]).await;
        let failure = folder.failure().await;
        assert_eq!(failure.code, code, "{failure}");
        if !place.is_empty() {
            assert_eq!(failure.place.to_string(), place, "{failure}");
        } else {
            assert_eq!(failure.place.line, 3, "{failure}");
        }
    }
}

#[tokio::test]
async fn details_hints_and_context_are_passed_on() {
    let folder = Folder::with(&[(
        "0001_x",
        "do $$ begin raise exception 'stop' using errcode = 'P0042', detail = 'because', hint = 'do that'; end $$",
    )])
    .await;
    let error = folder.up().await.unwrap_err();
    assert_eq!(error.hint().as_deref(), Some("do that"));
    let public = PublicError::from(&error);
    assert!(public.message.contains("stop (SQLSTATE P0042)"), "{public}");
    let Error::Failed(failure) = error else { panic!() };
    assert_eq!(failure.detail.as_deref(), Some("because"));
    assert!(failure.context.unwrap().contains("inline_code_block line 1"));

    folder.write("0001_x", "create table t (x int);\ncopy t from stdin;\n1\nbad\n\\.\n");
    let failure = folder.failure().await;
    assert!(failure.context.unwrap().contains("COPY t, line 2"));
}

#[tokio::test]
async fn a_deferred_constraint_fails_at_the_end() {
    let folder = Folder::with(&[(
        "0001_x",
        "create table p (id int primary key);
         create table c (p int references p deferrable initially deferred);
         insert into c values (1);",
    )])
    .await;
    let failure = folder.failure().await;
    assert_eq!((failure.code.as_str(), failure.commit), ("23503", true));
    assert!(failure.to_string().ends_with("when committing"), "{failure}");
    assert_eq!(folder.ask("select to_regclass('p') is null").await, "t");
}

#[tokio::test]
async fn what_needs_no_transaction_is_told_how() {
    let folder = Folder::with(&[("0001_x", "create table t (x int);\ncreate index concurrently i on t (x);")]).await;
    let failure = folder.failure().await;
    assert_eq!((failure.code.as_str(), failure.place.line), ("25001", 2));
    assert!(failure.hint.unwrap().contains("-- ferrobase: no-transaction"));
}

#[tokio::test]
async fn what_cannot_be_run_stops_everything_before_it_begins() {
    let folder = Folder::with(&[("0001_a", "create table a (x int)")]).await;
    let cases = [
        ("select 1;\n\\i more.sql\n", "0002_b.sql:2:1: `\\i` is a command of psql, not SQL"),
        ("begin;\nselect 1;\ncommit;", "0002_b.sql:1:1: BEGIN is not allowed here"),
        ("select 1;\ncommit;", "0002_b.sql:2:1: COMMIT is not allowed here"),
        ("select 'x;\n", "0002_b.sql:1:8: a string begins here and does not end"),
        ("-- ferrobase: no-transactions\nselect 1;", "0002_b.sql:1:1: `-- ferrobase: no-transactions` is unknown"),
        ("-- ferrobase: no-transaction\nset role postgres; select 1;", "0002_b.sql:2:1: a file without a transaction"),
    ];
    for (text, message) in cases {
        folder.write("0002_b", text);
        let error = folder.up().await.unwrap_err();
        assert!(error.to_string().starts_with(message), "{error}");
        assert!(matches!(error, Error::Script { .. }));
    }
    assert_eq!(folder.ask("select to_regclass('a') is null").await, "t");
    folder.write("0002_b", "\\d");
    let Err(error @ Error::Script { problem: Problem::MetaCommand { .. }, .. }) = folder.up().await else { panic!() };
    assert!(error.hint().unwrap().contains("without psql"));
}

#[tokio::test]
async fn a_statement_that_speaks_of_another_connection_is_told_like_every_other() {
    for code in ["08006", "57P01", "53100"] {
        let raise = format!("create table t (x int);\ndo $$ begin raise 'gone' using errcode = '{code}'; end $$;");
        let folder = Folder::with(&[("0001_x", &raise)]).await;
        let failure = folder.failure().await;
        assert_eq!((failure.code.as_str(), failure.place.line, failure.applied), (code, 2, None));
        folder.write("0001_x", &format!("-- ferrobase: no-transaction\n{raise}"));
        let failure = folder.failure().await;
        assert_eq!((failure.code.as_str(), failure.place.line, failure.applied), (code, 3, Some((1, 2))));
    }
}

#[tokio::test]
async fn a_lost_connection_is_said_and_the_file_is_not_applied() {
    let folder = Folder::with(&[(
        "0001_x",
        "create table t (x int);\nselect pg_terminate_backend(pg_backend_pid());\ncreate table u (x int);",
    )])
    .await;
    let error = folder.up().await.unwrap_err();
    assert!(matches!(error, Error::Connection { .. }), "{error}");
    assert!(error.to_string().contains("while applying 0001_x.sql"), "{error}");
    assert_eq!(folder.ask("select to_regclass('t') is null").await, "t");
    folder.write("0001_x", "create table t (x int)");
    folder.up().await.unwrap();
}
