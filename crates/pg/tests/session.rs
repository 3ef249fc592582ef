//! Plain use of one session.

use std::time::Duration;

use bytes::Bytes;
use ferrobase_pg::{Error, Formats, Session, Settings, SqlState, Statement, StatementResult};
use futures_util::stream;

use crate::support::{batch, cell, database, login, value};

#[tokio::test]
async fn queries_scripts_and_row_counts() {
    let database = database().await;
    let mut session = database.connect().await;
    assert!(session.server_version() >= 140_000 && session.backend_pid() > 0);
    assert_eq!(session.parameter("client_encoding"), Some("UTF8"));

    session.script("create table t (id int, name text); insert into t values (1, 'ä'), (2, null)").await.unwrap();
    let result = session.query("select id, name from t where id >= $1::int order by id", &[Some("1")]).await.unwrap();
    assert_eq!(result.tag, "SELECT 2");
    assert_eq!(
        result.columns.iter().map(|c| (c.name.as_str(), c.type_oid)).collect::<Vec<_>>(),
        [("id", 23), ("name", 25)]
    );
    assert_eq!((result.rows.first().unwrap().text(1), result.rows.get(1).unwrap().text(1)), (Some("ä"), None));
    assert_eq!(session.execute("update t set name = $1", &[None]).await.unwrap(), 2);
    assert_eq!(session.query("", &[]).await.unwrap().tag, "", "an empty statement");
}

