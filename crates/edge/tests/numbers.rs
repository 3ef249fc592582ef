//! Metrics: every name and label relation that the seed's queries and our alert rules rely on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use ferrobase_edge::Lifecycle;
use ferrobase_edge::admin::{self, Admin};
use ferrobase_edge::listener::{Endpoint, Listener};
use ferrobase_edge::metrics::{Metrics, PoolSample, Sample};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::harness::{client, start, user_token};

/// The seed's queries and alert expressions, name by name.
const SEED: [&str; 8] = [
    "http_requests_total",
    "http_request_duration_seconds_bucket",
    "database_connections_active",
    "database_connections_max",
    "websocket_connections_active",
    "process_resident_memory_bytes",
    "node_memory_total_bytes",
    "process_cpu_seconds_total",
];

/// Its queries as they stand.
const QUERIES: [&str; 7] = [
    "rate(http_requests_total[5m])",
    "rate(http_requests_total{status=~\"5..\"}[5m])",
    "histogram_quantile(0.95, rate(http_request_duration_seconds_bucket[5m]))",
    "database_connections_active / database_connections_max",
    "websocket_connections_active",
    "process_resident_memory_bytes / node_memory_total_bytes",
    "rate(process_cpu_seconds_total[5m])",
];

/// Label sets of every series, by name.
fn series(page: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let (series, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        all.entry(name.to_owned()).or_default().insert(labels.to_owned());
    }
    all
}

fn with_pools(metrics: &Metrics) {
    metrics.pools(|| {
        vec![
            PoolSample { pool: "request", active: 2, idle: 3, max: 10, waiting: 0, timeouts: 1 },
            PoolSample { pool: "service", active: 0, idle: 1, max: 5, waiting: 0, timeouts: 0 },
        ]
    });
    metrics.collect(|| vec![Sample::gauge("catalog_relations", "Tables and views that are served", 12.0)]);
    metrics.collect(|| vec![Sample::counter("traces_dropped_total", "Lost", 0.0).label("reason", "queue")]);
}

/// Serves an admin port and gives its address.
async fn expose(metrics: &Metrics) -> std::net::SocketAddr {
    let admin =
        Admin { lifecycle: Lifecycle::default(), readiness: Arc::new(Vec::new), metrics: Some(metrics.clone()) };
    let endpoint = Endpoint::Tcp { host: "127.0.0.1".to_owned(), port: 0, shared: false };
    let listener = Listener::bind(&[endpoint]).await.unwrap();
    let address = listener.addresses()[0];
    tokio::spawn(listener.serve(admin::router(admin), Lifecycle::default()));
    address
}

async fn scrape(metrics: &Metrics, accept: Option<&str>) -> (String, String) {
    let mut request = client().get(format!("http://{}/metrics", expose(metrics).await));
    if let Some(accept) = accept {
        request = request.header("accept", accept);
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let content_type = response.headers()["content-type"].to_str().unwrap().to_owned();
    (content_type, response.text().await.unwrap())
}

#[tokio::test]
async fn every_name_of_the_seed_has_a_series_before_the_first_request() {
    let server = start().await;
    with_pools(&server.metrics);
    let (content_type, page) = scrape(&server.metrics, None).await;
    assert_eq!(content_type, "text/plain; version=0.0.4; charset=utf-8");
    let series = series(&page);
    for name in SEED {
        assert!(series.contains_key(name), "{name} is missing in\n{page}");
    }
    assert!(!page.contains("_total_total"));
    // Divisions give a series only where the labels are equal.
    assert_eq!(series["database_connections_active"], series["database_connections_max"]);
    assert_eq!(series["process_resident_memory_bytes"], series["node_memory_total_bytes"]);
    // `rate(http_requests_total{status=~"5.."}[5m])` must see a zero before it sees a one.
    assert!(series["http_requests_total"].iter().any(|labels| labels.contains("status=\"500\"")));
}

#[tokio::test]
async fn requests_are_counted_by_method_status_and_room() {
    let server = start().await;
    server.get("/hello").await;
    server.get("/hello").await;
    server.get("/panic").await;
    client().get(format!("http://{}/nowhere", server.address)).send().await.unwrap();
    client().request("BREW".parse().unwrap(), server.url("/hello")).send().await.unwrap();
    let count = |method: &str, status: u16, route: &str| {
        server.metric(&format!("http_requests_total{{method=\"{method}\",status=\"{status}\",route=\"{route}\"}}"))
    };
    assert_eq!(count("GET", 200, "/rest/v1"), Some(2.0));
    assert_eq!(count("GET", 500, "/rest/v1"), Some(1.0));
    assert_eq!(count("GET", 404, "none"), Some(1.0));
    assert_eq!(count("OTHER", 405, "/rest/v1"), Some(1.0));
    let observed = "http_request_duration_seconds_count{method=\"GET\",route=\"/rest/v1\"}";
    assert_eq!(server.metric(observed), Some(3.0));
    let bearer = format!("Bearer {}", user_token("u"));
    for _ in 0..3 {
        client().get(server.url("/hello")).header("authorization", &bearer).send().await.unwrap();
    }
    assert_eq!(server.metric("jwt_cache_requests_total"), Some(3.0));
    assert_eq!(server.metric("jwt_cache_hits_total"), Some(2.0));
    assert_eq!(server.metric("log_lines_dropped_total"), Some(0.0));
    assert_eq!(server.metric("websocket_connections_active"), Some(0.0));
    let socket = server.metrics.http().websocket();
    assert_eq!(server.metric("websocket_connections_active"), Some(1.0));
    drop(socket);
    assert_eq!(server.metric("websocket_connections_active"), Some(0.0));
}

#[tokio::test]
async fn modern_scrapers_get_openmetrics() {
    let metrics = Metrics::new();
    with_pools(&metrics);
    let (content_type, page) =
        scrape(&metrics, Some("application/openmetrics-text;version=1.0.0,text/plain;q=0.5")).await;
    assert!(content_type.starts_with("application/openmetrics-text"));
    assert!(page.ends_with("# EOF\n"));
}

fn ops(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../ops").join(file)
}

/// Words of an expression that look like metric names.
fn names_in(expression: &str) -> BTreeSet<String> {
    let without_labels: String = {
        let mut depth = 0;
        expression
            .chars()
            .filter(|c| {
                depth += i32::from(*c == '{') - i32::from(*c == '}');
                depth == 0 && *c != '}'
            })
            .collect()
    };
    without_labels
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))
        .filter(|word| word.contains('_') && !matches!(*word, "histogram_quantile" | "min_over_time" | "max_over_time"))
        .map(str::to_owned)
        .collect()
}

