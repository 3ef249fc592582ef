//! Connections: HTTP/2, Unix sockets, and callers that are slow, silent or too many.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use ferrobase_edge::Lifecycle;
use ferrobase_edge::listener::{ConnectionLimits, Endpoint, ListenError, Listener};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::harness::{HELLO, Setup, read_all, start};

fn quick() -> ConnectionLimits {
    ConnectionLimits {
        head: Duration::from_millis(600),
        idle: Duration::from_millis(1000),
        stall: Duration::from_millis(800),
        ..ConnectionLimits::default()
    }
}

fn tcp(port: u16) -> Endpoint {
    Endpoint::Tcp { host: "127.0.0.1".to_owned(), port, shared: false }
}

#[tokio::test]
async fn slowloris_is_cut_and_others_do_not_notice() {
    let server = Setup { limits: quick(), ..Setup::default() }.start().await;
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut stream = server.connect().await;
        stream.write_all(b"GET /rest/v1/hello HTTP/1.1\r\n").await.unwrap();
        slow.push(stream);
    }
    let started = Instant::now();
    let mut alive = true;
    while alive && started.elapsed() < Duration::from_secs(5) {
        assert_eq!(server.get("/hello").await.status(), 200);
        tokio::time::sleep(Duration::from_millis(50)).await;
        alive = slow[0].write_all(b"x-a: b\r\n").await.is_ok();
    }
    assert!(!alive, "a head that never ends must end the connection");
    for stream in &mut slow {
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(2), stream.read_to_end(&mut rest)).await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_that_never_speaks_and_one_that_fell_silent_are_closed() {
    let server = Setup { limits: quick(), ..Setup::default() }.start().await;
    let mut silent = server.connect().await;
    let mut half_a_word = server.connect().await;
    half_a_word.write_all(b"P").await.unwrap();
    let mut used = server.connect().await;
    used.write_all(HELLO.as_bytes()).await.unwrap();
    let started = Instant::now();
    assert!(read_all(&mut used).await.ends_with("hello"));
    assert!(started.elapsed() >= Duration::from_millis(900), "it was kept for the next request");
    assert_eq!(read_all(&mut half_a_word).await, "");
    assert_eq!(read_all(&mut silent).await, "");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_long_answer_is_not_silence() {
    let server = Setup { limits: quick(), ..Setup::default() }.start().await;
    assert_eq!(server.get("/sleep?1800").await.text().await.unwrap(), "awake");
    assert_eq!(server.get("/stream?300").await.text().await.unwrap().lines().count(), 5);
}

#[tokio::test]
async fn sec_29_a_caller_that_does_not_read_is_cut() {
    let server = Setup { limits: quick(), ..Setup::default() }.start().await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /rest/v1/endless HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let lines = server.wait_for_lines(1).await;
    assert_eq!(lines[0]["cut"], true);
    assert!(lines[0]["duration_ms"].as_f64().unwrap() < 5_000.0);
}

/// On HTTP/2 only the window of the stream closes, and hyper never asks for more of the answer.
#[tokio::test]
async fn sec_29_a_stream_that_is_not_read_is_dropped_and_its_connection_lives() {
    let server = Setup { limits: quick(), ..Setup::default() }.start().await;
    let client = reqwest::Client::builder().http2_prior_knowledge().http2_initial_stream_window_size(1024);
    let client = client.build().unwrap();
    let get = async |path: &str| client.get(server.url(path)).send().await.unwrap();
    let mut unread = get("/endless").await;
    let started = Instant::now();
    let is_cut = |line: &serde_json::Value| line["path"] == "/rest/v1/endless" && line["cut"] == true;
    while !server.lines().iter().any(is_cut) {
        assert!(started.elapsed() < Duration::from_secs(5), "what an answer holds is held for ever");
        assert_eq!(get("/hello").await.text().await.unwrap(), "hello");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    while let Some(piece) = unread.chunk().await.transpose() {
        if piece.is_err() {
            assert_eq!(get("/hello").await.text().await.unwrap(), "hello");
            assert_eq!(server.metric("http_connections_active"), Some(1.0));
            return;
        }
    }
    panic!("an answer that was dropped looks complete");
}

/// Who keeps the window closed learns it from the protocol, and the next stream is answered.
#[tokio::test]
async fn sec_29_a_stream_that_is_dropped_is_reset() {
    const HEADERS: u8 = 1;
    const RESET: u8 = 3;
    let server = Setup { limits: quick(), ..Setup::default() }.start().await;
    let mut stream = server.connect().await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    // The window of a stream: one kibibyte.
    stream.write_all(&frame(4, 0, 0, &[0, 4, 0, 0, 4, 0])).await.unwrap();
    stream.write_all(&frame(HEADERS, 5, 1, &get("/rest/v1/endless"))).await.unwrap();
    let reset = heard(&mut stream, |kind, number, _| (kind, number) == (RESET, 1)).await;
    assert_eq!(reset, [0, 0, 0, 8], "CANCEL");
    stream.write_all(&frame(HEADERS, 5, 3, &get("/rest/v1/hello"))).await.unwrap();
    let data = heard(&mut stream, |kind, number, flags| (kind, number, flags & 1) == (0, 3, 1)).await;
    assert_eq!(data, b"hello");
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The fields of a GET, as they are in the static table of HPACK.
fn get(path: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x86, 0x04, u8::try_from(path.len()).unwrap()];
    block.extend(path.as_bytes());
    block.extend(b"\x01\x01x");
    block
}

/// What the first such frame carries.
async fn heard(stream: &mut (impl AsyncReadExt + Unpin), wanted: impl Fn(u8, u32, u8) -> bool) -> Vec<u8> {
    loop {
        let mut head = [0; 9];
        let read = tokio::time::timeout(Duration::from_secs(5), stream.read_exact(&mut head)).await;
        read.expect("the frame comes").expect("the connection lives");
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        stream.read_exact(&mut payload).await.unwrap();
        if wanted(head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), head[4]) {
            return payload;
        }
    }
}

#[tokio::test]
async fn connections_over_the_bound_are_told_to_come_back() {
    let limits = ConnectionLimits { connections: 2, ..ConnectionLimits::default() };
    let server = Setup { limits, ..Setup::default() }.start().await;
    let mut first = server.connect().await;
    let _second = server.connect().await;
    first.write_all(HELLO.as_bytes()).await.unwrap();
    let mut buffer = [0; 16];
    first.read_exact(&mut buffer).await.unwrap();
    let answer = server.raw(HELLO).await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 1"), "{answer}");
    assert!(answer.contains("FBE503"), "{answer}");
    assert_eq!(server.metric("http_connections_refused_total"), Some(1.0));
    drop(first);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.get("/hello").await.status(), 200);
}

