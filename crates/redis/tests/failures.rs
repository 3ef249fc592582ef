//! Servers that are not there, go, hang, or refuse: nobody waits longer than said, and it comes back by itself.

use std::time::{Duration, Instant};

use ferrobase_base::ports::SharedFault;
use ferrobase_redis::{Client, Trouble};
use ferrobase_testkit::RedisServer;
use nix::sys::signal::Signal;

use crate::harness::{allowed_of, available, connected, count, eventually, options};

#[tokio::test]
async fn a_server_that_comes_later_is_found() {
    let mut server = RedisServer::start().unwrap();
    server.kill();
    let client = Client::start(options(&server)).unwrap();
    let limits = client.limits();
    eventually("attempts failed", async || client.numbers().failures >= 2).await;
    let asked = Instant::now();
    assert_eq!(count(&limits, "ann", 1).await, Err(SharedFault::Unavailable));
    assert!(asked.elapsed() < Duration::from_millis(50), "nobody waits for what is known to be down");
    assert_eq!(client.numbers().trouble, Some(Trouble::Unreachable));
    server.start_again().unwrap();
    available(&client).await;
    assert!(count(&limits, "ann", 1).await.unwrap().allowed);
}

#[tokio::test]
async fn a_killed_server_is_noticed_by_requests_and_without_any() {
    let mut server = RedisServer::start().unwrap();
    let (client, limits) = connected(options(&server)).await;
    assert_eq!(allowed_of(&limits, "ann", 5, 5).await, 5);
    server.kill();
    eventually("a request notices", async || count(&limits, "ann", 5).await.is_err()).await;
    assert_eq!((client.numbers().available, client.numbers().losses), (false, 1));
    server.start_again().unwrap();
    available(&client).await;
    assert!(count(&limits, "ann", 5).await.unwrap().allowed, "it has no data any more");
    server.kill();
    // Nobody asks.
    eventually("the keeper notices", async || !client.numbers().available).await;
}

#[tokio::test]
async fn a_server_that_hangs_costs_one_deadline() {
    let server = RedisServer::start().unwrap();
    let mut options = options(&server);
    options.timeout = Duration::from_millis(100);
    let (client, limits) = connected(options).await;
    server.signal(Signal::SIGSTOP);
    let asked = Instant::now();
    let first = count(&limits, "ann", 5).await;
    assert_eq!(first, Err(SharedFault::Late));
    let took = asked.elapsed();
    assert!(took >= Duration::from_millis(100) && took < Duration::from_secs(1), "{took:?}");
    // Its kernel goes on taking connections, so that only an answer proves anything.
    for _ in 0..20 {
        let asked = Instant::now();
        assert_eq!(count(&limits, "ann", 5).await, Err(SharedFault::Unavailable));
        assert!(asked.elapsed() < Duration::from_millis(50));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(client.numbers().trouble, Some(Trouble::Late));
    server.signal(Signal::SIGCONT);
    available(&client).await;
    assert!(count(&limits, "bob", 5).await.unwrap().allowed);
}

#[tokio::test]
async fn a_server_that_cannot_write_is_unavailable_while_that_lasts() {
    let server = RedisServer::start().unwrap();
    let (client, limits) = connected(options(&server)).await;
    server.ask(&["config", "set", "maxmemory", "1"]).unwrap();
    assert_eq!(count(&limits, "ann", 5).await, Err(SharedFault::Failed));
    eventually("an attempt failed", async || client.numbers().trouble == Some(Trouble::Unfit)).await;
    server.ask(&["config", "set", "maxmemory", "0"]).unwrap();
    available(&client).await;
    // A replica cannot write either.
    let primary = RedisServer::start().unwrap();
    server.ask(&["replicaof", "127.0.0.1", &primary.port().to_string()]).unwrap();
    eventually("the replica is no use", async || count(&limits, "ann", 5).await.is_err()).await;
    server.ask(&["replicaof", "no", "one"]).unwrap();
    available(&client).await;
}
