//! Traces as a collector gets them: relations, names, sampling, and what a bad collector costs (nothing).

use std::time::{Duration, Instant};

use ferrobase_testkit::app::AppBuilder;
use ferrobase_testkit::{App, TestDatabase, token};
use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::{Value, json};

use super::collector::{Behaviour, Collector};
use crate::caller::{Caller, PATIENCE, client, eventually, metric};
use crate::support::{self, ANN};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

/// A server that sends its traces there.
fn traced(database: &TestDatabase, collector: &Collector) -> AppBuilder {
    support::serve(database)
        .env("FERROBASE_OBSERVABILITY__TRACING__ENABLED", "true")
        .env("FERROBASE_OBSERVABILITY__TRACING__ENDPOINT", collector.url())
        .env("FERROBASE_OBSERVABILITY__TRACING__SERVICE_NAME", "shop")
}

/// Ends a server; what waits is sent before.
async fn end(app: &mut App) -> Duration {
    let began = Instant::now();
    app.signal(Signal::SIGTERM);
    assert!(app.wait(PATIENCE).await.unwrap().success(), "{}", app.log());
    began.elapsed()
}

fn of_requests(spans: &[Value]) -> Vec<&Value> {
    spans.iter().filter(|span| span["kind"] == 2).collect()
}

