//! The request log: the seed's keys, levels, and no credential anywhere.

use std::time::Duration;

use ferrobase_edge::config::LogFormat;
use ferrobase_edge::log::{LogSettings, init};
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::harness::{Setup, anon_key, client, service_key, start, user_token};

#[tokio::test]
async fn a_request_leaves_one_line_with_the_seeds_keys() {
    let server = start().await;
    let request = client().get(format!("http://{}/api/v1/rest/who?select=*", server.address));
    request.header("authorization", format!("Bearer {}", user_token("u-7"))).send().await.unwrap();
    server.get("/hello").await;
    let lines = server.wait_for_lines(2).await;
    assert_eq!(lines.len(), 2);
    let keys: Vec<&str> = lines[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        ["timestamp", "level", "message", "method", "path", "status", "duration_ms", "user_id", "request_id", "query"]
    );
    assert_eq!(lines[0]["message"], "Request completed");
    assert_eq!(lines[0]["level"], "info");
    assert_eq!(lines[0]["method"], "GET");
    assert_eq!(lines[0]["path"], "/api/v1/rest/who");
    assert_eq!(lines[0]["status"], 200);
    assert!(lines[0]["duration_ms"].is_number());
    assert_eq!(lines[0]["user_id"], "u-7");
    assert!(lines[0]["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    assert!(lines[1]["user_id"].is_null());
}

#[tokio::test]
async fn failures_are_logged_with_their_code_and_level() {
    let server = start().await;
    client().get(server.url("/who")).header("apikey", "junk").send().await.unwrap();
    server.get("/panic").await;
    let lines = server.wait_for_lines(2).await;
    assert_eq!((&lines[0]["level"], &lines[0]["code"]), (&json!("warn"), &json!("FB301")));
    assert_eq!((&lines[1]["level"], &lines[1]["code"]), (&json!("error"), &json!("FBE500")));
}

#[tokio::test]
async fn a_caller_that_leaves_is_logged_as_499() {
    let server = start().await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /rest/v1/sleep?30000 HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(stream);
    let lines = server.wait_for_lines(1).await;
    assert_eq!(lines[0]["status"], 499);
}

#[tokio::test]
async fn sec_28_a_canary_is_in_no_line() {
    let server = start().await;
    let user = user_token("canary-free");
    let (anon, service) = (anon_key(), service_key());
    let paths = [
        "/hello?apikey=CANARY",
        "/hello?token=CANARY&x=1",
        "/hello?%61ccess_token=CANARY",
        "/hello?code=CANARY",
        "/nowhere?APIKEY=CANARY",
        "/panic?refresh_token=CANARY",
    ];
    for path in paths {
        client().get(server.url(path)).send().await.unwrap();
    }
    for (name, value) in [
        ("authorization", "Bearer CANARY"),
        ("authorization", &*format!("Bearer {user}")),
        ("apikey", "CANARY"),
        ("apikey", &*anon),
        ("apikey", &*service),
        ("cookie", "session=CANARY"),
        ("x-api-key", "CANARY"),
    ] {
        client().get(server.url("/who")).header(name, value).send().await.unwrap();
    }
    client().post(server.url("/echo")).body("CANARY").send().await.unwrap();
    server.wait_for_lines(14).await;
    let log = server.log.text();
    for secret in ["CANARY", &user, &anon, &service] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[tokio::test]
async fn a_line_cannot_be_forged() {
    for format in [LogFormat::Json, LogFormat::Text] {
        let server = Setup { format, ..Setup::default() }.start().await;
        server.raw("GET /rest/v1/hello?a=%0A%0D%22x HTTP/1.1\r\nhost: x\r\nx-request-id: a\tb\r\nconnection: close\r\n\r\n").await;
        for _ in 0..100 {
            if !server.text_lines().is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(server.text_lines().len(), 1);
    }
}

/// One process-wide subscriber: everything about it is in one test.
#[test]
fn the_log_file_is_written_reopened_and_levelled() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ferrobase.log");
    let settings = LogSettings {
        level: "info".to_owned(),
        style: ferrobase_edge::log::Style::Json,
        file: Some(path.clone()),
        to_stderr: false,
    };
    let log = init(&settings).unwrap();
    assert!(init(&settings).is_err(), "twice is a bug of the caller");
    tracing::info!(answer = 42, "One");
    tracing::debug!("Too small");
    std::fs::rename(&path, dir.path().join("rotated")).unwrap();
    log.reopen().unwrap();
    log.set_level("debug").unwrap();
    tracing::debug!("Two");
    assert!(std::panic::catch_unwind(|| panic!("three")).is_err());
    log.flush();
    let rotated = std::fs::read_to_string(dir.path().join("rotated")).unwrap();
    assert!(
        rotated.contains("\"One\"") && rotated.contains("\"answer\":42") && !rotated.contains("small"),
        "{rotated}"
    );
    let current = std::fs::read_to_string(&path).unwrap();
    assert!(current.contains("\"Two\"") && current.contains("\"panic\":\"three\""), "{current}");
    assert!(log.set_level("a=b=c").is_err());
    let nowhere = LogSettings { file: Some(dir.path().join("no/such/folder/x.log")), ..settings };
    assert!(init(&nowhere).err().unwrap().to_string().contains("x.log"));
    assert_eq!(log.dropped_lines(), 0);
}
