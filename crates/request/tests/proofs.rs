//! Requests while proofs are being renewed: they wait for that, and when it takes long a few at a time go on without.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ferrobase_catalog::{Connect, ReloadOptions, Reloader, Scope};
use ferrobase_pg::Session;
use futures_util::future::join_all;
use tokio::sync::watch;

use crate::support::{Fixture, owner};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_few_requests_go_on_while_proofs_are_renewed_and_the_others_wait_for_their_turn() {
    let fixture = Fixture::new("create table plain (id int)").await;
    let target = Arc::new(fixture.target);
    let handle = target.catalog.clone();
    handle.listens(true);
    // The second connection, which would stand by to renew, is never made.
    let is_open = Arc::new(AtomicBool::new(true));
    let (options, opens) = (Arc::new(owner(&fixture.db)), Arc::clone(&is_open));
    let connect: Connect = Arc::new(move || {
        let (options, opens) = (Arc::clone(&options), Arc::clone(&opens));
        Box::pin(async move {
            match opens.load(Ordering::Acquire) {
                true => Session::connect(&options).await,
                false => std::future::pending().await,
            }
        })
    });
    let (_scope, seen) = watch::channel(Scope::exposing(["public"]));
    let reloader = Reloader::spawn(connect, seen, handle.clone(), ReloadOptions { proves: true, ..Default::default() });
    reloader.first_load().await.unwrap();
    is_open.store(false, Ordering::Release);
    while handle.proven().is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The reloader has nothing else to do by then.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let catalog = handle.get().unwrap();
    let known = target.proven(&catalog).await;
    assert!(known.proven.unwrap().relation(catalog.relation("public", "plain").unwrap().oid).is_some());

    let began = Instant::now();
    reloader.trigger().request();
    assert!(handle.is_being_renewed());
    // The first go on at once, and only they.
    for _ in 0..4 {
        assert!(target.proven(&catalog).await.proven.is_none());
    }
    assert!(began.elapsed() < Duration::from_millis(50), "{:?}", began.elapsed());
    let mut turns = join_all((0..4).map(|_| target.proven(&catalog))).await;
    assert!(turns.iter().all(|known| known.proven.is_none()));
    let waited = began.elapsed();
    assert!(waited >= Duration::from_millis(50), "{waited:?}: before that all of them wait");
    let fifth = tokio::spawn({
        let (target, catalog) = (Arc::clone(&target), Arc::clone(&catalog));
        async move { (target.proven(&catalog).await.proven.is_none(), Instant::now()) }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    let freed = Instant::now();
    drop(turns.pop());
    let (is_unknown, went_on) = fifth.await.unwrap();
    assert!(is_unknown);
    // Without a turn it would have waited for the renewal as long as that is waited for.
    assert!(went_on >= freed || went_on - began >= Duration::from_millis(100), "{:?}", went_on - began);
    drop(turns);
}
