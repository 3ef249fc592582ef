//! Ordinary requests: routing, aliases, ids, timing, panics, errors in one shape.

use ferrobase_request::AuthRules;
use serde_json::{Value, json};

use crate::harness::{Setup, client, start};

#[tokio::test]
async fn a_request_reaches_its_room_and_comes_back_with_an_id() {
    let server = start().await;
    let response = server.get("/hello").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["x-request-id"].len(), 36);
    assert_eq!(response.text().await.unwrap(), "hello");

    let response = client().get(server.url("/who")).header("x-request-id", "req-123").send().await.unwrap();
    assert_eq!(response.headers()["x-request-id"], "req-123");
    let who: Value = response.json().await.unwrap();
    assert_eq!(who["request_id"], "req-123");
    assert_eq!(who["path"], "/who");
    assert_eq!(who["role"], "anon");
    assert_eq!(who["ip"], "127.0.0.1");
}

#[tokio::test]
async fn unknown_paths_get_our_error_shape() {
    let server = start().await;
    let response = client().get(format!("http://{}/nowhere?x", server.address)).send().await.unwrap();
    assert_eq!(response.status(), 404);
    assert_eq!(response.headers()["content-type"], "application/json; charset=utf-8");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["code"], "FBE404");
    let mut keys: Vec<&String> = body.as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(keys, ["code", "details", "hint", "message"]);
}

#[tokio::test]
async fn the_seeds_paths_are_served_and_logged_as_sent() {
    let server = start().await;
    let get = async |path: &str| -> Value {
        let url = format!("http://{}{path}", server.address);
        client().get(url).send().await.unwrap().json().await.unwrap()
    };
    assert_eq!(
        get("/api/v1/rest/uri?select=*").await,
        json!({"seen": "/uri?select=*", "sent": "/api/v1/rest/uri?select=*", "profile": null})
    );
    assert_eq!(get("/api/v1/tables/shop/uri").await["profile"], "shop");
    assert_eq!(server.wait_for_lines(2).await[0]["path"], "/api/v1/rest/uri");
}

#[tokio::test]
async fn the_schema_of_the_path_counts_whatever_the_profile_says() {
    let server = start().await;
    let url = format!("http://{}/api/v1/tables/shop/uri", server.address);
    let usual = client().get(url).header("accept-profile", "public").send().await.unwrap();
    assert_eq!(usual.json::<Value>().await.unwrap()["profile"], "shop");
}

#[tokio::test]
async fn a_panic_costs_one_request() {
    let server = start().await;
    let connection = client();
    let failed = connection.get(server.url("/panic")).send().await.unwrap();
    assert_eq!(failed.status(), 500);
    let body: Value = failed.json().await.unwrap();
    assert_eq!(body["code"], "FBE500");
    assert!(!body.to_string().contains("canary"), "{body}");
    assert_eq!(connection.get(server.url("/hello")).send().await.unwrap().text().await.unwrap(), "hello");
    assert_eq!(server.metric("http_request_panics_total"), Some(1.0));
    let lines = server.wait_for_lines(2).await;
    assert_eq!((&lines[0]["status"], &lines[0]["level"]), (&json!(500), &json!("error")));
}

#[tokio::test]
async fn server_timing_is_written_when_it_is_on() {
    let server = Setup { adjust: |settings| settings.server_timing = true, ..Setup::default() }.start().await;
    let response = server.get("/timed").await;
    let timing = response.headers()["server-timing"].to_str().unwrap().to_owned();
    assert!(timing.starts_with("jwt;dur=") && timing.ends_with(", plan;dur=1.5"), "{timing}");
    let silent = start().await.get("/timed").await;
    assert!(!silent.headers().contains_key("server-timing"));
}

#[tokio::test]
async fn settings_are_swapped_as_a_whole() {
    let server = start().await;
    let mut changed = Setup::default();
    changed.server.cors.max_age = std::time::Duration::from_secs(7);
    server.app.reload(changed.settings());
    let response = client()
        .request(reqwest::Method::OPTIONS, server.url("/hello"))
        .header("origin", "https://a.example")
        .header("access-control-request-method", "GET")
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["access-control-max-age"], "7");
}

#[tokio::test]
async fn postgrest_mode_passes_credentials_on_and_echoes_its_trace_header() {
    let setup = Setup {
        postgrest: Some(Vec::new()),
        rules: AuthRules::postgrest(Some("anon".to_owned())),
        adjust: |settings| settings.trace_header = Some("x-trace".parse().unwrap()),
        ..Setup::default()
    };
    let server = setup.start().await;
    let response = client()
        .get(server.url("/who"))
        .header("cookie", "a=1; b=2")
        .header("apikey", "whatever")
        .header("x-trace", "t-1")
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["x-trace"], "t-1");
    assert!(!response.headers().contains_key("cache-control"));
    assert!(!response.headers().contains_key("x-frame-options"));
    let who: Value = response.json().await.unwrap();
    assert!(who["headers"].as_str().unwrap().contains("whatever"));
    assert_eq!(who["cookies"], r#"{"a":"1","b":"2"}"#);
}
