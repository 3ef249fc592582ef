//! What HTTP says must be refused: requests that do not name one host, and bodies that are coded.

use serde_json::{Value, json};

use crate::harness::{client, start};

/// The status of the only answer on a new connection.
fn status(answer: &str) -> u16 {
    assert!(answer.starts_with("HTTP/1.") && !answer.contains("\r\nHTTP/1."), "{answer}");
    answer[9..12].parse().unwrap()
}

#[tokio::test]
async fn http_1_1_names_one_host_and_http_1_0_need_not() {
    let server = start().await;
    let ask = async |version: &str, fields: &str| {
        let head = format!("GET /rest/v1/hello HTTP/{version}\r\n{fields}connection: close\r\n\r\n");
        server.raw(head).await
    };
    for (version, fields) in [("1.1", "Host: a\r\n"), ("1.1", "Host:\r\n"), ("1.0", ""), ("1.0", "Host: [::1]:8\r\n")] {
        assert_eq!(status(&ask(version, fields).await), 200, "{version} {fields}");
    }
    for (version, fields, why) in [
        ("1.1", "", "HTTP/1.1 needs the field Host"),
        ("1.1", "Host: a\r\nHost: b\r\n", "The field Host came several times"),
        ("1.1", "Host: a\r\nhost: a\r\n", "The field Host came several times"),
        ("1.0", "Host: a\r\nHost: b\r\n", "The field Host came several times"),
        ("1.1", "Host: u@a\r\n", "The field Host is not a host"),
    ] {
        let answer = ask(version, fields).await;
        assert_eq!(status(&answer), 400, "{version} {fields}");
        let body: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        assert_eq!((&body["code"], &body["details"]), (&json!("FBE400"), &json!(why)));
        assert!(answer.contains("x-request-id: "), "{answer}");
    }
    let lines = server.wait_for_lines(9).await;
    assert_eq!(lines.iter().filter(|line| line["status"] == 400).count(), 5, "{lines:?}");
}

#[tokio::test]
async fn http_2_has_its_authority_instead_of_a_host() {
    let server = start().await;
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    assert_eq!(client.get(server.url("/hello")).send().await.unwrap().status(), 200);
}

/// Nothing decodes a body, so one that says it is coded is not taken for what it is not.
#[tokio::test]
async fn a_body_with_a_content_coding_is_415_and_the_answer_names_what_is_read() {
    let server = start().await;
    let post = async |coding: &str| {
        client().post(server.url("/echo")).header("content-encoding", coding).body("plain").send().await.unwrap()
    };
    for coding in ["gzip", "br", "identity, gzip", "x-unknown"] {
        let response = post(coding).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["accept-encoding"]),
            (415, &"identity".parse().unwrap())
        );
        assert_eq!(response.json::<Value>().await.unwrap()["code"], "FBE415", "{coding}");
    }
    assert_eq!(post("identity").await.text().await.unwrap(), "5");
    // Without a body there is nothing that could be coded.
    let without = client().get(server.url("/hello")).header("content-encoding", "gzip").send().await.unwrap();
    assert_eq!(without.status(), 200);
}

#[tokio::test]
async fn a_transfer_coding_other_than_chunked_is_refused() {
    let server = start().await;
    let post = async |codings: &str| {
        let fields = format!("host: x\r\n{codings}connection: close\r\n");
        server.raw(format!("POST /rest/v1/echo HTTP/1.1\r\n{fields}\r\n5\r\nplain\r\n0\r\n\r\n")).await
    };
    assert!(post("transfer-encoding: chunked\r\n").await.ends_with("\r\n\r\n5"));
    for codings in [
        "transfer-encoding: gzip, chunked\r\n",
        "transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked, chunked\r\n",
    ] {
        let answer = post(codings).await;
        assert_eq!(status(&answer), 501, "{codings}");
        assert!(answer.contains("\"FBE501\""), "{answer}");
    }
    // Its end cannot be seen at all: the connection has to end.
    assert_eq!(status(&post("transfer-encoding: gzip\r\n").await), 400);
}

/// What is no HTTP, and more than 100 fields, is answered by the HTTP library: no body, no line in the log.
#[tokio::test]
async fn more_than_a_hundred_fields_are_a_bare_431() {
    let server = start().await;
    let ask = async |count: usize| {
        let fields: String = (2..count).map(|n| format!("x-{n}: a\r\n")).collect();
        server.raw(format!("GET /rest/v1/hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{fields}\r\n")).await
    };
    assert_eq!(status(&ask(100).await), 200);
    let answer = ask(101).await;
    assert_eq!(status(&answer), 431);
    assert!(answer.ends_with("\r\n\r\n") && !answer.contains("x-request-id"), "{answer}");
    assert_eq!(server.wait_for_lines(1).await.len(), 1);
}
