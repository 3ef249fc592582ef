//! The reloader: single-flight, coalescing, bounded, and quiet towards readers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ferrobase_catalog::{CatalogHandle, Connect, LoadError, ReloadOptions, Reloader, Scope, connect_with};
use ferrobase_pg::{ConnectOptions, Session};
use ferrobase_testkit::TestDatabase;
use tokio::sync::watch;

/// Connections to a database that count themselves and can be made to fail.
#[derive(Default)]
struct Door {
    opened: AtomicU32,
    open_now: AtomicU32,
    most_at_once: AtomicU32,
    broken: AtomicBool,
}

impl Door {
    fn connect(self: &Arc<Self>, database: &TestDatabase) -> Connect {
        let good = ConnectOptions::parse(database.url()).unwrap();
        let bad = ConnectOptions::parse("postgresql://nobody@127.0.0.1:1/none").unwrap();
        let door = Arc::clone(self);
        Arc::new(move || {
            let (door, good, bad) = (Arc::clone(&door), good.clone(), bad.clone());
            Box::pin(async move {
                door.opened.fetch_add(1, Ordering::SeqCst);
                let at_once = door.open_now.fetch_add(1, Ordering::SeqCst) + 1;
                door.most_at_once.fetch_max(at_once, Ordering::SeqCst);
                let options = if door.broken.load(Ordering::SeqCst) { bad } else { good };
                let session = Session::connect(&options).await;
                door.open_now.fetch_sub(1, Ordering::SeqCst);
                session
            })
        })
    }
}

fn quick() -> ReloadOptions {
    ReloadOptions {
        settle: Duration::from_millis(5),
        min_interval: Duration::from_millis(30),
        rest: 0,
        first_retry: Duration::from_millis(20),
        max_retry: Duration::from_millis(80),
        proves: false,
        resample: Duration::from_secs(60),
    }
}

#[tokio::test]
async fn a_trigger_brings_the_new_state_and_readers_keep_the_old() {
    let database = crate::database("create table first (id int)").await;
    let handle = CatalogHandle::new();
    let (_scope, seen) = watch::channel(Scope::default());
    let options = ConnectOptions::parse(database.url()).unwrap();
    let reloader = Reloader::spawn(connect_with(options), seen, handle.clone(), quick());
    reloader.first_load().await.unwrap();
    let kept = handle.get().unwrap();
    database.script("create table second (id int)").await;
    assert!(handle.get().unwrap().relation("public", "second").is_none());
    reloader.reload().await.unwrap();
    let newest = handle.get().unwrap();
    assert!(newest.relation("public", "second").is_some() && kept.relation("public", "second").is_none());
    let state = reloader.state().borrow().clone();
    assert_eq!((state.generation, newest.generation, state.loads, state.failures), (2, 2, 2, 0));
    assert!(state.last_error.is_none() && state.loaded_at.is_some() && state.duration.is_some());
}

