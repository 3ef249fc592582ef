//! Messages that are lost, doubled or answered from another request: an error, never somebody else's rows.

use std::time::Duration;

use ferrobase_pg::{Batch, Host, Pool};

use crate::support::messages::{Act, MessageProxy};
use crate::support::{BatchExt, batch, cell, database, eventually, login, options};

async fn through_proxy(database: &ferrobase_testkit::TestDatabase) -> (MessageProxy, Pool) {
    let direct = login(database);
    let Host::Tcp { port, .. } = direct.hosts()[0].clone() else { panic!("the shared server listens on TCP") };
    let proxy = MessageProxy::start(([127, 0, 0, 1], port).into()).await;
    let options_ = direct.with_hosts([Host::tcp("127.0.0.1", proxy.address.port())]);
    let plain = options_.with_ssl_mode(ferrobase_pg::SslMode::Disable);
    let pool = Pool::new(plain, ferrobase_pg::PoolOptions { cancel_grace: Duration::from_millis(100), ..options(1) });
    (proxy, pool)
}

fn who_am_i(me: &str) -> Batch {
    let ask = "select current_setting('app.me') from generate_series(1, 3)";
    batch(&[ask, ask]).with("app.me", me)
}

/// The previous request's whole answer arrives instead of this one's.
#[tokio::test]
async fn sec_13_the_answer_of_another_request_is_refused() {
    let database = database().await;
    let (proxy, pool) = through_proxy(&database).await;
    for _ in 0..3 {
        assert_eq!(cell(&pool.run(who_am_i("alice")).await.unwrap()), Some("alice"));
    }
    proxy.set([Act::ReplayAnswer]);
    let error = pool.run(who_am_i("bob")).await.unwrap_err();
    assert!(error.to_string().contains("another request"), "{error}");
    assert_eq!(cell(&pool.run(who_am_i("bob")).await.unwrap()), Some("bob"));
    let stats = pool.stats();
    assert_eq!((stats.desyncs, stats.protocol_errors, stats.opened), (1, 1, 2), "the connection was closed");
}

/// Every single message of an answer, lost or doubled: the caller gets an error or the truth, and so does the next.
#[tokio::test]
async fn sec_13_lost_and_doubled_messages_never_yield_wrong_rows() {
    let database = database().await;
    let (proxy, pool) = through_proxy(&database).await;
    for _ in 0..3 {
        pool.run(who_am_i("warm")).await.unwrap();
    }
    proxy.set([]);
    pool.run(who_am_i("warm")).await.unwrap();
    let answer = proxy.seen();
    assert!(answer.starts_with(b"2D") && answer.ends_with(b"CZ"), "{}", String::from_utf8_lossy(&answer));
    for (position, tag) in answer.iter().enumerate() {
        for act in [Act::Drop, Act::Twice] {
            let what = format!("{act:?} of {} at {position}", *tag as char);
            for _ in 0..3 {
                pool.run(who_am_i("warm")).await.unwrap_or_else(|e| panic!("before {what}: {e}"));
            }
            eventually("at rest", async || pool.stats().active == 0).await;
            proxy.set(std::iter::repeat_n(Act::Pass, position).chain([act]));
            for me in ["bob", "carol"] {
                // A lost end of an answer is waited for.
                let request = who_am_i(me).within(Duration::from_millis(300));
                let Ok(reply) = pool.run(request).await else { continue };
                let rows: Vec<_> = reply.results.iter().flat_map(|r| &r.rows).map(|row| row.text(0).unwrap()).collect();
                assert_eq!(rows, [me; 6], "{what}");
            }
            proxy.set([]);
        }
    }
    assert!(pool.stats().protocol_errors > 0);
}

/// Many callers, few connections, callers who leave: everybody gets his own rows.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sec_13_interleaved_callers_get_their_own_rows() {
    let database = database().await;
    let pool = crate::support::pool(&database, 2);
    let tasks: Vec<_> = (0..32_u64)
        .map(|task| {
            let pool = pool.clone();
            tokio::spawn(async move {
                for round in 0..100_u64 {
                    let me = format!("{task}/{round}");
                    let mut request = who_am_i(&me).within(Duration::from_secs(20));
                    if round % 7 == 0 {
                        request.statements.insert(0, crate::support::statement("select 1/0", &[]));
                    }
                    let patience = if round % 20 == task % 20 { 1 } else { 20_000 };
                    match tokio::time::timeout(Duration::from_millis(patience), pool.run(request)).await {
                        Ok(Ok(reply)) => assert_eq!(cell(&reply), Some(me.as_str())),
                        Ok(Err(error)) => assert_eq!(error.code(), Some(ferrobase_pg::SqlState::DIVISION_BY_ZERO)),
                        Err(_) => {}
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!((pool.stats().desyncs, pool.stats().protocol_errors), (0, 0));
}

/// Rows that are handed on as they come: none leaves before the nonce was right, and none is lost unnoticed.
#[tokio::test]
async fn sec_13_lines_of_another_request_are_refused() {
    let database = database().await;
    let (proxy, pool) = through_proxy(&database).await;
    let ask = |me: &str| batch(&["select current_setting('app.me') from generate_series(1, 3)"]).with("app.me", me);
    let all = async |me: &str| {
        let mut lines = pool.lines(&ask(me)).await?;
        let mut text = Vec::new();
        while let Some(piece) = lines.next().await? {
            text.extend_from_slice(&piece);
        }
        Ok::<_, ferrobase_pg::Error>(String::from_utf8(text).unwrap())
    };
    for _ in 0..3 {
        assert_eq!(all("alice").await.unwrap(), "alice\nalice\nalice\n");
    }
    proxy.set([Act::ReplayAnswer]);
    let error = pool.lines(&ask("bob")).await.unwrap_err();
    assert!(error.to_string().contains("another request"), "{error}");
    assert_eq!(all("bob").await.unwrap(), "bob\nbob\nbob\n");
    eventually("at rest", async || pool.stats().active == 0).await;
    proxy.set([]);
    all("warm").await.unwrap();
    let rows = proxy.seen().iter().filter(|tag| **tag == b'D').count();
    assert_eq!(rows, 4, "the settings and three rows");
    let first_row = proxy.seen().iter().rposition(|tag| *tag == b'D').unwrap();
    for act in [Act::Drop, Act::Twice] {
        eventually("at rest", async || pool.stats().active == 0).await;
        proxy.set(std::iter::repeat_n(Act::Pass, first_row).chain([act]));
        assert!(all("carol").await.is_err(), "{act:?}");
        proxy.set([]);
        assert_eq!(all("carol").await.unwrap(), "carol\ncarol\ncarol\n");
    }
}
