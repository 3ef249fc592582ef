//! The request flush: settings, statements, ends of transactions, prepared statements.

use std::time::Duration;

use ferrobase_pg::{Batch, End, Error, Formats, Isolation, Mode, Session, SqlState, StatementResult};

use crate::support::{BatchExt, batch, cell, database, login, pool, statement, value};

const COMMIT: Mode = Mode::Explicit { isolation: Isolation::ReadCommitted, read_only: false, end: End::Commit };
const ROLLBACK: Mode = Mode::Explicit { isolation: Isolation::ReadCommitted, read_only: false, end: End::Rollback };

fn first(result: &StatementResult) -> Option<&str> {
    result.rows.first()?.text(0)
}

/// How often a statement with this text is prepared in a session.
async fn prepared(session: &mut Session, sql: &str) -> String {
    let find = "select count(*) from pg_prepared_statements where statement = $1";
    session.query(find, &[Some(sql)]).await.unwrap().rows.first().unwrap().text(0).unwrap().to_owned()
}

#[tokio::test]
async fn settings_hold_for_the_batch_and_not_longer() {
    let database = database().await;
    let mut session = Session::connect(&login(&database)).await.unwrap();
    for mode in [Mode::Implicit, COMMIT] {
        let ask = "select current_user || ' ' || current_setting('request.x')";
        let reply =
            session.run(&batch(&[ask]).with("role", "fbpg_one").with("request.x", "y").mode(mode)).await.unwrap();
        assert_eq!(cell(&reply), Some("fbpg_one y"));
        let after = "select current_user || coalesce(nullif(current_setting('request.x', true), ''), '-')";
        assert_eq!(cell(&session.run(&batch(&[after])).await.unwrap()), Some("fbpg_login-"));
    }
}

#[tokio::test]
async fn a_role_that_may_not_be_taken_stops_everything() {
    let database = database().await;
    database.script("create table t (id int); grant insert on t to public").await;
    let mut session = Session::connect(&login(&database)).await.unwrap();
    for role in ["postgres", "no_such_role"] {
        let error = session.run(&batch(&["insert into t values (1)"]).with("role", role)).await.unwrap_err();
        assert!([SqlState::INSUFFICIENT_PRIVILEGE, SqlState::INVALID_PARAMETER_VALUE].contains(&error.code().unwrap()));
    }
    assert_eq!(value(&mut database.connect().await, "select count(*) from t").await.as_deref(), Some("0"));
}

#[tokio::test]
async fn several_statements_are_one_transaction() {
    let database = database().await;
    database.script("create table t (id int primary key); grant all on t to public").await;
    let mut session = Session::connect(&login(&database)).await.unwrap();
    let two = ["insert into t values (1) returning id", "insert into t values (1)"];
    assert_eq!(session.run(&batch(&two)).await.unwrap_err().code(), Some(SqlState::UNIQUE_VIOLATION));
    assert_eq!(session.run(&batch(&two).mode(COMMIT)).await.unwrap_err().code(), Some(SqlState::UNIQUE_VIOLATION));
    assert!(!session.in_transaction());
    let reply =
        session.run(&batch(&["insert into t values (1) returning id", "select count(*) from t"])).await.unwrap();
    assert_eq!(
        reply.results.iter().map(|r| (r.tag.as_str(), first(r))).collect::<Vec<_>>(),
        [("INSERT 0 1", Some("1")), ("SELECT 1", Some("1"))]
    );
}