/// What other crates add; the application's tests ask a running server for every expression.
const OF_THE_BINARY: [&str; 3] = ["database_breaker_open", "database_shed_total", "runtime_stalls_total"];

#[tokio::test]
async fn the_alert_rules_that_we_ship_use_names_that_exist() {
    let rules = std::fs::read_to_string(ops("prometheus-rules.yml")).unwrap();
    let server = start().await;
    with_pools(&server.metrics);
    let page = server.metrics.expose(ferrobase_edge::metrics::Exposition::Classic).unwrap();
    let series = series(&page);
    let mut expressions = 0;
    let mut lines = rules.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(expression) = line.trim_start().strip_prefix("expr:") else { continue };
        expressions += 1;
        let mut expression = expression.trim().trim_start_matches('|').to_owned();
        let indent = line.len() - line.trim_start().len();
        while let Some(next) = lines.next_if(|next| next.len() - next.trim_start().len() > indent) {
            expression.push(' ');
            expression.push_str(next.trim());
        }
        let names = names_in(&expression);
        assert!(!names.is_empty(), "{expression}");
        for name in names {
            assert!(
                OF_THE_BINARY.contains(&&*name)
                    || series.contains_key(&name)
                    || rules.contains(&format!("record: {name}")),
                "{name} in {expression}"
            );
        }
    }
    assert!(expressions >= 5, "{expressions}");
}

/// The seed's own queries, asked of a real Prometheus. Runs only where one is installed.
#[tokio::test]
async fn prometheus_finds_a_series_for_every_query_of_the_seed() {
    if Command::new("prometheus").arg("--version").output().is_err() {
        eprintln!("prometheus is not installed: skipped");
        return;
    }
    let server = start().await;
    with_pools(&server.metrics);
    let target = expose(&server.metrics).await;
    let dir = tempfile::tempdir().unwrap();
    let config = format!(
        "global: {{scrape_interval: 500ms}}\n\
         scrape_configs: [{{job_name: ferrobase, static_configs: [{{targets: ['{target}']}}]}}]\n"
    );
    std::fs::write(dir.path().join("prometheus.yml"), config).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut prometheus = Command::new("prometheus")
        .arg(format!("--config.file={}", dir.path().join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut missing = QUERIES.to_vec();
    for _ in 0..60 {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        server.get("/hello").await;
        let mut left = Vec::new();
        for query in missing {
            let encoded = utf8_percent_encode(query, NON_ALPHANUMERIC);
            let answer = client().get(format!("http://127.0.0.1:{port}/api/v1/query?query={encoded}")).send().await;
            let found: serde_json::Value = match answer {
                Ok(answer) => answer.json().await.unwrap_or_default(),
                Err(_) => serde_json::Value::Null,
            };
            if found["data"]["result"].as_array().is_none_or(Vec::is_empty) {
                left.push(query);
            }
        }
        missing = left;
        if missing.is_empty() {
            break;
        }
    }
    prometheus.kill().unwrap();
    prometheus.wait().unwrap();
    assert!(missing.is_empty(), "no series for {missing:?}");
}

/// Runs only where Prometheus' own checker is installed.
#[tokio::test]
async fn promtool_accepts_rules_and_metrics_where_it_is_installed() {
    if Command::new("promtool").arg("--version").output().is_err() {
        eprintln!("promtool is not installed: skipped");
        return;
    }
    for arguments in [
        ["check", "rules", "prometheus-rules.yml"],
        ["test", "rules", "prometheus-rules.test.yml"],
        ["check", "config", "prometheus.yml"],
    ] {
        let output = Command::new("promtool").args(arguments).current_dir(ops("")).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let server = start().await;
    with_pools(&server.metrics);
    let (_, page) = scrape(&server.metrics, None).await;
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
