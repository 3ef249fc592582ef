//! Every bound of a request is hit: URL, fields, body, time; and heads that are not HTTP.

use std::time::{Duration, Instant};

use axum::body::Bytes;
use ferrobase_base::config::ByteSize;
use ferrobase_edge::{Bound, Room, RoutePolicy};
use futures_util::{StreamExt, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{Setup, client, read_all, start};

fn code_of(answer: &str) -> String {
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    let value: Value = serde_json::from_str(body).unwrap_or_default();
    value["code"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn urls_up_to_sixteen_kilobytes_pass_and_longer_ones_get_414() {
    let server = start().await;
    let url = |bytes: usize| server.url(&format!("/hello?{}", "x".repeat(bytes - "/rest/v1/hello?".len())));
    assert_eq!(client().get(url(16 * 1024)).send().await.unwrap().status(), 200);
    let response = client().get(url(16 * 1024 + 1)).send().await.unwrap();
    assert_eq!(response.status(), 414);
    assert_eq!(response.json::<Value>().await.unwrap()["code"], "FBE414");
    let response = client().get(url(17 * 1024)).send().await.unwrap();
    assert_eq!(response.status(), 414);
    // Past what a URL can be in HTTP libraries the answer is bare, and still 414.
    let far = server.raw(format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(80_000))).await;
    assert!(far.starts_with("HTTP/1.1 414"), "{far}");
}

#[tokio::test]
async fn fields_over_the_limit_get_431() {
    let server = start().await;
    let send = async |bytes: usize| {
        client().get(server.url("/hello")).header("x-big", "y".repeat(bytes)).send().await.unwrap()
    };
    assert_eq!(send(31 * 1024).await.status(), 200);
    let response = send(33 * 1024).await;
    assert_eq!(response.status(), 431);
    assert_eq!(response.json::<Value>().await.unwrap()["code"], "FBE431");
    let many: String = (0..3000).map(|n| format!("x-{n}: {}\r\n", "z".repeat(100))).collect();
    let far = server.raw(format!("GET /rest/v1/hello HTTP/1.1\r\nhost: x\r\n{many}\r\n")).await;
    assert!(far.starts_with("HTTP/1.1 431"), "{}", &far[..far.len().min(200)]);
}

#[tokio::test]
async fn a_ten_megabyte_body_over_the_limit_gets_413_and_the_answer_arrives() {
    let server = start().await;
    for path in ["/echo", "/extract"] {
        let body = vec![b'x'; 10 * 1024 * 1024];
        let response = client().post(server.url(path)).body(body).send().await.unwrap();
        assert_eq!(response.status(), 413, "{path}");
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["code"], "FBE413");
        assert_eq!(body["details"], "The limit here is 8388608 bytes");
    }
    let fits = client().post(server.url("/echo")).body(vec![b'x'; 8 * 1024 * 1024]).send().await.unwrap();
    assert_eq!(fits.text().await.unwrap(), "8388608");
}

#[tokio::test]
async fn a_body_without_length_is_bounded_too_whatever_the_rooms_extractor_says() {
    let mut setup = Setup::default();
    setup.server.body_limit = ByteSize::mib(1);
    let server = setup.start().await;
    for path in ["/echo", "/extract"] {
        let block = Bytes::from(vec![b'x'; 1024 * 1024]);
        let blocks = stream::iter(vec![block; 10]).map(|block| Ok::<_, std::io::Error>(Frame::data(block)));
        let response =
            client().post(server.url(path)).body(reqwest::Body::wrap(StreamBody::new(blocks))).send().await.unwrap();
        assert_eq!(response.status(), 413, "{path}");
        assert_eq!(response.json::<Value>().await.unwrap()["code"], "FBE413", "{path}");
    }
}

#[tokio::test]
async fn a_route_may_take_more_or_less_than_the_server() {
    let large = RoutePolicy { body_limit: Bound::Unbounded, ..RoutePolicy::default() };
    let small = RoutePolicy { body_limit: Bound::Own(4), ..RoutePolicy::default() };
    let room = Room::new("/storage/v1", crate::room::router()).policy(large).route_policy("/extract", small);
    let mut setup = Setup { rooms: vec![room], ..Setup::default() };
    setup.server.body_limit = ByteSize(100);
    let server = setup.start().await;
    let post = async |path: &str, size: usize| {
        let url = format!("http://{}{path}", server.address);
        client().post(url).body(vec![b'x'; size]).send().await.unwrap().status().as_u16()
    };
    assert_eq!(post("/storage/v1/echo", 2_000_000).await, 200);
    assert_eq!(post("/storage/v1/extract", 4).await, 200);
    assert_eq!(post("/storage/v1/extract", 5).await, 413);
    assert_eq!(post("/rest/v1/echo", 101).await, 413);
}

#[tokio::test]
async fn an_answer_arrives_also_when_the_room_never_reads_the_body() {
    let server = start().await;
    let body = vec![b'x'; 6 * 1024 * 1024];
    let response = client().post(server.url("/ignore")).body(body).send().await.unwrap();
    assert_eq!(response.status(), 404);
    assert_eq!(response.text().await.unwrap(), "no such thing");
}

#[tokio::test]
async fn nobody_waits_for_the_body_of_a_caller_that_asked_first() {
    let server = start().await;
    let started = Instant::now();
    let answer = server
        .raw("POST /rest/v1/echo HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 99999999\r\n\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(started.elapsed() < Duration::from_secs(2));
    let mut stream = server.connect().await;
    let head = "POST /rest/v1/echo HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 3\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"abc").await.unwrap();
    assert!(read_all(&mut stream).await.ends_with("\r\n\r\n3"));
}

#[tokio::test]
async fn a_caller_that_asked_first_and_was_told_to_go_on_reads_why_it_was_refused_later() {
    let mut setup = Setup::default();
    setup.server.body_limit = ByteSize::mib(1);
    let server = setup.start().await;
    let mut stream = server.connect().await;
    let head = "POST /rest/v1/echo HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    // Far more than the buffers of the connection hold, all of it sent before the answer is looked at.
    let chunk = [b"100000\r\n", &[b'x'; 0x10_0000][..], b"\r\n"].concat();
    for _ in 0..16 {
        stream.write_all(&chunk).await.expect("the rest is taken although nobody wants it");
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn truncated_and_garbled_bodies_get_400() {
    let server = start().await;
    let head = "POST /rest/v1/echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let garbled = server.raw(format!("{head}5\r\nhello\r\nZZ\r\n")).await;
    assert!(garbled.starts_with("HTTP/1.1 400"), "{garbled}");
    assert_eq!(code_of(&garbled), "FBE400");
    // A caller that hangs up in the middle of its body leaves a line in the log and nothing else.
    let mut stream = server.connect().await;
    stream.write_all(format!("{head}5\r\nhel").as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(stream);
    let lines = server.wait_for_lines(2).await;
    assert!([400, 499].contains(&lines[1]["status"].as_i64().unwrap()), "{lines:?}");
}

#[tokio::test]
async fn heads_that_are_not_http_get_400_and_nothing_breaks() {
    let server = start().await;
    for bad in [
        "GARBAGE\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET /rest/v1/hello HTTP/1.1\r\nbad header line\r\n\r\n",
        "GET /rest/v1/hello HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "GET /rest/v1/he\u{0}llo HTTP/1.1\r\nhost: x\r\n\r\n",
        "POST /rest/v1/echo HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
    ] {
        let answer = server.raw(bad).await;
        assert!(answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.1 505"), "{bad:?}: {answer}");
    }
    assert_eq!(server.get("/hello").await.status(), 200);
}

#[tokio::test]
async fn bytes_that_are_no_text_in_fields_harm_nobody() {
    let server = start().await;
    let ask = async |field: &[u8]| {
        let mut request = b"GET /rest/v1/who HTTP/1.1\r\nhost: x\r\nconnection: close\r\n".to_vec();
        request.extend_from_slice(field);
        request.extend_from_slice(b"\r\n\r\n");
        server.raw(request).await
    };
    let answer = ask(b"x-name: caf\xe9").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(!answer.contains("x-name"));
    let answer = ask(b"authorization: Bearer \xff\xfe").await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    let answer = ask(b"origin: \xff").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let answer = ask(b"x-request-id: \xff").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_room_that_takes_too_long_is_504_and_a_caller_that_does_is_408() {
    let mut setup = Setup::default();
    setup.server.request_timeout = Duration::from_millis(600);
    let server = setup.start().await;
    let response = server.get("/sleep?5000").await;
    assert_eq!(response.status(), 504);
    assert_eq!(response.json::<Value>().await.unwrap()["code"], "FBE504");
    assert_eq!(server.get("/sleep?20").await.status(), 200);

    let mut stream = server.connect().await;
    let head = "POST /rest/v1/echo HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nonly this";
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = read_all(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert_eq!(code_of(&answer), "FBE408");
}

#[tokio::test]
async fn a_body_that_stalls_is_408_also_without_a_request_timeout() {
    let setup = Setup {
        adjust: |settings| {
            settings.request_timeout = None;
            settings.body_stall = Duration::from_millis(300);
        },
        ..Setup::default()
    };
    let server = setup.start().await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"POST /rest/v1/extract HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nonly this")
        .await
        .unwrap();
    let answer = read_all(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn sec_29_a_stream_that_is_cut_is_visibly_incomplete() {
    let mut setup = Setup::default();
    setup.server.request_timeout = Duration::from_millis(600);
    let server = setup.start().await;
    // Over its deadline, and with a source that fails: no last chunk in either case.
    for path in ["/stream?300", "/broken"] {
        let answer = server.raw(format!("GET /rest/v1{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await;
        assert!(!answer.ends_with("0\r\n\r\n"), "{answer}");
        let read = async { client().get(server.url(path)).send().await?.text().await };
        assert!(read.await.is_err(), "{path}");
    }
    let whole = server.get("/stream?1").await.text().await.unwrap();
    assert_eq!(whole.lines().count(), 5);
    let lines = server.wait_for_lines(5).await;
    assert!(lines[..4].iter().all(|line| line["cut"] == true && line["status"] == 200), "{lines:?}");
    assert!(lines[4].get("cut").is_none());
}