#[tokio::test]
async fn modes_end_as_they_say() {
    let database = database().await;
    database.script("create table t (id int); grant all on t to public").await;
    let mut session = Session::connect(&login(&database)).await.unwrap();
    session.run(&batch(&["insert into t values (1)"]).mode(ROLLBACK)).await.unwrap();
    let read_only = Mode::Explicit { isolation: Isolation::Serializable, read_only: true, end: End::Commit };
    let error = session.run(&batch(&["insert into t values (1)"]).mode(read_only)).await.unwrap_err();
    assert_eq!(error.code(), Some(SqlState::READ_ONLY_SQL_TRANSACTION));
    let implicit = batch(&["insert into t values (1)"]).with("transaction_read_only", "on");
    assert_eq!(session.run(&implicit).await.unwrap_err().code(), Some(SqlState::READ_ONLY_SQL_TRANSACTION));
    assert_eq!(cell(&session.run(&batch(&["select count(*) from t"])).await.unwrap()), Some("0"));
    for (isolation, name) in [
        (Isolation::ReadCommitted, "read committed"),
        (Isolation::RepeatableRead, "repeatable read"),
        (Isolation::Serializable, "serializable"),
    ] {
        for read_only in [false, true] {
            let mode = Mode::Explicit { isolation, read_only, end: End::Commit };
            let ask = "select current_setting('transaction_isolation') || current_setting('transaction_read_only')";
            let reply = session.run(&batch(&[ask]).mode(mode)).await.unwrap();
            assert_eq!(cell(&reply).unwrap(), format!("{name}{}", if read_only { "on" } else { "off" }));
        }
    }
}

#[tokio::test]
async fn a_deferred_constraint_fails_the_batch_after_its_rows() {
    let database = database().await;
    database
        .script(
            "create table p (id int primary key);
             create table c (p int references p deferrable initially deferred); grant all on p, c to public",
        )
        .await;
    let mut session = Session::connect(&login(&database)).await.unwrap();
    for mode in [Mode::Implicit, COMMIT, ROLLBACK] {
        let error = session.run(&batch(&["insert into c values (7) returning p"]).mode(mode)).await.unwrap_err();
        assert_eq!(error.code(), Some(SqlState::FOREIGN_KEY_VIOLATION), "{mode:?}");
        assert!(!session.in_transaction());
    }
}

#[tokio::test]
async fn procedures_cannot_end_the_transaction_under_the_settings() {
    let database = database().await;
    database.script("create procedure sly() language plpgsql as 'begin commit; end'").await;
    let mut session = Session::connect(&login(&database)).await.unwrap();
    let calls = batch(&["call sly()", "select current_user"]).with("role", "fbpg_one").mode(COMMIT);
    assert_eq!(session.run(&calls).await.unwrap_err().code(), Some(SqlState::INVALID_TRANSACTION_TERMINATION));
}

#[tokio::test]
async fn statements_are_prepared_at_second_sight_and_per_scope() {
    let database = database().await;
    let mut session = Session::connect(&login(&database)).await.unwrap();
    let sql = "select $1::text || current_user";
    for (round, role) in ["fbpg_one", "fbpg_one", "fbpg_one", "fbpg_two", "fbpg_two", "fbpg_one"].iter().enumerate() {
        let mut request = batch(&[]).with("role", role);
        request.statements = vec![statement(sql, &[Some("I am ")])];
        request.scope = (*role).into();
        assert_eq!(cell(&session.run(&request).await.unwrap()).unwrap(), format!("I am {role}"), "{round}");
        let expected = ["0", "1", "1", "1", "2", "2"][round];
        assert_eq!(prepared(&mut session, sql).await, expected, "{round}");
    }
}

#[tokio::test]
async fn a_bind_error_does_not_unlearn_a_statement() {
    let database = database().await;
    let mut session = Session::connect(&login(&database)).await.unwrap();
    let run = |value: &str| {
        let mut request = batch(&[]);
        request.statements = vec![statement("select $1::int + 1 as n", &[Some(value)])];
        request
    };
    // The second sight prepares it and fails at its Bind, before it is described.
    for bad in ["x", "y", "z"] {
        let error = session.run(&run(bad)).await.unwrap_err();
        assert_eq!(error.code(), Some(SqlState::INVALID_TEXT_REPRESENTATION));
    }
    for _ in 0..2 {
        let reply = session.run(&run("41")).await.unwrap();
        assert_eq!((cell(&reply), reply.results[0].columns[0].name.as_str()), (Some("42"), "n"));
    }
}

#[tokio::test]
async fn a_changed_result_type_is_prepared_anew() {
    let database = database().await;
    database.script("create table t (id int); insert into t values (1); grant all on t to public").await;
    let mut session = Session::connect(&login(&database)).await.unwrap();
    for _ in 0..3 {
        session.run(&batch(&["select * from t"])).await.unwrap();
    }
    database.script("alter table t add name text default 'new'").await;
    for mode in [Mode::Implicit, COMMIT] {
        let reply = session.run(&batch(&["select * from t"]).mode(mode)).await.unwrap();
        assert_eq!((reply.results[0].columns.len(), reply.results[0].rows.first().unwrap().text(1)), (2, Some("new")));
        database.script("alter table t alter id type bigint").await;
    }
    assert_eq!(session.run(&batch(&["select * from t"])).await.unwrap().results[0].columns[0].type_oid, 20);
}

