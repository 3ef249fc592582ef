//! How a server ends: readiness first, then the door, then the requests, then the bound.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrobase_edge::admin::{self, Admin};
use ferrobase_edge::listener::Ended;
use ferrobase_edge::{Grace, Phase};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::harness::{client, read_all, start};

#[tokio::test]
async fn a_request_under_way_is_finished_and_idle_connections_are_closed() {
    let server = start().await;
    let url = server.url("/sleep?600");
    let slow = tokio::spawn(async move { client().get(url).send().await.unwrap().text().await.unwrap() });
    let mut idle = server.connect().await;
    idle.write_all(b"GET /rest/v1/hello HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut unused = server.connect().await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    server.lifecycle.enter(Phase::Closing);
    assert!(read_all(&mut idle).await.ends_with("hello"), "answered, then closed");
    assert_eq!(read_all(&mut unused).await, "");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody is let in any more");
    assert_eq!(slow.await.unwrap(), "awake");
    assert_eq!(server.task.await.unwrap(), Ended { cut: 0 });
}

/// Whoever connected before the door closed is answered: also one whom the server did not get to yet, and one who asks a moment
/// later.
#[tokio::test]
async fn a_connection_that_was_just_made_may_still_ask() {
    const ASK: &[u8] = b"GET /rest/v1/hello HTTP/1.1\r\nhost: x\r\n\r\n";
    let server = start().await;
    let mut accepted = server.connect().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    // On this one thread nobody is accepted before the next await: these wait in the socket's queue.
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let stream = std::net::TcpStream::connect(server.address).unwrap();
            stream.set_nonblocking(true).unwrap();
            stream
        })
        .collect();
    server.lifecycle.enter(Phase::Closing);
    let mut waiting: Vec<_> = waiting.into_iter().map(|stream| TcpStream::from_std(stream).unwrap()).collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    // All ask before anybody waits for anything: they have a second.
    for stream in [&mut accepted].into_iter().chain(&mut waiting) {
        stream.write_all(ASK).await.unwrap();
    }
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody is let in any more");
    for stream in waiting.iter_mut().chain([&mut accepted]) {
        let answer = read_all(stream).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "answered, then closed: {answer}");
    }
    assert_eq!(server.task.await.unwrap(), Ended { cut: 0 });
}

#[tokio::test]
async fn http2_streams_under_way_are_finished_too() {
    let server = start().await;
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let url = server.url("/sleep?400");
    let slow = tokio::spawn(async move { client.get(url).send().await.unwrap().text().await.unwrap() });
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.lifecycle.enter(Phase::Closing);
    assert_eq!(slow.await.unwrap(), "awake");
    assert_eq!(server.task.await.unwrap(), Ended { cut: 0 });
}

#[tokio::test]
async fn sec_30_ready_fails_first_then_the_door_closes_and_the_bound_is_hard() {
    let server = start().await;
    let admin = Admin {
        lifecycle: server.lifecycle.clone(),
        readiness: Arc::new(Vec::new),
        metrics: Some(server.metrics.clone()),
    };
    let ready = async || {
        let request = http::Request::get("/ready").body(axum::body::Body::empty()).unwrap();
        let response = tower::ServiceExt::oneshot(admin::router(admin.clone()), request).await.unwrap();
        let status = response.status().as_u16();
        (status, axum::body::to_bytes(response.into_body(), 1000).await.unwrap())
    };
    assert_eq!(ready().await.0, 200);

    let url = server.url("/sleep?60000");
    let endless = tokio::spawn(async move { client().get(url).send().await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let ending = server.lifecycle.clone();
    let grace = Grace { notice: Duration::from_millis(1000), bound: Duration::from_millis(500) };
    let started = Instant::now();
    tokio::spawn(async move { ending.shut_down(grace).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let (status, body) = ready().await;
    assert_eq!((status, &body[..]), (503, &br#"{"ready":false,"waiting_for":["draining"]}"#[..]));
    assert_eq!(server.get("/hello").await.status(), 200, "requests are still answered during the notice");
    let ended = server.task.await.unwrap();
    assert_eq!(ended, Ended { cut: 1 });
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(1500) && took < Duration::from_secs(5), "{took:?}");
    assert!(endless.await.unwrap().is_err());
}

#[tokio::test]
async fn readiness_names_what_is_missing() {
    let server = start().await;
    let admin = Admin {
        lifecycle: server.lifecycle.clone(),
        readiness: Arc::new(|| vec!["catalog", "database"]),
        metrics: None,
    };
    let ask = async |path: &str| {
        let request = http::Request::get(path).body(axum::body::Body::empty()).unwrap();
        let response = tower::ServiceExt::oneshot(admin::router(admin.clone()), request).await.unwrap();
        let status = response.status().as_u16();
        (status, String::from_utf8(axum::body::to_bytes(response.into_body(), 1000).await.unwrap().to_vec()).unwrap())
    };
    assert_eq!(ask("/live").await, (200, r#"{"live":true}"#.to_owned()));
    assert_eq!(ask("/ready").await, (503, r#"{"ready":false,"waiting_for":["catalog","database"]}"#.to_owned()));
    assert_eq!(ask("/metrics").await.0, 404, "switched off");
}
