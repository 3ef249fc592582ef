//! The room that the tests put behind the edge: small handlers that answer, fail, stream and hang on demand.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::RawQuery;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use ferrobase_edge::{AsSent, Caller};
use ferrobase_request::Stage;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, StatusCode, Uri};
use serde_json::json;

/// The room's routes, without a mount.
pub(crate) fn router() -> Router {
    Router::new()
        .route("/hello", get(async || "hello"))
        .route("/who", get(who))
        .route("/uri", get(uri))
        .route("/echo", post(echo))
        .route("/extract", post(async |body: Bytes| body.len().to_string()))
        .route("/mirror", post(async |body: Bytes| body))
        .route("/ignore", post(async || (StatusCode::NOT_FOUND, "no such thing")))
        .route("/panic", get(panics))
        .route("/sleep", get(sleep))
        .route("/rows", get(rows))
        .route("/stream", get(streams))
        .route("/endless", get(endless))
        .route("/broken", get(broken))
        .route("/events", get(events))
        .route("/own", get(own_fields).options(own_fields))
        .route("/timed", get(timed))
        .route("/upgrade", get(upgrade))
}

/// A number from the query: `?120`.
fn number(RawQuery(query): RawQuery) -> u64 {
    query.and_then(|text| text.parse().ok()).unwrap_or(0)
}

async fn who(Caller(context): Caller) -> Response {
    let identity = &context.identity;
    json_answer(&json!({
        "role": identity.role(),
        "user": identity.user_id(),
        "ip": context.client_ip.map(|ip| ip.to_string()),
        "path": &*context.path,
        "method": &*context.method,
        "headers": context.headers.text(),
        "cookies": context.cookies.text(),
        "request_id": &*context.request_id,
        "trace": context.trace.as_ref().map(|trace| trace.parent.clone()),
    }))
}

async fn uri(uri: Uri, headers: HeaderMap, request: axum::extract::Request) -> Response {
    let sent = request.extensions().get::<AsSent>().map(|sent| sent.0.to_string());
    let profile = headers.get("accept-profile").and_then(|value| value.to_str().ok());
    json_answer(&json!({"seen": uri.to_string(), "sent": sent, "profile": profile}))
}

async fn echo(body: Body) -> Response {
    match ferrobase_edge::collect(body).await {
        Ok(bytes) => bytes.len().to_string().into_response(),
        Err(error) => ferrobase_edge::error::response(&error),
    }
}

async fn panics() -> Response {
    panic!("a bug with a canary in it")
}

async fn sleep(query: RawQuery) -> &'static str {
    tokio::time::sleep(Duration::from_millis(number(query))).await;
    "awake"
}

/// A JSON list of about that many bytes, with a row range as the REST API writes it.
async fn rows(query: RawQuery) -> Response {
    let count = number(query) / 40;
    const WORDS: [&str; 12] =
        ["tree", "river", "stone", "cloud", "ferry", "iron", "oxide", "query", "plan", "row", "index", "lock"];
    let mut state = 7_u64;
    let mut word = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        WORDS[(state >> 33) as usize % WORDS.len()]
    };
    let list: Vec<_> = (0..count).map(|id| json!({"id": id, "name": format!("{} {}", word(), word())})).collect();
    let mut response = json_answer(&json!(list));
    response.headers_mut().insert("content-range", format!("0-{}/*", count.max(1) - 1).parse().unwrap());
    response
}

fn chunk(text: &str) -> Result<Bytes, Infallible> {
    Ok(Bytes::from(text.to_owned()))
}

/// Five chunks, that many milliseconds apart.
async fn streams(query: RawQuery) -> Response {
    let pause = Duration::from_millis(number(query));
    let chunks = stream::iter(0..5).then(move |index| async move {
        tokio::time::sleep(pause).await;
        chunk(&format!("chunk {index}\n"))
    });
    Body::from_stream(chunks).into_response()
}

/// Data as fast as it is taken, for ever.
async fn endless() -> Response {
    let block = Bytes::from(vec![b'x'; 64 * 1024]);
    Body::from_stream(stream::repeat(block).map(Ok::<_, Infallible>)).into_response()
}

async fn broken() -> Response {
    let chunks = stream::iter([Ok(Bytes::from("half an ans")), Err(std::io::Error::other("the database left"))]);
    Body::from_stream(chunks).into_response()
}

async fn events() -> Response {
    let text = "data: x\n\n".repeat(1000);
    ([("content-type", "text/event-stream")], text).into_response()
}

async fn own_fields() -> Response {
    ([("access-control-allow-origin", "https://own.example"), ("cache-control", "public, max-age=5")], "own")
        .into_response()
}

async fn timed(Caller(context): Caller) -> &'static str {
    context.journal.note(Stage::Plan, Instant::now(), Duration::from_micros(1500));
    "timed"
}

/// Switches to a protocol that repeats what it hears.
async fn upgrade(request: axum::extract::Request) -> Response {
    tokio::spawn(async move {
        let upgraded = hyper::upgrade::on(request).await.unwrap();
        let (mut read, mut write) = tokio::io::split(hyper_util::rt::TokioIo::new(upgraded));
        let _ = tokio::io::copy(&mut read, &mut write).await;
    });
    (StatusCode::SWITCHING_PROTOCOLS, [("connection", "upgrade"), ("upgrade", "echo")]).into_response()
}

fn json_answer(value: &serde_json::Value) -> Response {
    ([("content-type", "application/json; charset=utf-8")], value.to_string()).into_response()
}