#[tokio::test]
async fn dropped_statements_are_prepared_anew() {
    let database = database().await;
    let mut session = Session::connect(&login(&database)).await.unwrap();
    for mode in [Mode::Implicit, COMMIT] {
        for _ in 0..3 {
            session.run(&batch(&["select 'here'"]).mode(mode)).await.unwrap();
        }
        session.script("deallocate all").await.unwrap();
        assert_eq!(cell(&session.run(&batch(&["select 'here'"]).mode(mode)).await.unwrap()), Some("here"));
    }
}

#[tokio::test]
async fn user_code_that_raises_the_same_codes_is_not_run_again() {
    let database = database().await;
    database
        .script(
            "create sequence tries; grant all on tries to public;
             create function f(code text) returns int language plpgsql as
             $$ begin perform nextval('tries'); raise exception 'x' using errcode = code; end $$",
        )
        .await;
    let mut session = Session::connect(&login(&database)).await.unwrap();
    for code in ["26000", "0A000", "26000", "0A000"] {
        let mut request = batch(&[]);
        request.statements = vec![statement("select f($1)", &[Some(code)])];
        assert_eq!(session.run(&request).await.unwrap_err().code().unwrap(), code);
    }
    assert_eq!(cell(&session.run(&batch(&["select last_value from tries"])).await.unwrap()), Some("4"));
}

/// A server that is blocked on sending rows does not read the rest of a large request.
#[tokio::test]
async fn large_requests_with_large_answers_do_not_deadlock() {
    let database = database().await;
    let mut session = Session::connect(&login(&database)).await.unwrap();
    let large = "x".repeat(8_000_000);
    let mut request = batch(&[]);
    for _ in 0..4 {
        request.statements.push(statement("select $1::text from generate_series(1, 2)", &[Some(&large)]));
    }
    let reply = tokio::time::timeout(Duration::from_secs(30), session.run(&request)).await.unwrap().unwrap();
    assert!(reply.results.iter().all(|r| r.rows.iter().all(|row| row.text(0).unwrap().len() == large.len())));
}

