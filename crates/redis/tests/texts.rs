//! Texts that nodes remember together: bounded, for a time, and no reason to lose anything else.

use ferrobase_testkit::RedisServer;

use crate::harness::{connected, count, options};

/// A hash with these first digits.
fn hash(first: &str) -> String {
    format!("{first}{}", "0".repeat(64 - first.len()))
}

#[tokio::test]
async fn what_one_remembers_others_find_for_a_day() {
    let server = RedisServer::start().unwrap();
    let (a, _) = connected(options(&server)).await;
    let (b, _) = connected(options(&server)).await;
    a.texts().keep(&hash("abc"), "{ one }").await;
    assert_eq!(b.texts().find(&hash("abc")).await.as_deref(), Some("{ one }"));
    assert_eq!(b.texts().find(&hash("abd")).await, None);
    let left: u32 = server.ask(&["ttl", "test:text:abc"]).unwrap().trim().parse().unwrap();
    assert!((86_000..=86_400).contains(&left), "{left}");
    // What takes its place is what is found there: whoever asks compares hashes.
    b.texts().keep(&hash("abcd"), "{ two }").await;
    assert_eq!(a.texts().find(&hash("abc")).await.as_deref(), Some("{ two }"));
    assert_eq!(server.ask(&["keys", "test:text:*"]).unwrap().trim(), "test:text:abc");
}

#[tokio::test]
async fn what_is_no_hash_or_too_long_never_gets_there() {
    let server = RedisServer::start().unwrap();
    let (client, _) = connected(options(&server)).await;
    let texts = client.texts();
    for no_hash in ["", "abc", &"g".repeat(64), &"A".repeat(64), &"é".repeat(32), &hash("a:{x}")] {
        texts.keep(no_hash, "x").await;
        assert_eq!(texts.find(no_hash).await, None, "{no_hash}");
    }
    texts.keep(&hash("1"), &"x".repeat(20_000)).await;
    assert_eq!(server.ask(&["keys", "test:text:*"]).unwrap().trim(), "");
}

#[tokio::test]
async fn a_login_that_may_not_remember_still_counts() {
    let server = RedisServer::start().unwrap();
    let (client, limits) = connected(options(&server)).await;
    server.ask(&["acl", "setuser", "default", "-get", "-set"]).unwrap();
    client.texts().keep(&hash("1"), "x").await;
    assert_eq!(client.texts().find(&hash("1")).await, None);
    assert!(count(&limits, "ann", 10).await.unwrap().allowed);
    assert_eq!((client.numbers().available, client.numbers().losses), (true, 0));
}
