//! Every expression of `ops/`, asked of Debian's Prometheus while it scrapes the running binary.
//!
//! An alert that does not fire has no series, so its expression is asked without the comparison at its end; what is
//! compared with an hour ago is compared with now. `scripts/install-tools test` puts `prometheus` and `promtool` in place.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ferrobase_testkit::{App, token};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::caller::{Caller, client};
use crate::support::{self, ANN};

fn ops(file: &str) -> PathBuf {
    support::root().join("ops").join(file)
}

/// Debian's Prometheus on a free port, scraping one server.
struct Prometheus {
    child: Child,
    url: String,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    fn start(app: &App) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let target = app.admin_url("").replace("http://", "");
        let config = std::fs::read_to_string(ops("prometheus.yml")).unwrap();
        let config = config
            .replace("127.0.0.1:9090", &target)
            .replace("15s", "500ms")
            .replace("prometheus-rules.yml", ops("prometheus-rules.yml").to_str().unwrap());
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, config).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus is not installed: run `scripts/install-tools test`");
        Self { child, url: format!("http://127.0.0.1:{port}"), _folder: folder }
    }

    /// The series that an expression gives, or why it gives none.
    async fn query(&self, expression: &str) -> Result<usize, String> {
        let query = utf8_percent_encode(expression, NON_ALPHANUMERIC);
        let url = format!("{}/api/v1/query?query={query}", self.url);
        let answer = client().get(url).send().await.map_err(|error| error.to_string())?;
        let answer: Value = answer.json().await.map_err(|error| error.to_string())?;
        match answer["data"]["result"].as_array() {
            Some(series) => Ok(series.len()),
            None => Err(answer["error"].to_string()),
        }
    }

    async fn rules(&self) -> Value {
        client().get(format!("{}/api/v1/rules", self.url)).send().await.unwrap().json().await.unwrap()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything under a key, wherever it is.
fn all(value: &Value, key: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get(key).and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|field| all(field, key, found));
        }
        Value::Array(items) => items.iter().for_each(|item| all(item, key, found)),
        _ => {}
    }
}

/// The queries of the dashboard, with its variables as they are when one opens it.
fn dashboard() -> Vec<String> {
    let text = std::fs::read_to_string(ops("grafana-dashboard.json")).unwrap();
    let mut expressions = Vec::new();
    all(&serde_json::from_str(&text).unwrap(), "expr", &mut expressions);
    let filled = |text: String| {
        text.replace("$__rate_interval", "1m").replace("\"$job\"", "\"ferrobase\"").replace("\"$instance\"", "\".+\"")
    };
    expressions.into_iter().map(filled).collect()
}

/// The expressions of the rules in force, made to have series.
fn rules(told: &Value) -> Vec<String> {
    let mut expressions = Vec::new();
    all(told, "query", &mut expressions);
    let open = |text: String| {
        let text = text.replace(" offset 1h", "");
        match text.rsplit_once(" > ") {
            Some((compared, bound)) if bound.trim().parse::<f64>().is_ok() => compared.to_owned(),
            _ => text,
        }
    };
    expressions.into_iter().map(open).collect()
}

#[tokio::test]
async fn every_expression_of_dashboard_and_rules_has_a_series() {
    let database = support::library().await;
    let app = support::serve(&database).start().await.unwrap();
    let prometheus = Prometheus::start(&app);
    let (caller, user) = (Caller::of(&app), Caller::of(&app).with(token::of_user(ANN)));
    let mut left = dashboard();
    assert!(left.len() > 30, "{left:?}");
    let mut has_rules = false;
    for _ in 0..90 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(caller.get("/books?select=title,authors!author_id(name)").await.status, 200);
        assert_eq!(user.get("/tags").await.status, 200);
        if prometheus.query("up").await.is_err() {
            continue;
        }
        if !has_rules {
            let rules = rules(&prometheus.rules().await);
            assert!(rules.len() >= 15, "{rules:?}");
            left.extend(rules);
            has_rules = true;
        }
        let mut without = Vec::new();
        for expression in left {
            match prometheus.query(&expression).await {
                Ok(series) if series > 0 => {}
                Ok(_) => without.push(expression),
                Err(error) => panic!("{expression}: {error}"),
            }
        }
        left = without;
        if left.is_empty() {
            break;
        }
    }
    assert!(has_rules && left.is_empty(), "no series for {left:#?}");
    // Nothing fires on a server that is well.
    let firing = prometheus.query("ALERTS{alertstate=\"firing\"}").await;
    assert_eq!(firing, Ok(0), "{:#}", prometheus.rules().await);
}

#[tokio::test]
async fn promtool_accepts_rules_configuration_and_what_a_server_tells() {
    let database = support::library().await;
    let app = support::serve(&database).start().await.unwrap();
    assert_eq!(Caller::of(&app).get("/tags").await.status, 200);
    let run = |arguments: &[&str], input: &Path| {
        let mut command = Command::new("promtool");
        command.args(arguments).current_dir(ops("")).stdin(std::fs::File::open(input).unwrap());
        let output = command.output().expect("promtool is not installed: run `scripts/install-tools test`");
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&said));
    };
    let nothing = Path::new("/dev/null");
    run(&["check", "rules", "prometheus-rules.yml"], nothing);
    run(&["test", "rules", "prometheus-rules.test.yml"], nothing);
    run(&["check", "config", "prometheus.yml"], nothing);
    let page = client().get(app.admin_url("/metrics")).send().await.unwrap().text().await.unwrap();
    let file = app.folder().join("metrics");
    std::fs::write(&file, page).unwrap();
    run(&["check", "metrics"], &file);
}

#[test]
fn the_dashboard_is_one_that_grafana_takes() {
    let text = std::fs::read_to_string(ops("grafana-dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(dashboard["uid"], json!("ferrobase"));
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids: Vec<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), panels.len(), "ids are unique");
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert!(panel["targets"].as_array().is_some_and(|targets| !targets.is_empty()), "{panel}");
        assert!(panel["description"].as_str().is_some_and(|text| !text.is_empty()), "{panel}");
        assert_eq!(panel["datasource"]["uid"], "${datasource}");
    }
}
