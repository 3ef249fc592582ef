//! A cluster of three primaries: every caller has one node, keys that move are followed.

use std::time::{Duration, Instant};

use ferrobase_base::ports::SharedFault;
use ferrobase_redis::Layout;
use ferrobase_testkit::RedisServer;
use ferrobase_testkit::redis::cluster;

use crate::harness::{address, allowed_of, at, available, connected, count, eventually};

fn options(nodes: &[RedisServer]) -> ferrobase_redis::Options {
    // One is enough to find the others.
    at(Layout::Cluster(vec![address(&nodes[0].address())]))
}

#[tokio::test]
async fn callers_are_spread_and_each_is_counted_exactly() {
    let nodes = cluster(3).unwrap();
    let (_a, a) = connected(options(&nodes)).await;
    let (_b, b) = connected(options(&nodes)).await;
    for caller in 0..30 {
        let caller = format!("caller {caller}");
        assert_eq!(allowed_of(&a, &caller, 7, 5).await + allowed_of(&b, &caller, 7, 5).await, 7);
    }
    let held: Vec<usize> =
        nodes.iter().map(|node| node.ask(&["--raw", "keys", "test:rl:anonymous:*"]).unwrap().lines().count()).collect();
    assert_eq!(held.iter().sum::<usize>(), 30);
    assert!(held.iter().all(|held| *held > 0), "{held:?}");
}

#[tokio::test]
async fn keys_that_move_to_another_node_are_followed() {
    let nodes = cluster(3).unwrap();
    let (client, limits) = connected(options(&nodes)).await;
    assert_eq!(allowed_of(&limits, "ann", 9, 3).await, 3);
    let has = |node: &RedisServer| node.ask(&["--raw", "keys", "test:rl:anonymous:*"]).unwrap();
    let from = nodes.iter().position(|node| !has(node).is_empty()).unwrap();
    let to = (from + 1) % 3;
    let key = has(&nodes[from]);
    let slot = nodes[0].ask(&["cluster", "keyslot", &key]).unwrap();
    let id = |node: usize| nodes[node].ask(&["cluster", "myid"]).unwrap();
    // Half way the old owner answers ASK for what has gone already.
    nodes[to].ask(&["cluster", "setslot", &slot, "importing", &id(from)]).unwrap();
    nodes[from].ask(&["cluster", "setslot", &slot, "migrating", &id(to)]).unwrap();
    assert_eq!(allowed_of(&limits, "ann", 9, 2).await, 2);
    nodes[from].ask(&["migrate", "127.0.0.1", &nodes[to].port().to_string(), &key, "0", "2000"]).unwrap();
    assert_eq!(allowed_of(&limits, "ann", 9, 2).await, 2);
    // And then MOVED.
    for node in [to, from, (from + 2) % 3] {
        nodes[node].ask(&["cluster", "setslot", &slot, "node", &id(to)]).unwrap();
    }
    assert_eq!(allowed_of(&limits, "ann", 9, 5).await, 2);
    assert_eq!(client.numbers().losses, 0);
}

#[tokio::test]
async fn a_primary_that_died_makes_the_whole_cluster_unavailable_until_it_is_back() {
    let mut nodes = cluster(3).unwrap();
    let mut options = options(&nodes);
    options.timeout = Duration::from_millis(300);
    let (client, limits) = connected(options).await;
    nodes[2].kill();
    // The callers of the other two would be served, but nobody may wait for the third again and again.
    let mut longest = Duration::ZERO;
    let mut late = 0;
    let noticed = async || {
        for caller in 0..20 {
            let asked = Instant::now();
            late += usize::from(count(&limits, &format!("caller {caller}"), 5).await == Err(SharedFault::Late));
            longest = longest.max(asked.elapsed());
        }
        !client.numbers().available
    };
    eventually("the loss is noticed", noticed).await;
    assert!(longest < Duration::from_secs(2), "{longest:?}");
    assert!(late <= 3, "{late} requests waited in vain");
    nodes[2].start_again().unwrap();
    available(&client).await;
    for caller in 0..20 {
        assert!(count(&limits, &format!("later {caller}"), 5).await.unwrap().allowed);
    }
}