#[tokio::test]
async fn sec_25_a_flood_of_notifications_costs_few_loads_one_at_a_time() {
    let database = crate::database("create table first (id int)").await;
    let door = Arc::new(Door::default());
    let (_scope, seen) = watch::channel(Scope::default());
    let options = ReloadOptions { min_interval: Duration::from_millis(200), ..quick() };
    let reloader = Reloader::spawn(door.connect(&database), seen, CatalogHandle::new(), options);
    reloader.first_load().await.unwrap();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(1) {
        for _ in 0..1000 {
            reloader.trigger().request();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    reloader.reload().await.unwrap();
    let loads = door.opened.load(Ordering::SeqCst);
    let bound = u32::try_from(started.elapsed().as_millis() / 200).unwrap() + 2;
    assert!((3..=bound).contains(&loads), "{loads} loads in {:?}", started.elapsed());
    assert_eq!(door.most_at_once.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn sec_25_a_notification_cannot_change_what_is_exposed() {
    let database = crate::database("create schema other; create table other.t (id int)").await;
    let handle = CatalogHandle::new();
    let (scope, seen) = watch::channel(Scope::default());
    let reloader = Reloader::spawn(Arc::new(Door::default()).connect(&database), seen, handle.clone(), quick());
    reloader.reload().await.unwrap();
    assert!(handle.get().unwrap().relation("other", "t").is_none());
    // The configuration can, and needs no trigger.
    let mut state = reloader.state();
    let before = state.borrow_and_update().generation;
    scope.send(Scope::exposing(["other"])).unwrap();
    state.wait_for(|state| state.generation > before).await.unwrap();
    assert!(handle.get().unwrap().relation("other", "t").is_some());
}

#[tokio::test]
async fn a_failed_load_keeps_the_old_catalog_and_is_retried() {
    let database = crate::database("create table first (id int)").await;
    let door = Arc::new(Door::default());
    let handle = CatalogHandle::new();
    let (_scope, seen) = watch::channel(Scope::default());
    let reloader = Reloader::spawn(door.connect(&database), seen, handle.clone(), quick());
    reloader.first_load().await.unwrap();

    door.broken.store(true, Ordering::SeqCst);
    let error = reloader.reload().await.unwrap_err();
    assert!(matches!(*error, LoadError::Connect(_)), "{error:?}");
    assert!(handle.get().unwrap().relation("public", "first").is_some());
    let mut state = reloader.state();
    let failed = state.wait_for(|state| state.failures_in_a_row >= 3).await.unwrap().clone();
    assert!(failed.last_error.is_some() && failed.generation == 1 && failed.loads == 1);

    database.script("create table second (id int)").await;
    door.broken.store(false, Ordering::SeqCst);
    // Nobody triggers: the retry finds the way back by itself.
    state.wait_for(|state| state.failures_in_a_row == 0 && state.loads == 2).await.unwrap();
    assert!(handle.get().unwrap().relation("public", "second").is_some());
}

#[tokio::test]
async fn a_trigger_cuts_a_long_pause_short() {
    let database = crate::database("create table first (id int)").await;
    let door = Arc::new(Door::default());
    door.broken.store(true, Ordering::SeqCst);
    let (_scope, seen) = watch::channel(Scope::default());
    let patient =
        ReloadOptions { first_retry: Duration::from_secs(600), max_retry: Duration::from_secs(600), ..quick() };
    let reloader = Reloader::spawn(door.connect(&database), seen, CatalogHandle::new(), patient);
    reloader.first_load().await.unwrap_err();
    door.broken.store(false, Ordering::SeqCst);
    tokio::time::timeout(Duration::from_secs(20), reloader.reload()).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_first_load_waits_for_no_burst() {
    let database = crate::database("create table first (id int)").await;
    let (_scope, seen) = watch::channel(Scope::default());
    let slow = ReloadOptions { settle: Duration::from_secs(600), ..quick() };
    let reloader = Reloader::spawn(Arc::new(Door::default()).connect(&database), seen, CatalogHandle::new(), slow);
    tokio::time::timeout(Duration::from_secs(60), reloader.first_load()).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_was_loaded_already_is_not_loaded_again_before_somebody_asks() {
    let database = crate::database("create table first (id int)").await;
    let (door, handle) = (Arc::new(Door::default()), CatalogHandle::new());
    let (_scope, seen) = watch::channel(Scope::default());
    let loaded = (crate::load(&database, &Scope::default()).await, Duration::from_millis(1));
    let reloader = Reloader::spawn_loaded(loaded, door.connect(&database), seen, handle.clone(), quick());
    assert!(handle.get().unwrap().relation("public", "first").is_some());
    reloader.first_load().await.unwrap();
    let state = reloader.state().borrow().clone();
    assert_eq!((state.generation, state.loads, door.opened.load(Ordering::SeqCst)), (1, 1, 0));
    database.script("create table second (id int)").await;
    reloader.reload().await.unwrap();
    assert!(handle.get().unwrap().relation("public", "second").is_some());
    assert_eq!(door.opened.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn dropping_the_reloader_ends_its_task() {
    let database = crate::database("create table first (id int)").await;
    let door = Arc::new(Door::default());
    let handle = CatalogHandle::new();
    let (_scope, seen) = watch::channel(Scope::default());
    let reloader = Reloader::spawn(door.connect(&database), seen, handle.clone(), quick());
    reloader.first_load().await.unwrap();
    let trigger = reloader.trigger();
    drop(reloader);
    trigger.request();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(door.opened.load(Ordering::SeqCst), 1);
    assert!(handle.get().is_some());
}