#[tokio::test]
async fn copy_out_arrives_as_rows() {
    let database = database().await;
    let mut session = Session::connect(&login(&database)).await.unwrap();
    let reply = session.run(&batch(&["copy (values (1, 'a,b'), (2, 'c')) to stdout csv"])).await.unwrap();
    let lines: Vec<_> = reply.results[0].rows.iter().map(|r| r.text(0).unwrap()).collect();
    assert_eq!(lines, ["1,\"a,b\"\n", "2,c\n"]);
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_before_a_byte_of_it() {
    let database = database().await;
    let mut session = Session::connect(&login(&database)).await.unwrap();
    assert!(matches!(session.run(&batch(&["select 1", "select '\0'"])).await, Err(Error::Unsendable(_))));
    let mut many = batch(&[]);
    many.statements = vec![statement("select 1", &vec![None; 65_536])];
    assert!(matches!(session.run(&many).await, Err(Error::Unsendable(_))));
    let mut settings = batch(&["select 1"]);
    let named = |count| (0..count).map(|i| (format!("a.b{i}"), "")).collect();
    settings.settings = named(501);
    assert!(matches!(session.run(&settings).await, Err(Error::Unsendable(_))));
    settings.settings = named(500);
    assert_eq!(cell(&session.run(&settings).await.unwrap()), Some("1"));
}

#[tokio::test]
async fn a_batch_without_statements_only_proves_the_connection() {
    let database = database().await;
    let mut session = Session::connect(&login(&database)).await.unwrap();
    assert!(session.run(&batch(&[])).await.unwrap().results.is_empty());
}

/// PostgreSQL settles on one plan for all values after five times. Of a usual kind there is a row near the beginning, which
/// makes reading in order look cheap; for the value of this request it reads everything.
#[tokio::test]
async fn a_prepared_plan_that_has_gone_bad_is_given_up() {
    let database = database().await;
    database
        .script(
            "create table readings (id int primary key, kind int);
             insert into readings select n, n % 7 from generate_series(1, 400000) n;
             insert into readings values (500000, 100);
             create index on readings (kind);
             grant select on readings to public;
             analyze readings;",
        )
        .await;
    let pool = pool(&database, 1);
    let ask = async || {
        let sql = "select id from readings where kind = $1::int order by id limit 1";
        let reply = pool.run(Batch { statements: vec![statement(sql, &[Some("100")])], ..batch(&[]) }).await.unwrap();
        assert_eq!(cell(&reply), Some("500000"));
        reply.timing.execute
    };
    let is_prepared = async || {
        let sql = "select count(*) from pg_prepared_statements where statement like '%from ' || 'readings%'";
        cell(&pool.run(batch(&[sql])).await.unwrap()) == Some("1")
    };
    let mut times = Vec::new();
    for _ in 0..60 {
        times.push(ask().await);
        if times.len() > 4 && !is_prepared().await {
            break;
        }
    }
    let slow = times.iter().filter(|time| **time > Duration::from_millis(8)).count();
    assert!(slow > 0, "the plan for all values is slow here: {times:?}");
    assert!(!is_prepared().await, "it is given up: {times:?}");
    for _ in 0..5 {
        ask().await;
    }
    assert!(!is_prepared().await, "it is not prepared again at once");
}

#[tokio::test]
async fn rows_come_in_binary_where_that_is_asked_for() {
    let database = database().await;
    let mut session = Session::connect(&login(&database)).await.unwrap();
    let sql = "select 258, 'text', null, array(select row(1::int2, true))";
    // Known or not, and with the text form of the same statement in between.
    for binary in [true, true, false, true] {
        let mut batch = batch(&[sql]);
        // The text has the same bytes in both.
        batch.statements[0].formats = Formats::Each([binary, false, binary, binary].into());
        let reply = session.run(&batch).await.unwrap();
        let result = &reply.results[0];
        let types: Vec<_> = result.columns.iter().map(|column| column.type_oid).collect();
        assert_eq!(types, [23, 25, 25, 2287]);
        let row = &result.rows.first().unwrap();
        assert_eq!((row.value(1), row.value(2)), (Some(&b"text"[..]), None));
        let records = b"\0\0\0\x01\0\0\0\0\0\0\x08\xc9\0\0\0\x01\0\0\0\x01\0\0\0\x17\0\0\0\x02\0\0\0\x15\0\0\0\x02\0\x01\0\0\0\x10\0\0\0\x01\x01";
        let expected = if binary { (&[0, 0, 1, 2][..], &records[..]) } else { (&b"258"[..], &b"{\"(1,t)\"}"[..]) };
        assert_eq!((row.value(0), row.value(3)), (Some(expected.0), Some(expected.1)));
    }
    let mut batch = batch(&[sql]);
    batch.statements[0].formats = Formats::Each([true, true].into());
    let error = session.run(&batch).await.unwrap_err();
    assert_eq!(error.code(), Some(SqlState::PROTOCOL_VIOLATION), "columns were added: {error}");
}

#[tokio::test]
async fn a_wish_for_binary_is_heard_once_the_columns_are_known() {
    let database = database().await;
    database
        .script("create table growing (id int); grant select on growing to public; insert into growing values (258)")
        .await;
    let mut session = Session::connect(&login(&database)).await.unwrap();
    let mut batch = batch(&["select * from growing"]);
    batch.statements[0].formats = Formats::Wished([true].into());
    let mut seen = Vec::new();
    for round in 0..8 {
        if round == 4 {
            database.script("alter table growing add more int").await;
        }
        seen.push(session.run(&batch).await.unwrap().results[0].rows.first().unwrap().value(0).unwrap().to_vec());
    }
    let (binary, text) = (vec![0, 0, 1, 2], b"258".to_vec());
    assert_eq!(seen[..2], [text.clone(), text.clone()], "not known yet");
    assert_eq!(seen[2..4], [binary.clone(), binary], "known");
    assert_eq!(seen[4..], [&text; 4].map(Clone::clone), "there are more columns by now");
}
