//! Targets with characters that HTTP forbids and people type: what rooms see of them, and that bodies stay whole.

use std::time::Duration;

use ferrobase_base::config::ByteSize;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::harness::{HELLO, Setup, start};
use crate::tls::{certificate, connect};

/// A request without a body for the handler that tells what it sees.
fn get(query: &str) -> String {
    format!("GET /rest/v1/uri?{query} HTTP/1.1\r\nhost: x\r\n\r\n")
}

fn post(path: &str, body: &str) -> String {
    format!("POST /rest/v1{path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// One answer with a length, and the connection kept for the next one.
async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> (u16, String) {
    let read = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("an answer should come"));
        }
        let head = String::from_utf8(head).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        stream.read_exact(&mut body).await.unwrap();
        (head[9..12].parse().unwrap(), String::from_utf8(body).unwrap())
    };
    tokio::time::timeout(Duration::from_secs(5), read).await.expect("an answer should come in time")
}

async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), request: &str) -> (u16, String) {
    stream.write_all(request.as_bytes()).await.unwrap();
    answer(stream).await
}

/// The URL as the room saw it.
fn seen((status, body): &(u16, String)) -> String {
    assert_eq!(*status, 200, "{body}");
    let value: Value = serde_json::from_str(body).unwrap();
    value["seen"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_postgrests_documentation_shows_is_taken_on_one_kept_connection() {
    let server = start().await;
    let mut stream = server.connect().await;
    for (query, as_seen) in [
        ("select=id,data->>name", "select=id,data-%3E%3Ename"),
        ("name=in.(\"a,b\",\"c\")", "name=in.(%22a,b%22,%22c%22)"),
        ("tags=cs.{\"a\"}&r=ov.[1,2)&q=<@", "tags=cs.{%22a%22}&r=ov.[1,2)&q=%3C@"),
        ("a=`b|c^d\\e~", "a=%60b|c^d\\e~"),
        ("name=eq.caf\u{e9}->\u{1f980}", "name=eq.caf\u{e9}-%3E\u{1f980}"),
    ] {
        assert_eq!(seen(&ask(&mut stream, &get(query)).await), format!("/uri?{as_seen}"));
    }
    let lines = server.wait_for_lines(1).await;
    assert!(lines[0].to_string().contains("%3E%3E"), "the log has the target as HTTP saw it: {}", lines[0]);
}

#[tokio::test]
async fn a_request_line_may_come_byte_by_byte() {
    let server = start().await;
    let mut stream = server.connect().await;
    stream.set_nodelay(true).unwrap();
    for _ in 0..2 {
        for byte in get("a=b->>c").bytes() {
            stream.write_all(&[byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(seen(&answer(&mut stream).await), "/uri?a=b-%3E%3Ec");
    }
}

#[tokio::test]
async fn a_long_target_of_nothing_but_such_characters_is_bounded_like_any_other() {
    let server = start().await;
    let mut stream = server.connect().await;
    let short = ask(&mut stream, &get(&"<".repeat(5_000))).await;
    assert_eq!(seen(&short), format!("/uri?{}", "%3C".repeat(5_000)));
    assert_eq!(ask(&mut stream, &get(&"<".repeat(6_000))).await.0, 414, "it counts as it is written");
}

#[tokio::test]
async fn sec_a_body_is_never_touched_and_the_requests_after_it_are_left_alone() {
    let server = start().await;
    let mut stream = server.connect().await;
    assert_eq!(seen(&ask(&mut stream, &get("a->>b")).await), "/uri?a-%3E%3Eb");
    let body = r#"{"a": "<\">`", "GET /rest/v1/uri?<\"> HTTP/1.1": 1}"#;
    // Its own head is taken, its body is not.
    assert_eq!(ask(&mut stream, &post("/mirror?a->>b", body)).await, (200, body.to_owned()));
    assert_eq!(ask(&mut stream, &post("/mirror", body)).await, (200, body.to_owned()));
    assert_eq!(seen(&ask(&mut stream, &get("a=b")).await), "/uri?a=b");
    assert_eq!(ask(&mut stream, &get("a->>b")).await.0, 400, "raw characters after a body are refused by HTTP");
}

#[tokio::test]
async fn pipelined_requests_are_passed_as_they_are() {
    let server = start().await;
    let mut stream = server.connect().await;
    let both = format!("{}{}", get("a->>b"), get("c=d"));
    assert_eq!(seen(&ask(&mut stream, &both).await), "/uri?a-%3E%3Eb");
    assert_eq!(seen(&answer(&mut stream).await), "/uri?c=d");
    let answers = server.raw(format!("{}{}", get("a->>b"), get("a->>b"))).await;
    assert_eq!((answers.matches("HTTP/1.1 200").count(), answers.matches("HTTP/1.1 400").count()), (1, 1), "{answers}");
}

#[tokio::test]
async fn tls_makes_no_difference() {
    let files = certificate();
    let server = Setup { tls: Some(files.load()), ..Setup::default() }.start().await;
    let mut stream = connect(&server, files.trusted(), b"http/1.1").await.unwrap();
    for _ in 0..2 {
        assert_eq!(seen(&ask(&mut stream, &get("a->>\"b\"")).await), "/uri?a-%3E%3E%22b%22");
    }
}

#[tokio::test]
async fn http2_is_passed_as_it_is() {
    let server = start().await;
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let text = "GET /<\">` HTTP/1.1\r\n\r\n".repeat(1_000);
    for _ in 0..3 {
        let sent = client.post(server.url("/mirror")).body(text.clone()).send().await.unwrap();
        assert_eq!(sent.version(), reqwest::Version::HTTP_2);
        assert_eq!(sent.text().await.unwrap(), text);
    }
}

#[tokio::test]
async fn upgraded_connections_are_passed_as_they_are() {
    let server = start().await;
    let mut stream = server.connect().await;
    let head = "GET /rest/v1/upgrade?a->>b HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    assert_eq!(ask(&mut stream, head).await.0, 101);
    for _ in 0..2 {
        let sent = get("a->>b");
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut echo = vec![0; sent.len()];
        stream.read_exact(&mut echo).await.unwrap();
        assert_eq!(String::from_utf8(echo).unwrap(), sent);
    }
}

/// A proxy that shares a connection sends somebody's refused upload, then somebody else's request. If the upload's
/// body grew on its way to hyper, its tail would be the next request.
#[tokio::test]
async fn sec_a_refused_body_that_looks_like_a_request_does_not_become_one() {
    let mut setup = Setup::default();
    setup.server.body_limit = ByteSize(10);
    let server = setup.start().await;
    let body = format!("{}{HELLO}", get("a=<<<<>>>>\"\"\"\""));
    for path in ["/echo", "/extract", "/ignore"] {
        for later in [false, true] {
            let mut stream = server.connect().await;
            assert_eq!(ask(&mut stream, HELLO).await.0, 200);
            let upload = post(path, &body);
            let (head, rest) = upload.split_at(upload.len() - body.len());
            stream.write_all(head.as_bytes()).await.unwrap();
            if later {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            stream.write_all(rest.as_bytes()).await.unwrap();
            let refused = answer(&mut stream).await;
            assert!([404, 413].contains(&refused.0), "{path}: {refused:?}");
            // Whatever the other one asks is answered by its own answer.
            let other = ask(&mut stream, &get("who=other")).await;
            assert_eq!(seen(&other), "/uri?who=other", "{path}");
        }
    }
}

/// The same with a body in chunks, each in a read of its own.
#[tokio::test]
async fn sec_chunks_that_look_like_requests_stay_chunks() {
    let server = start().await;
    let mut stream = server.connect().await;
    let block = get("a=<\">");
    let head = "POST /rest/v1/mirror?b->>c HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        stream.write_all(format!("{:x}\r\n", block.len()).as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        stream.write_all(format!("{block}\r\n").as_bytes()).await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let (status, body) = answer(&mut stream).await;
    assert_eq!((status, body), (200, block.repeat(3)));
    assert_eq!(ask(&mut stream, HELLO).await, (200, "hello".to_owned()));
}
