//! Clients for tests, and what they are asked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrobase_base::config::Atom;
use ferrobase_base::ports::{SharedCount, SharedCounts, SharedFault};
use ferrobase_redis::{Address, Client, Layout, Login, Options};
use ferrobase_testkit::RedisServer;

/// For what a server needs some time for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// One server, no login, and more patience than a request has: these tests share two processors with each other.
pub(crate) fn options(server: &RedisServer) -> Options {
    at(Layout::Single(address(&server.address())))
}

pub(crate) fn at(layout: Layout) -> Options {
    Options {
        layout,
        login: Login::default(),
        database: 0,
        tls: None,
        prefix: "test".to_owned(),
        key: [7; 32],
        timeout: Duration::from_secs(1),
    }
}

pub(crate) fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

pub(crate) fn login(user: Option<&str>, password: &str) -> Login {
    Login { user: user.map(str::to_owned), password: Some(ferrobase_base::Secret::new(password)) }
}

/// A client that is connected.
pub(crate) async fn connected(options: Options) -> (Client, Arc<dyn SharedCounts>) {
    let client = Client::start(options).unwrap();
    available(&client).await;
    let limits = client.limits();
    (client, limits)
}

pub(crate) async fn available(client: &Client) {
    eventually("Redis is available", async || client.numbers().available).await;
}

/// Asks until it is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Counts so many requests of a caller; gives how many were allowed.
pub(crate) async fn allowed_of(limits: &Arc<dyn SharedCounts>, caller: &str, quota: u32, requests: u32) -> u32 {
    let mut allowed = 0;
    for _ in 0..requests {
        allowed += u32::from(count(limits, caller, quota).await.unwrap().allowed);
    }
    allowed
}

pub(crate) async fn count(
    limits: &Arc<dyn SharedCounts>,
    caller: &str,
    quota: u32,
) -> Result<SharedCount, SharedFault> {
    limits.count("anonymous", caller, quota, Duration::from_secs(60)).await
}
