//! Transactions that lose against others: what is tried again, how often, and that each is kept once.

use std::time::{Duration, Instant};

use ferrobase_pg::{Batch, ConnectOptions, Error, Pool, PoolOptions};
use ferrobase_testkit::TestDatabase;

use crate::support::{batch, cell, database, user_batch};

/// Fails with this SQLSTATE until it was called so often. A sequence counts also what is rolled back.
const SCHEMA: &str = "
    create sequence calls;
    create table kept (id bigint generated always as identity, call bigint);
    create function lose(state text, until bigint) returns bigint language plpgsql as $$
    declare call bigint := nextval('calls');
    begin
        insert into kept (call) values (call);
        if call < until then raise exception 'lost' using errcode = state; end if;
        return call;
    end $$;
    create table accounts (id int primary key, amount int);
    insert into accounts values (1, 0), (2, 0);
    create function move(one int, other int) returns int language plpgsql as $$ begin
        update accounts set amount = amount + 1 where id = one;
        perform pg_sleep(0.3);
        update accounts set amount = amount - 1 where id = other;
        return one;
    end $$;
";

async fn pool(conflict_retries: u32) -> (TestDatabase, Pool) {
    let database = database().await;
    database.script(SCHEMA).await;
    let bounds = PoolOptions { conflict_retries, max_connections: 4, ..PoolOptions::default() };
    let pool = Pool::new(ConnectOptions::parse(database.url()).unwrap(), bounds);
    (database, pool)
}

fn lose(state: &str, until: u32) -> Batch {
    user_batch(&[&format!("select lose('{state}', {until})")])
}

async fn kept(pool: &Pool) -> String {
    let reply = pool.run(batch(&["select string_agg(call::text, ',') from kept"])).await.unwrap();
    cell(&reply).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_batch_that_lost_runs_again_and_is_kept_once() {
    for state in ["40001", "40P01"] {
        let (_database, pool) = pool(4).await;
        let reply = pool.run(lose(state, 4)).await.unwrap();
        assert_eq!(cell(&reply), Some("4"));
        assert_eq!((kept(&pool).await.as_str(), pool.stats().retried), ("4", 3), "{state}");
    }
}

#[tokio::test]
async fn the_number_of_tries_and_the_deadline_are_bounds() {
    let (_database, pool) = pool(4).await;
    let Err(Error::Db(lost)) = pool.run(lose("40001", 100)).await else { panic!("it cannot win") };
    assert_eq!((lost.code.as_str(), pool.stats().retried), ("40001", 4));
    assert_eq!(kept(&pool).await, "");
    // No time for the first pause: the answer is the conflict, not that time is up.
    let soon = Instant::now() + Duration::from_millis(4);
    let hurried = pool.run(Batch { deadline: soon, ..lose("40001", 100) }).await.unwrap_err();
    assert!(matches!(hurried, Error::Db(_) | Error::Deadline), "{hurried}");
    assert_eq!(pool.stats().retried, 4);
}

#[tokio::test]
async fn nothing_else_and_nothing_unasked_is_tried_again() {
    let (_database, pool) = pool(4).await;
    for state in ["23505", "55P03", "57014", "P0001"] {
        pool.run(lose(state, 100)).await.unwrap_err();
    }
    assert_eq!(pool.stats().retried, 0);
    let (_other, never) = self::pool(0).await;
    never.run(lose("40001", 2)).await.unwrap_err();
    assert_eq!((never.stats().retried, kept(&never).await.as_str()), (0, ""));
}

#[tokio::test]
async fn two_who_wait_for_each_other_both_succeed() {
    let (_database, pool) = pool(4).await;
    let (one, other) =
        tokio::join!(pool.run(user_batch(&["select move(1, 2)"])), pool.run(user_batch(&["select move(2, 1)"])));
    assert_eq!((cell(&one.unwrap()), cell(&other.unwrap())), (Some("1"), Some("2")));
    let amounts = pool.run(batch(&["select string_agg(amount::text, ',' order by id) from accounts"])).await.unwrap();
    assert_eq!(cell(&amounts), Some("0,0"));
    assert!(pool.stats().retried >= 1);
}
