//! Transactions of several flushes: what they keep, what they undo, and in which state the session comes back.

use std::time::{Duration, Instant};

use ferrobase_pg::{End, Error, Isolation, Opening, Pool, Turn};

use crate::support::{batch, cell, database, eventually, pool, statement};

fn opening(wait: Duration) -> Opening {
    Opening {
        isolation: Isolation::ReadCommitted,
        read_only: false,
        defer_constraints: false,
        deadline: Instant::now() + wait,
    }
}

fn turn(settings: &[(&'static str, &str)], sql: &str) -> Turn {
    let settings = settings.iter().copied().collect();
    Turn { settings, statements: vec![statement(sql, &[])], continues: false }
}

async fn rows(pool: &Pool) -> String {
    let reply = pool.run(batch(&["select coalesce(string_agg(id::text, ',' order by id), '') from t"])).await.unwrap();
    cell(&reply).unwrap().to_owned()
}

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn savepoints_undo_a_part_and_the_end_keeps_the_rest() {
    let database = database().await;
    database.script("create table t (id int primary key); grant all on t to fbpg_login").await;
    let pool = pool(&database, 1);
    let mut talk = pool.converse(opening(LONG)).await.unwrap();
    talk.exchange(&turn(&[], "insert into t values (1)")).await.unwrap();
    talk.savepoint();
    let twice = talk.exchange(&turn(&[], "insert into t values (1)")).await;
    assert!(matches!(twice, Err(Error::Db(_))));
    talk.rollback_to_savepoint();
    talk.savepoint();
    talk.exchange(&turn(&[], "insert into t values (2)")).await.unwrap();
    talk.release_savepoint();
    talk.end(End::Commit).await.unwrap();
    assert_eq!(rows(&pool).await, "1,2");
    let mut talk = pool.converse(opening(LONG)).await.unwrap();
    talk.exchange(&turn(&[], "insert into t values (3)")).await.unwrap();
    talk.end(End::Rollback).await.unwrap();
    let mut talk = pool.converse(opening(LONG)).await.unwrap();
    talk.exchange(&turn(&[], "insert into t values (1)")).await.unwrap_err();
    assert!(matches!(talk.end(End::Commit).await, Err(Error::Unsendable(_))), "a failed transaction is not committed");
    assert_eq!(rows(&pool).await, "1,2");
}

#[tokio::test]
async fn what_is_dropped_keeps_nothing_and_a_deadline_holds_for_the_whole() {
    let database = database().await;
    database.script("create table t (id int primary key); grant all on t to fbpg_login").await;
    let pool = pool(&database, 1);
    let mut talk = pool.converse(opening(LONG)).await.unwrap();
    talk.exchange(&turn(&[], "insert into t values (1)")).await.unwrap();
    drop(talk);
    assert_eq!(rows(&pool).await, "");
    let mut talk = pool.converse(opening(LONG)).await.unwrap();
    let sleep = turn(&[], "select pg_sleep(20)");
    let cut = tokio::time::timeout(Duration::from_millis(100), talk.exchange(&sleep)).await;
    assert!(cut.is_err());
    drop(talk);
    assert_eq!(rows(&pool).await, "", "the statement was cancelled");
    let mut talk = pool.converse(opening(Duration::from_millis(300))).await.unwrap();
    talk.exchange(&turn(&[], "insert into t values (1)")).await.unwrap();
    assert!(matches!(talk.exchange(&sleep).await, Err(Error::Deadline)));
    drop(talk);
    eventually("free again", async || pool.stats().active == 0).await;
    assert_eq!(rows(&pool).await, "");
}

#[tokio::test]
async fn a_turn_begins_as_the_first_one_did() {
    let database = database().await;
    let pool = pool(&database, 1);
    let state =
        "select current_user || ' ' || current_setting('statement_timeout') || ' ' || current_setting('work_mem')
        || ' ' || coalesce(current_setting('my.own', true), '')";
    let settings = [("statement_timeout", "7s"), ("role", "fbpg_one")];
    let mut talk = pool.converse(opening(LONG)).await.unwrap();
    let first = talk.exchange(&turn(&settings, state)).await.unwrap();
    for code in [
        "set local role fbpg_two",
        "set role fbpg_two",
        "set local statement_timeout = 0",
        "set work_mem = '100MB'",
        "select set_config('my.own', 'x', false)",
        "deallocate all",
    ] {
        talk.exchange(&turn(&settings, code)).await.unwrap();
        let later = talk.exchange(&turn(&settings, state)).await.unwrap();
        assert_eq!(cell(&later), cell(&first), "{code}");
    }
    let continues = Turn { continues: true, ..turn(&[], "select current_user::text") };
    assert_eq!(cell(&talk.exchange(&continues).await.unwrap()), Some("fbpg_one"));
    talk.end(End::Commit).await.unwrap();
    assert_eq!(cell(&pool.run(batch(&["select current_user::text"])).await.unwrap()), Some("fbpg_login"));
}

#[tokio::test]
async fn a_session_that_the_server_ended_while_idle_costs_nobody_a_failure() {
    let database = database().await;
    let pool = pool(&database, 2);
    let pid = pool.run(batch(&["select pg_backend_pid()"])).await.unwrap();
    database.script(&format!("select pg_terminate_backend({})", cell(&pid).unwrap())).await;
    let mut talk = pool.converse(opening(LONG)).await.unwrap();
    assert_eq!(cell(&talk.exchange(&turn(&[], "select 7")).await.unwrap()), Some("7"));
    talk.end(End::Commit).await.unwrap();
}
