//! Leases: one holder, an end in the database's time, a fence, and nobody who blocks.

use std::time::{Duration, Instant};

use ferrobase_pg::Session;
use ferrobase_request::install::lease::Lease;
use ferrobase_request::install::{InstallError, InstallOptions, install};
use ferrobase_testkit::TestDatabase;

use crate::support::{ask, installed_database, owner};

const NOT_LONG: Duration = Duration::from_millis(300);

async fn acquire(db: &TestDatabase, holder: &str) -> Result<(Session, Lease), InstallError> {
    let mut session = db.connect().await;
    let lease = Lease::acquire(&mut session, "test", holder, NOT_LONG).await?;
    Ok((session, lease))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_24_a_lease_has_one_holder_and_names_it() {
    let db = installed_database().await;
    let (mut session, mut first) = acquire(&db, "one").await.unwrap();
    let started = Instant::now();
    let error = acquire(&db, "two").await.map(|_| ()).unwrap_err();
    assert!(matches!(&error, InstallError::Busy { holder, .. } if holder == "one"), "{error}");
    assert!(started.elapsed() >= NOT_LONG && started.elapsed() < Duration::from_secs(5));
    first.renew(&mut session).await.unwrap();
    first.release(&mut session).await.unwrap();
    assert!(acquire(&db, "two").await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_24_a_late_holder_finds_its_fence_gone() {
    let db = installed_database().await;
    let (mut session, mut late) = acquire(&db, "late").await.unwrap();
    db.script("update ferrobase.leases set expires_at = clock_timestamp() - interval '1 second' where name = 'test'")
        .await;
    let (mut other, mut next) = acquire(&db, "next").await.unwrap();
    assert!(matches!(late.renew(&mut session).await, Err(InstallError::LeaseLost)));
    let (name, holder, fence) = next.proof();
    let (name, holder, fence) = (name.to_owned(), holder.to_owned(), fence.parse::<i64>().unwrap());
    assert_eq!((name.as_str(), holder.as_str()), ("test", "next"));
    assert!(fence > late.proof().2.parse().unwrap());
    next.renew(&mut other).await.unwrap();
}

/// Ctrl-C during a first start kept the next one waiting for half a minute.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_ends_with_its_session() {
    let db = installed_database().await;
    let (session, _lease) = acquire(&db, "killed").await.unwrap();
    assert!(acquire(&db, "next").await.is_err());
    drop(session);
    let started = Instant::now();
    let taken = loop {
        match acquire(&db, "next").await {
            Ok(taken) => break taken,
            Err(error) => assert!(started.elapsed() < Duration::from_secs(10), "{error}"),
        }
    };
    assert!(acquire(&db, "one more").await.is_err(), "the new one is held");
    drop(taken);
}

/// A database of before has no note of sessions; leases in it end by their time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_without_notes_of_sessions_gets_them() {
    let db = installed_database().await;
    db.script("alter table ferrobase.leases drop column backend_pid, drop column backend_start").await;
    let installed = install(&owner(&db), &InstallOptions::default()).await.unwrap();
    assert!(installed.done.contains(&"schema ferrobase".to_owned()), "{:?}", installed.done);
    db.script("insert into ferrobase.leases values ('test', 'of before', 1, clock_timestamp() + interval '1 minute')")
        .await;
    let error = acquire(&db, "next").await.map(|_| ()).unwrap_err();
    assert!(matches!(&error, InstallError::Busy { holder, .. } if holder == "of before"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_24_nobody_waits_for_advisory_locks() {
    let db = ferrobase_testkit::database().await;
    // Somebody holds every lock that anybody could think of taking; the installation does not notice.
    let mut hostile = db.connect().await;
    hostile
        .script(
            "select pg_advisory_lock(k) from generate_series(0, 500) as k;
             select pg_advisory_lock(hashtext(n)) from unnest(array['ferrobase', 'install', 'migrations']) as n",
        )
        .await
        .unwrap();
    let (owner, options) = (owner(&db), InstallOptions::default());
    let installed = tokio::time::timeout(Duration::from_secs(30), install(&owner, &options)).await;
    installed.expect("it waits for a lock").unwrap();
    assert_eq!(ask(&mut hostile, "select count(*) from pg_locks where not granted").await.as_deref(), Some("0"));
}