#[tokio::test]
async fn spans_are_children_of_the_request_and_the_request_of_its_caller() {
    let (database, collector) = (support::library().await, Collector::start(Behaviour::Takes).await);
    let app = traced(&database, &collector).env("FERROBASE_OBSERVABILITY__TRACING__AUTHORIZATION", "Bearer of-ours");
    let mut app = app.start().await.unwrap();
    let caller = Caller::of(&app).with(token::of_user(ANN));
    let path = "/books?select=title,authors!author_id(name)&title=eq.canary-value&apikey=canary-key";
    let request = caller.request(Method::GET, path).header("traceparent", format!("00-{TRACE}-{SPAN}-01"));
    let answer = caller.send(request.header("tracestate", "vendor=1").header("x-request-id", "mine")).await.unwrap();
    assert_eq!(answer.status, 400, "apikey is no column here: {}", answer.body);
    let path = "/books?select=title,authors!author_id(name)&title=eq.canary-value";
    let request = caller.request(Method::GET, path).header("traceparent", format!("00-{TRACE}-{SPAN}-01"));
    let answer = caller.send(request.header("tracestate", "vendor=1").header("x-request-id", "mine")).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    end(&mut app).await;

    let spans = collector.spans().await;
    assert!(spans.iter().all(|span| span["trace"] == TRACE && span["state"] == "vendor=1" && span["flags"] == 1));
    let roots = of_requests(&spans);
    let root = *roots.iter().find(|span| span["attributes"]["http.response.status_code"] == 200).unwrap();
    assert_eq!((&root["parent"], &root["name"], &root["status"]), (&json!(SPAN), &json!("GET /rest/v1"), &json!(0)));
    let expected = json!({
        "http.request.method": "GET", "http.route": "/rest/v1", "url.path": "/rest/v1/books",
        "http.response.status_code": 200, "ferrobase.request_id": "mine", "ferrobase.role": "authenticated",
    });
    assert_eq!(root["attributes"], expected);
    assert_eq!((&root["resource"]["service.name"], &root["scope"]), (&json!("shop"), &json!("ferrobase")));

    let steps: Vec<&Value> = spans.iter().filter(|span| span["parent"] == root["id"]).collect();
    let names: Vec<&str> = steps.iter().map(|span| span["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["jwt", "parse", "query", "plan", "wait", "execute", "render"], "in the order of their ends");
    let within = |span: &Value, outer: &Value| {
        let at = |span: &Value, key: &str| span[key].as_u64().unwrap();
        let slack = 1000;
        at(span, "start") + slack >= at(outer, "start") && at(span, "end") <= at(outer, "end") + slack
    };
    assert!(steps.iter().all(|span| within(span, root)), "{spans:#?}");
    let execute = steps.iter().find(|span| span["name"] == "execute").unwrap();
    let expected = json!({"db.system.name": "postgresql", "db.query.summary": "GET books(authors) by title"});
    assert_eq!((&execute["attributes"], &execute["kind"]), (&expected, &json!(3)));

    let (path, fields, _) = collector.messages().remove(0);
    assert_eq!((path.as_str(), &fields["content-type"]), ("/v1/traces", &"application/x-protobuf".parse().unwrap()));
    assert_eq!(fields["authorization"], "Bearer of-ours");
    let sent = String::from_utf8_lossy(&collector.bytes()).into_owned();
    assert!(!sent.contains("canary") && !sent.contains(ANN), "values stay here");
    assert!(app.log().contains(&format!("\"trace_id\":\"{TRACE}\"")), "{}", app.log());
}

#[tokio::test]
async fn a_tenth_of_the_requests_is_traced_and_all_of_it_arrives_before_the_end() {
    let (database, collector) = (support::library().await, Collector::start(Behaviour::Takes).await);
    let app = traced(&database, &collector).env("FERROBASE_OBSERVABILITY__TRACING__SAMPLE_RATE", "0.1");
    let mut app = app.start().await.unwrap();
    let caller = Caller::of(&app);
    for _ in 0..1000 {
        assert_eq!(caller.get("/nothing/at/all").await.status, 404);
    }
    // Who is not traced upstream is not traced here.
    for _ in 0..50 {
        let request = caller.request(Method::GET, "/tags").header("traceparent", format!("00-{TRACE}-{SPAN}-00"));
        assert_eq!(caller.send(request).await.unwrap().status, 200);
    }
    end(&mut app).await;
    let spans = collector.spans().await;
    let roots = of_requests(&spans);
    assert!((98..=102).contains(&roots.len()), "{} of 1,000", roots.len());
    assert!(roots.iter().all(|span| span["parent"] == "" && span["trace"] != TRACE && span["flags"] == 3));
    let mut traces: Vec<&str> = roots.iter().map(|span| span["trace"].as_str().unwrap()).collect();
    traces.sort_unstable();
    traces.dedup();
    assert_eq!(traces.len(), roots.len(), "each begins a trace of its own");
}

#[tokio::test]
async fn a_collector_that_hangs_costs_traces_and_nothing_else() {
    let (database, collector) = (support::library().await, Collector::start(Behaviour::Hangs).await);
    let mut app = traced(&database, &collector).start().await.unwrap();
    let caller = Caller::of(&app);
    assert_eq!(caller.get("/tags").await.status, 200);
    eventually("the collector holds a message", PATIENCE, async || collector.refused() > 0).await;
    // More than wait and are under way together.
    let url = app.url("/nowhere");
    let callers = (0..8).map(|_| {
        let (client, url) = (client(), url.clone());
        tokio::spawn(async move {
            for _ in 0..320 {
                assert_eq!(client.get(&url).send().await.unwrap().status(), 404);
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    assert!(metric(&app, "traces_dropped_total{reason=\"queue\"}").await.unwrap() >= 1.0);
    let answer = caller.get("/tags").await;
    assert!(answer.status == 200 && answer.took < Duration::from_secs(1), "{:?}", answer.took);
    assert!(end(&mut app).await < Duration::from_secs(10), "the last words are bounded");
}

#[tokio::test]
async fn what_a_collector_cannot_take_now_is_sent_again_and_what_it_will_not_take_is_counted() {
    let (database, collector) = (support::library().await, Collector::start(Behaviour::Refuses(503)).await);
    let mut app = traced(&database, &collector).start().await.unwrap();
    let caller = Caller::of(&app);
    assert_eq!(caller.get("/tags").await.status, 200);
    eventually("the message was refused", PATIENCE, async || collector.refused() > 0).await;
    collector.behave(Behaviour::Takes);
    eventually("it came again", PATIENCE, async || metric(&app, "traces_sent_total").await == Some(1.0)).await;
    collector.behave(Behaviour::Refuses(400));
    assert_eq!(caller.get("/tags").await.status, 200);
    let refused = "traces_dropped_total{reason=\"collector\"}";
    eventually("it is given up", PATIENCE, async || metric(&app, refused).await == Some(1.0)).await;
    assert!(app.log().contains("traces could not be sent") && app.log().contains("status 400"), "{}", app.log());
    end(&mut app).await;
}

#[tokio::test]
async fn tracing_begins_with_a_reload() {
    let (database, collector) = (support::library().await, Collector::start(Behaviour::Takes).await);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ferrobase.yaml");
    let write = |enabled: bool| {
        let text = format!(
            "observability:\n  tracing:\n    enabled: {enabled}\n    endpoint: {}\n    sample_rate: 100%\n",
            collector.url()
        );
        std::fs::write(&file, text).unwrap();
    };
    write(false);
    let mut app = support::serve(&database).arg("--config").arg(file.display().to_string()).start().await.unwrap();
    let caller = Caller::of(&app);
    assert_eq!(caller.get("/tags").await.status, 200);
    write(true);
    app.signal(Signal::SIGHUP);
    eventually("the new configuration is in force", PATIENCE, async || {
        caller.get("/tags").await;
        !collector.messages().is_empty()
    })
    .await;
    end(&mut app).await;
}