#[tokio::test]
async fn http2_works_without_tls_and_a_panic_there_costs_one_stream() {
    let server = start().await;
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let get = async |path: &str| client.get(server.url(path)).send().await.unwrap();
    let (slow, failed, quick) = tokio::join!(get("/sleep?300"), get("/panic"), get("/hello"));
    assert_eq!(slow.version(), reqwest::Version::HTTP_2);
    assert_eq!((slow.status().as_u16(), failed.status().as_u16(), quick.status().as_u16()), (200, 500, 200));
    let upload = client.post(server.url("/echo")).body(vec![b'x'; 20_000_000]).send().await.unwrap();
    assert_eq!(upload.status(), 413);
    assert_eq!(server.metric("http_connections_active"), Some(1.0));
}

#[tokio::test]
async fn pipelined_requests_and_garbage_after_them() {
    let server = start().await;
    let answers = server.raw(format!("{HELLO}{HELLO}\u{1}\u{2}garbage\r\n\r\n")).await;
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 2, "{answers}");
    assert_eq!(answers.matches("HTTP/1.1 400").count(), 1, "{answers}");
}

#[tokio::test]
async fn upgraded_connections_belong_to_their_room_and_may_be_silent() {
    let server = Setup { limits: quick(), ..Setup::default() }.start().await;
    let mut stream = server.connect().await;
    let head = "GET /rest/v1/upgrade HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
    for word in ["first", "later"] {
        stream.write_all(word.as_bytes()).await.unwrap();
        let mut echo = [0; 5];
        stream.read_exact(&mut echo).await.unwrap();
        assert_eq!(&echo, word.as_bytes());
        tokio::time::sleep(Duration::from_millis(1300)).await;
    }
    assert_eq!(server.wait_for_lines(1).await[0]["status"], 101);
}

#[test]
fn the_bound_of_connections_leaves_files_for_the_rest() {
    let limits = ConnectionLimits { connections: usize::MAX, ..ConnectionLimits::default() }.within_open_files();
    assert!(limits.connections < usize::MAX && limits.connections >= 64, "{}", limits.connections);
}

#[tokio::test]
async fn a_taken_port_is_said_to_be_taken() {
    let first = Listener::bind(&[tcp(0)]).await.unwrap();
    let port = first.addresses()[0].port();
    let error = Listener::bind(&[tcp(port)]).await.err().unwrap();
    assert!(matches!(error, ListenError::InUse { .. }), "{error}");
    assert!(error.to_string().contains(&port.to_string()));
    let error = Listener::bind(&[Endpoint::Tcp { host: "no.such.host.invalid".into(), port: 1, shared: false }]).await;
    assert!(matches!(error.err().unwrap(), ListenError::Host { .. }));
    let shared = |port| Endpoint::Tcp { host: "127.0.0.1".into(), port, shared: true };
    let one = Listener::bind(&[shared(0)]).await.unwrap();
    assert!(Listener::bind(&[shared(one.addresses()[0].port())]).await.is_ok());
}

#[tokio::test]
async fn unix_sockets_are_served_and_stale_ones_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api.sock");
    // What a killed server leaves behind.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let endpoint = Endpoint::Unix { path: path.clone(), mode: 0o600 };
    let server = start().await;
    let listener = Listener::bind(std::slice::from_ref(&endpoint)).await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(matches!(Listener::bind(&[endpoint]).await, Err(ListenError::Unix { .. })), "it is in use");
    let lifecycle = Lifecycle::default();
    let task = tokio::spawn(listener.serve(server.app.clone(), lifecycle.clone()));
    let mut stream = UnixStream::connect(&path).await.unwrap();
    stream.write_all(b"GET /rest/v1/who HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let answer = read_all(&mut stream).await;
    assert!(answer.contains("\"ip\":null"), "{answer}");
    lifecycle.enter(ferrobase_edge::Phase::Closing);
    task.await.unwrap();
    assert!(!path.exists());
}