#[tokio::test]
async fn errors_carry_their_fields_and_leave_the_session_usable() {
    let database = database().await;
    let mut session = database.connect().await;
    session.script("create table t (id int primary key)").await.unwrap();
    let error = session.script("insert into t values (1); insert into t values (1); select 1/0").await.unwrap_err();
    let db = error.db().unwrap();
    assert_eq!(
        (db.code, db.table.as_deref(), db.constraint.as_deref()),
        (SqlState::UNIQUE_VIOLATION, Some("t"), Some("t_pkey"))
    );
    assert_eq!(
        value(&mut session, "select count(*) from t").await.as_deref(),
        Some("0"),
        "a script is one transaction"
    );

    let error = session.query("select nope", &[]).await.unwrap_err();
    assert_eq!((error.code(), error.db().unwrap().position), (Some(SqlState::UNDEFINED_COLUMN), Some(8)));
    assert!(matches!(session.query("select '\0'", &[]).await, Err(Error::Unsendable(_))));
    assert!(matches!(session.script("select 1;\0").await, Err(Error::Unsendable(_))));
    let error = session.query("select $1::text", &[Some("a\0b")]).await.unwrap_err();
    assert_eq!(error.code(), Some(SqlState::CHARACTER_NOT_IN_REPERTOIRE));
    assert_eq!(value(&mut session, "select 1").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn looks_see_one_moment_and_prepare_what_they_ask_again() {
    let database = database().await;
    let (mut session, mut other) = (database.connect().await, database.connect().await);
    other.script("create table t (id int); insert into t values (1)").await.unwrap();
    let settings = Settings::from_iter([("app.who", "me")]);
    let first = |answer: &StatementResult| answer.rows.first().and_then(|row| row.text(0)).map(str::to_owned);
    let ask = |sql: &str, params: Vec<Option<Bytes>>| Statement {
        sql: sql.into(),
        params,
        param_types: Vec::new(),
        formats: Formats::Text,
    };
    let count = ask("select count(*) from t", Vec::new());
    let who = ask("select current_setting('app.who') || $1::text", vec![Some("!".into())]);
    for committed in ["1", "2", "3"] {
        let seen = session.look(&settings, &[count.clone(), who.clone()]).await.unwrap();
        assert_eq!(seen.iter().map(first).collect::<Vec<_>>(), [Some(committed.to_owned()), Some("me!".to_owned())]);
        other.script("insert into t values (1)").await.unwrap();
        let seen = session.look(&settings, std::slice::from_ref(&count)).await.unwrap();
        assert_eq!(first(&seen[0]).as_deref(), Some(committed), "of the same moment");
        session.look_away().await.unwrap();
    }
    let prepared = "select count(*) from pg_prepared_statements where statement like 'select count(*) from t%'";
    assert_eq!(value(&mut session, prepared).await.as_deref(), Some("1"));
    let write = ask("insert into t values (2)", Vec::new());
    let error = session.look(&settings, &[count, write]).await.unwrap_err();
    assert_eq!(error.code(), Some(SqlState::READ_ONLY_SQL_TRANSACTION));
    session.look_away().await.unwrap();
    assert!(!session.in_transaction());
}

#[tokio::test]
async fn values_of_every_size_arrive_whole() {
    let database = database().await;
    let mut session = database.connect().await;
    for size in [0, 1, 4095, 4096, 8191, 16_373, 16_374, 16_384, 16_400, 100_000, 5_000_000] {
        let sent = "x".repeat(size);
        let result = session.query("select $1::text, 'after'", &[Some(&sent)]).await.unwrap();
        assert_eq!(result.rows.first().unwrap().text(0).unwrap(), sent, "{size}");
        assert_eq!(result.rows.first().unwrap().text(1), Some("after"));
    }
    let many = session.query("select repeat('r', i % 300) || i from generate_series(1, 20000) i", &[]).await.unwrap();
    assert!(many.rows.iter().enumerate().all(|(i, row)| row.text(0).unwrap().ends_with(&(i + 1).to_string())));
}

#[tokio::test]
async fn answers_are_bounded() {
    let database = database().await;
    let bounded = login(&database).with_max_reply_bytes(1_000_000);
    for sql in ["select repeat('x', 1000001)", "select repeat('x', 1000) from generate_series(1, 2000)"] {
        let mut session = Session::connect(&bounded).await.unwrap();
        let error = session.run(&batch(&[sql])).await.unwrap_err();
        assert!(matches!(error, Error::ReplyTooLarge { limit: 1_000_000 }), "{error}");
        assert!(session.is_broken() && matches!(session.query("select 1", &[]).await, Err(Error::Closed)));
    }
}

#[tokio::test]
async fn a_dropped_call_is_finished_by_the_next() {
    let database = database().await;
    let mut session = database.connect().await;
    for _ in 0..3 {
        let slow = session.query("select pg_sleep(0.1), repeat('x', 100000) from generate_series(1, 3)", &[]);
        assert!(tokio::time::timeout(Duration::from_millis(20), slow).await.is_err());
        assert_eq!(value(&mut session, "select 'mine'").await.as_deref(), Some("mine"));
        let slow = session.script("select pg_sleep(0.1); select 1/0");
        assert!(tokio::time::timeout(Duration::from_millis(20), slow).await.is_err());
        assert_eq!(cell(&session.run(&batch(&["select 'mine'"])).await.unwrap()), Some("mine"));
    }
}

#[tokio::test]
async fn copy_in_streams_and_fails_cleanly() {
    let database = database().await;
    let mut session = database.connect().await;
    session.script("create table t (id int)").await.unwrap();
    let lines: Vec<_> = (0..50_000).map(|i| Ok(Bytes::from(format!("{i}\n")))).collect();
    assert_eq!(session.copy_in("copy t from stdin", stream::iter(lines)).await.unwrap(), 50_000);

    let bad = vec![Ok(Bytes::from("1\nx\n")), Ok(Bytes::from("2\n"))];
    let error = session.copy_in("copy t from stdin", stream::iter(bad)).await.unwrap_err();
    assert_eq!(error.code(), Some(SqlState::INVALID_TEXT_REPRESENTATION));
    let broken = vec![Ok(Bytes::from("1\n")), Err(std::io::Error::other("disk"))];
    assert!(matches!(session.copy_in("copy t from stdin", stream::iter(broken)).await, Err(Error::Io(_))));
    let error = session.copy_in("copy nope from stdin", stream::iter(vec![])).await.unwrap_err();
    assert_eq!(error.code(), Some(SqlState::UNDEFINED_TABLE));
    assert_eq!(session.script("copy t from stdin").await.unwrap_err().code(), Some(SqlState::QUERY_CANCELED));
    assert_eq!(value(&mut session, "select count(*) from t").await.as_deref(), Some("50000"));

    // A COPY that was dropped half-way cannot be ended by anybody else.
    let never = stream::pending();
    let copy = session.copy_in("copy t from stdin", never);
    assert!(tokio::time::timeout(Duration::from_millis(50), copy).await.is_err());
    assert!(matches!(session.query("select 1", &[]).await, Err(Error::Closed)));
}

#[tokio::test]
async fn a_cancel_token_ends_a_statement_from_outside() {
    let database = database().await;
    let mut session = database.connect().await;
    let token = session.cancel_token();
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        token.cancel().await.unwrap();
    };
    let (result, ()) = tokio::join!(session.query("select pg_sleep(30)", &[]), cancel);
    assert_eq!(result.unwrap_err().code(), Some(SqlState::QUERY_CANCELED));
    assert_eq!(value(&mut session, "select 1").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn notifications_are_kept_while_queries_run() {
    let database = database().await;
    let (mut ear, mut mouth) = (database.connect().await, database.connect().await);
    ear.script("listen \"Ch\"").await.unwrap();
    mouth.script("notify \"Ch\", 'one'").await.unwrap();
    ear.query("select 1", &[]).await.unwrap();
    mouth.script("notify \"Ch\", 'two'").await.unwrap();
    for expected in ["one", "two"] {
        let n = ear.notification().await.unwrap();
        assert_eq!((n.channel.as_str(), n.payload.as_str(), n.pid), ("Ch", expected, mouth.backend_pid()));
    }
    assert_eq!(ear.notification_within(Duration::from_millis(50)).await.unwrap(), None);
    ear.close().await;
}
