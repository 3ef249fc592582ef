//! Bounds that PostgreSQL keeps for us: locks that are waited for, and transactions whose owner is gone.

use std::time::{Duration, Instant};

use ferrobase_pg::{ConnectOptions, Session};
use ferrobase_testkit::pooler;
use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::json;

use crate::caller::{Caller, eventually, metric, value};
use crate::support;

const SCHEMA: &str = "
    create table entries (id int primary key, n int);
    alter table entries enable row level security;
    create policy everything on entries using (true) with check (true);
    insert into entries values (1, 0);
    notify ferrobase;";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_is_waited_for_as_long_as_configured() {
    // Behind a pooler the login has these settings, not the session.
    if pooler::is_used() {
        return;
    }
    let database = support::installed().await;
    database.script(SCHEMA).await;
    let app = support::serve(&database).env("FERROBASE_DATABASE__LOCK_TIMEOUT", "200ms").start().await.unwrap();
    let caller = Caller::of(&app);
    let mut holder = database.connect().await;
    holder.script("begin; update entries set n = 1 where id = 1").await.unwrap();
    let body = json!({"n": 2});
    let refused = caller.send(caller.request(Method::PATCH, "/entries?id=eq.1").json(&body)).await.unwrap();
    assert_eq!((refused.status, refused.json()["code"].as_str()), (409, Some("55P03")), "{refused:?}");
    assert!(refused.took < Duration::from_secs(5), "{refused:?}");
    holder.script("rollback").await.unwrap();
    let served = caller.send(caller.request(Method::PATCH, "/entries?id=eq.1").json(&body)).await.unwrap();
    assert_eq!(served.status, 204, "{served:?}");
}

/// The process stops in the middle of a batch that holds a row.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_whose_process_stopped_lets_go_of_its_rows() {
    if pooler::is_used() {
        return;
    }
    let database = support::installed().await;
    database.script(SCHEMA).await;
    let app =
        support::serve(&database).env("FERROBASE_DATABASE__IDLE_IN_TRANSACTION_TIMEOUT", "1s").start().await.unwrap();
    let caller = Caller::of(&app);
    let mut direct = Session::connect(&ConnectOptions::parse(database.url()).unwrap()).await.unwrap();
    let update = json!({"method": "PATCH", "path": "/entries?id=eq.1", "body": {"n": 5}});
    let others: Vec<_> = (0..90).map(|_| json!({"method": "GET", "path": "/entries"})).collect();
    let operations: Vec<_> = std::iter::once(update).chain(others).collect();
    let batch = caller.request(Method::POST, "/").json(&operations);
    let sender = Caller::of(&app);
    let asked = tokio::spawn(async move { sender.send(batch).await });
    let open = "select count(*)::text from pg_stat_activity
                where application_name = 'ferrobase' and datname = current_database() and state like 'idle in transaction%'";
    let held = "select count(*)::text from pg_locks l join pg_class c on c.oid = l.relation
                where c.relname = 'entries' and l.mode = 'RowExclusiveLock'";
    eventually("a row is held", Duration::from_secs(5), async || {
        let holds = value(&mut direct, held).await != "0";
        if holds {
            app.signal(Signal::SIGSTOP);
        }
        holds
    })
    .await;
    eventually("PostgreSQL ends the transaction", Duration::from_secs(10), async || {
        value(&mut direct, held).await == "0" && value(&mut direct, open).await == "0"
    })
    .await;
    app.signal(Signal::SIGCONT);
    let answer = asked.await.unwrap().unwrap();
    let n = value(&mut direct, "select n::text from entries").await;
    // It may have been stopped after the last operation, with only the commit left to send, or after that.
    assert!(answer.status >= 500 && n == "0" || answer.status == 200 && n == "5", "{n} {answer:?}");
    let again = async || caller.get("/entries").await.status == 200;
    eventually("it serves on", Duration::from_secs(5), again).await;
}

/// More than the database can do: some are served as before, the others are told at once when to come back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overload_is_answered_503_on_top_of_what_can_be_done() {
    const CALLERS: usize = 120;
    let database = support::installed().await;
    let nap = "create function nap() returns text language plpgsql as
               $$ begin perform pg_sleep(0.05); return 'rested'; end $$; grant execute on function nap to anon";
    database.script(nap).await;
    let app = support::serve(&database)
        .env("FERROBASE_DATABASE__MAX_CONNECTIONS", "4")
        .env("FERROBASE_DATABASE__SHED_AFTER", "300ms");
    let app = app.start().await.unwrap();
    let until = Instant::now() + Duration::from_secs(4);
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let caller = Caller::of(&app);
            tokio::spawn(async move {
                let (mut served, mut refused) = (0, 0);
                while Instant::now() < until {
                    let answer = caller.call("nap", &json!({})).await;
                    match answer.status {
                        200 => served += 1,
                        _ => {
                            assert!(answer.is_unavailable() && answer.code() == "PGRST003", "{answer:?}");
                            assert_eq!(answer.header("retry-after"), "1");
                            refused += 1;
                            tokio::time::sleep(Duration::from_millis(250)).await;
                        }
                    }
                }
                (served, refused)
            })
        })
        .collect();
    let (mut served, mut refused) = (0, 0);
    for caller in callers {
        let (more_served, more_refused) = caller.await.unwrap();
        served += more_served;
        refused += more_refused;
    }
    println!("{served} served, {refused} refused");
    // Three connections rest twenty times a second: 240 in all, if the machine had nothing else to do.
    assert!(served > 120 && refused > 100, "{served} served, {refused} refused");
    assert!(metric(&app, "database_shed_total{pool=\"request\"}").await.is_some_and(|shed| shed >= 100.0));
    assert_eq!(Caller::of(&app).call("nap", &json!({})).await.status, 200, "it is over when it is over");
}
