//! The window in Redis: exact, bounded, on Redis's clock.

use std::time::Duration;

use ferrobase_testkit::RedisServer;

use crate::harness::{allowed_of, connected, count, eventually, options};

/// The only key of a caller; the probe's is another.
fn key(server: &RedisServer) -> String {
    server.ask(&["keys", "test:rl:anonymous:*"]).unwrap()
}

#[tokio::test]
async fn the_hundred_and_first_request_is_refused_whoever_counts() {
    let server = RedisServer::start().unwrap();
    let (_a, a) = connected(options(&server)).await;
    let (_b, b) = connected(options(&server)).await;
    for number in 1..=100 {
        let counted = count(if number % 3 == 0 { &b } else { &a }, "ann", 100).await.unwrap();
        assert_eq!((counted.allowed, counted.used), (true, number));
        assert!(counted.reset <= Duration::from_secs(61));
    }
    for limits in [&a, &b] {
        let refused = count(limits, "ann", 100).await.unwrap();
        assert_eq!((refused.allowed, refused.used), (false, 100));
        // Room comes when the first second of the hundred is over, and 61 is that second and the 60 after it.
        assert!(refused.reset > Duration::from_secs(30) && refused.reset <= Duration::from_secs(61), "{refused:?}");
    }
    assert!(count(&a, "bob", 100).await.unwrap().allowed, "another caller has a quota of its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_in_the_same_moment_are_counted_one_by_one() {
    let server = RedisServer::start().unwrap();
    let (_a, a) = connected(options(&server)).await;
    let (_b, b) = connected(options(&server)).await;
    let tasks: Vec<_> = (0..8)
        .map(|index| {
            let limits = if index % 2 == 0 { a.clone() } else { b.clone() };
            tokio::spawn(async move { allowed_of(&limits, "crowd", 250, 60).await })
        })
        .collect();
    let mut allowed = 0;
    for task in tasks {
        allowed += task.await.unwrap();
    }
    assert_eq!(allowed, 250);
}

#[tokio::test]
async fn a_request_counts_for_a_minute_and_then_makes_room() {
    let server = RedisServer::start().unwrap();
    let (_client, limits) = connected(options(&server)).await;
    let now: u64 = server.ask(&["time"]).unwrap().lines().next().unwrap().parse().unwrap();
    assert_eq!(allowed_of(&limits, "ann", 10, 1).await, 1);
    let key = key(&server);
    let write = |fields: &[(u64, u32)]| {
        server.ask(&["del", &key]).unwrap();
        let used: u32 = fields.iter().map(|(_, count)| count).sum();
        let (oldest, newest) = (fields[0].0, fields[fields.len() - 1].0);
        let mut command = vec!["hset".to_owned(), key.clone()];
        command.extend(["u", &used.to_string(), "o", &oldest.to_string(), "n", &newest.to_string()].map(str::to_owned));
        command.extend(fields.iter().flat_map(|(second, count)| [second.to_string(), count.to_string()]));
        server.ask(&command.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    };
    // Four are over, three are about to be, two are young.
    write(&[(now - 70, 1), (now - 65, 3), (now - 40, 3), (now - 2, 2)]);
    let counted = count(&limits, "ann", 10).await.unwrap();
    assert_eq!((counted.allowed, counted.used), (true, 6));
    assert!(counted.reset > Duration::from_secs(10) && counted.reset <= Duration::from_secs(21), "{counted:?}");
    let fields = server.ask(&["hkeys", &key]).unwrap();
    assert!(!fields.contains(&(now - 65).to_string()) && fields.contains(&(now - 40).to_string()), "{fields}");
    // Full: a refusal also forgets what is over.
    write(&[(now - 65, 3), (now - 40, 10)]);
    let refused = count(&limits, "ann", 10).await.unwrap();
    assert_eq!((refused.allowed, refused.used), (false, 10));
    assert_eq!(server.ask(&["hget", &key, "u"]).unwrap(), "10");
    // Everything is over.
    write(&[(now - 100, 3), (now - 62, 7)]);
    let counted = count(&limits, "ann", 10).await.unwrap();
    assert_eq!((counted.allowed, counted.used), (true, 1));
    assert!(counted.reset > Duration::from_secs(59));
    // The clock stepped back a little: counted in the newest second. Far: that second would never be over.
    write(&[(now - 5, 2), (now + 20, 3)]);
    assert_eq!(count(&limits, "ann", 10).await.unwrap().used, 6);
    assert_eq!(server.ask(&["hget", &key, &(now + 20).to_string()]).unwrap(), "4");
    write(&[(now + 86_400, 10)]);
    let counted = count(&limits, "ann", 10).await.unwrap();
    assert_eq!((counted.allowed, counted.used), (true, 1));
}

#[tokio::test]
async fn keys_are_few_small_and_expire() {
    let server = RedisServer::start().unwrap();
    let (_client, limits) = connected(options(&server)).await;
    for caller in ["address:192.0.2.1", "name:{a}{b}", "name:\r\nflushall", &"long".repeat(5000)] {
        assert_eq!(allowed_of(&limits, caller, 2, 5).await, 2, "{caller:.20}");
    }
    let keys = server.ask(&["keys", "*"]).unwrap();
    // The callers and the probe, which is a key of its own.
    assert_eq!(keys.lines().count(), 5, "{keys}");
    for key in keys.lines() {
        assert!(key.starts_with("test:rl:") && key.len() < 60, "{key}");
        let left: i64 = server.ask(&["ttl", key]).unwrap().parse().unwrap();
        assert!((1..=61).contains(&left), "{key}: {left}");
        assert_eq!(server.ask(&["hlen", key]).unwrap(), "4", "three numbers, and one second that has a count");
    }
    // A minute of requests in every second is still a small value.
    let key = key(&server);
    let key = key.lines().next().unwrap();
    for second in 0..61 {
        server.ask(&["hset", key, &(1_700_000_000 + second).to_string(), "123456"]).unwrap();
    }
    let size: u64 = server.ask(&["memory", "usage", key]).unwrap().parse().unwrap();
    assert!(size < 2000, "{size}");
}

#[tokio::test]
async fn a_server_that_forgot_the_script_is_told_again() {
    let server = RedisServer::start().unwrap();
    let (client, limits) = connected(options(&server)).await;
    assert_eq!(allowed_of(&limits, "ann", 3, 2).await, 2);
    server.ask(&["script", "flush"]).unwrap();
    assert_eq!(allowed_of(&limits, "ann", 3, 2).await, 1);
    eventually("nothing was given up", async || client.numbers().losses == 0).await;
}
