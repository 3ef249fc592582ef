//! Rows that are handed on as they come, and loads: how they begin, fail and end.

use std::time::Duration;

use bytes::Bytes;
use ferrobase_pg::{Batch, End, Error, Load, Mode};
use futures_util::stream;

use crate::support::{BatchExt, batch, database, eventually, pool, user_batch};

#[tokio::test]
async fn a_slow_reader_holds_little_and_gets_everything() {
    let database = database().await;
    let pool = pool(&database, 1);
    let ask = batch(&["select 'head'", "select repeat('x', 1000) || i from generate_series(1, 20000) as i"]);
    for _ in 0..3 {
        let mut lines = pool.lines(&ask).await.unwrap();
        assert_eq!(lines.head[0].rows.first().unwrap().text(0), Some("head"));
        let (mut rows, mut largest) = (0, 0);
        while let Some(piece) = lines.next().await.unwrap() {
            rows += piece.iter().filter(|byte| **byte == b'\n').count();
            largest = largest.max(piece.len());
        }
        assert_eq!(rows, 20_000);
        assert!(largest < 128 * 1024, "{largest}");
        drop(lines);
        eventually("at rest", async || pool.stats().idle == 1).await;
    }
    assert_eq!(pool.stats().opened, 1);
}

#[tokio::test]
async fn line_breaks_inside_of_a_row_become_blanks() {
    let database = database().await;
    let pool = pool(&database, 1);
    let mut lines = pool.lines(&batch(&["select E'a\\nb\\r\\nc' union all select ''"])).await.unwrap();
    assert_eq!(lines.next().await.unwrap().unwrap(), "a b  c\n\n");
    assert!(lines.next().await.unwrap().is_none() && lines.next().await.unwrap().is_none());
}

#[tokio::test]
async fn failures_before_in_and_after_the_rows() {
    let database = database().await;
    let pool = pool(&database, 1);
    assert!(matches!(pool.lines(&batch(&["select 1 / 0"])).await, Err(Error::Db(_))));
    let late = "select repeat('x', 100) || 1 / (5000 - i) from generate_series(1, 10000) as i";
    let mut lines = pool.lines(&user_batch(&[late])).await.unwrap();
    let failure = loop {
        match lines.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a failed stream ended well"),
            Err(error) => break error,
        }
    };
    assert!(matches!(&failure, Error::Db(error) if error.code == "22012"), "{failure}");
    drop(lines);
    let shape = pool.lines(&batch(&["select 1, 2"])).await.unwrap_err();
    assert!(matches!(shape, Error::Protocol(_)), "{shape}");
    assert!(pool.run(batch(&["select 1"])).await.is_ok());
}

#[tokio::test]
async fn dropped_and_overdue_lines_are_cancelled() {
    let database = database().await;
    let pool = pool(&database, 1);
    let slow = "select repeat('x', 9000) || pg_sleep(0.01) from generate_series(1, 100000)";
    let mut lines = pool.lines(&batch(&[slow])).await.unwrap();
    assert!(lines.next().await.unwrap().is_some());
    drop(lines);
    eventually("cancelled", async || pool.stats().idle == 1).await;
    let mut lines = pool.lines(&batch(&[slow]).within(Duration::from_millis(300))).await.unwrap();
    let overdue = loop {
        match lines.next().await {
            Ok(rows) => assert!(rows.is_some()),
            Err(error) => break error,
        }
    };
    assert!(matches!(overdue, Error::Deadline), "{overdue}");
    drop(lines);
    eventually("cancelled", async || pool.stats().idle == 1).await;
    assert_eq!(pool.stats().cancels, 2);
}

fn within(statements: &[&str], end: Option<End>) -> Batch {
    Batch { mode: Mode::Within { end }, ..batch(statements) }
}

#[tokio::test]
async fn a_load_is_one_transaction_on_a_session_of_its_own() {
    let database = database().await;
    database.script("create table t (i int primary key); grant all on t to fbpg_login").await;
    let pool = pool(&database, 1);
    let prepare = within(&[], None);
    let run = async |finish: &str, chunks: Vec<std::io::Result<Bytes>>, end: End| {
        let finish = within(&[finish], Some(end));
        let load = Load {
            open: "begin; create temporary table s (i int) on commit drop; create temporary sequence n owned by s.i",
            prepare: &prepare,
            copy: "copy s from stdin",
            finish: &finish,
            reached: "select last_value from n where is_called",
        };
        pool.load(&load, stream::iter(chunks), false).await
    };
    let rows = |text: &'static str| vec![Ok(Bytes::from_static(text.as_bytes()))];
    let insert = "insert into t select i from s where setval('n', i) > 0";
    run(insert, rows("1\n2\n"), End::Commit).await.unwrap();
    run(insert, rows("8\n"), End::Rollback).await.unwrap();
    let double = run(insert, rows("3\n2\n4\n"), End::Commit).await.unwrap_err();
    assert_eq!((double.error.code().unwrap().as_str(), double.reached), ("23505", Some(2)));
    let broken = vec![Ok(Bytes::from_static(b"5\n")), Err(std::io::Error::other("gone"))];
    let broken = run(insert, broken, End::Commit).await.unwrap_err();
    assert!(matches!(broken.error, Error::Io(_)) && broken.reached.is_none());
    let malformed = run(insert, rows("x\n"), End::Commit).await.unwrap_err();
    assert_eq!(malformed.error.code().unwrap().as_str(), "22P02");
    let left =
        pool.run(batch(&["select string_agg(i::text, ',' order by i), pg_my_temp_schema() from t"])).await.unwrap();
    let row = &left.results[0].rows.first().unwrap();
    assert_eq!((row.text(0), row.text(1)), (Some("1,2"), Some("0")));
    assert_eq!(pool.stats().opened, 6, "each load closed its session");
}
