//! The primary dies under load and the replica takes over; then the old one comes back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::{SOON, Scene, session, write};
use crate::caller::{Caller, PATIENCE, eventually};

const CLIENTS: i64 = 64;
/// From the end of the promotion to the next write.
const RESUMED: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_replica_takes_over_and_keeps_what_was_acknowledged() {
    let scene = Scene::new("").await;
    // Without it a commit may be acknowledged before the replica has it.
    let mut primary = session(&scene.primary.url()).await;
    primary.script("alter system set synchronous_standby_names = 'replica'").await.unwrap();
    primary.script("select pg_reload_conf()").await.unwrap();
    let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| tokio::spawn(write_on(scene.caller(), client, Arc::clone(&stop), Arc::clone(&acknowledged))))
        .collect();
    let more = |than: u64| async move |count: Arc<AtomicU64>| count.load(Relaxed) > than;
    let enough = more(300);
    eventually("writes", PATIENCE, async || enough(Arc::clone(&acknowledged)).await).await;
    scene.primary.kill();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = acknowledged.load(Relaxed);
    scene.replica.promote().await.unwrap();
    let promoted = Instant::now();
    let again = more(before + 100);
    eventually("writes go on", RESUMED, async || again(Arc::clone(&acknowledged)).await).await;
    println!("writes went on {:?} after the promotion", promoted.elapsed());
    stop.store(true, Relaxed);
    let mut written = BTreeSet::new();
    for client in clients {
        written.extend(client.await.unwrap());
    }
    let mut replica = session(&scene.replica.url()).await;
    let stored = replica.query("select client, n from entries where client >= 0", &[]).await.unwrap();
    let stored: BTreeSet<(i64, u64)> = stored
        .rows
        .iter()
        .map(|row| (row.text(0).unwrap().parse().unwrap(), row.text(1).unwrap().parse().unwrap()))
        .collect();
    let lost: Vec<_> = written.difference(&stored).collect();
    assert!(lost.is_empty(), "acknowledged and gone: {lost:?}");

    the_old_primary_comes_back(&scene).await;
}

/// Two primaries: nothing is written until one of them is gone, whichever.
async fn the_old_primary_comes_back(scene: &Scene) {
    let caller = scene.caller();
    assert_eq!(write(&caller, 1000, 1).await.status, 201);
    scene.primary.start_again().await.unwrap();
    let refused = async || write(&caller, 1000, 2).await.status == 503;
    eventually("writes are refused", SOON, refused).await;
    let answer = write(&caller, 1000, 3).await;
    assert!(answer.is_unavailable() && answer.code() == "FB401", "{answer:?}");
    assert!(!answer.body.contains("127.0.0.1"), "where servers are stays in the log: {answer:?}");
    assert_eq!(caller.get("/entries?client=eq.1000").await.status, 200, "reads go on");
    let log = scene.app.log();
    assert!(log.contains("2 servers answer as primary") && log.contains("timeline 2"), "{log}");
    scene.primary.kill();
    eventually("one is left", SOON, async || write(&caller, 1000, 4).await.status == 201).await;
    assert_eq!(caller.get("/rpc/port").await.body, scene.replica.port().to_string());
}

/// Writes one row after the other, each once; gives those that were acknowledged.
async fn write_on(caller: Caller, client: i64, stop: Arc<AtomicBool>, acknowledged: Arc<AtomicU64>) -> Vec<(i64, u64)> {
    let mut written = Vec::new();
    for n in 0.. {
        if stop.load(Relaxed) {
            break;
        }
        let answer = write(&caller, client, n).await;
        match answer.status {
            201 => {
                written.push((client, n));
                acknowledged.fetch_add(1, Relaxed);
            }
            _ => {
                assert!(answer.is_unavailable(), "{answer:?}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    written
}
