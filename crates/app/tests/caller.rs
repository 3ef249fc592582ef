//! Callers of a running server: every call has a deadline, so that a server that hangs fails its test.

use std::time::{Duration, Instant};

use ferrobase_pg::Session;
use ferrobase_testkit::{App, TestDatabase};
use reqwest::{Client, Method};
use serde_json::Value;

/// No answer of a healthy or an ailing server takes so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Somebody who calls one server.
#[derive(Clone)]
pub(crate) struct Caller {
    client: Client,
    base: String,
    bearer: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
    pub(crate) took: Duration,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The error's code.
    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// 503 as it must be: with `Retry-After` and a code.
    pub(crate) fn is_unavailable(&self) -> bool {
        let retry: Option<u64> = self.header("retry-after").parse().ok();
        self.status == 503 && retry.is_some_and(|seconds| seconds >= 1) && !self.code().is_empty()
    }
}

impl Caller {
    /// An anonymous caller of the REST API.
    pub(crate) fn of(app: &App) -> Self {
        Self { client: client(), base: app.url("/rest/v1"), bearer: None }
    }

    /// The same, waiting so long for an answer.
    pub(crate) fn with_patience(app: &App, patience: Duration) -> Self {
        Self { client: client_with(patience), ..Self::of(app) }
    }

    /// The same with this token.
    pub(crate) fn with(&self, token: impl Into<String>) -> Self {
        Self { bearer: Some(token.into()), ..self.clone() }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.bearer {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends it; an answer that never comes or breaks off is an error.
    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
        let started = Instant::now();
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.text().await?;
        Ok(Answer { status, headers, body, took: started.elapsed() })
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await.unwrap()
    }

    /// Calls a function with these arguments.
    pub(crate) async fn call(&self, function: &str, arguments: &Value) -> Answer {
        self.post(&format!("/rpc/{function}"), arguments).await
    }
}

/// A client that keeps connections, follows nothing and gives up.
pub(crate) fn client() -> Client {
    client_with(PATIENCE)
}

fn client_with(patience: Duration) -> Client {
    Client::builder().timeout(patience).redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// `/ready`: status and what is missing.
pub(crate) async fn ready(app: &App) -> (u16, String) {
    let response = client().get(app.admin_url("/ready")).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// Asks until it is so; gives how long that took.
pub(crate) async fn eventually(what: &str, limit: Duration, mut is_so: impl AsyncFnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    started.elapsed()
}

/// The first value of a query.
pub(crate) async fn value(session: &mut Session, sql: &str) -> String {
    let result = session.query(sql, &[]).await.unwrap_or_else(|error| panic!("{error} in {sql}"));
    result.rows.first().and_then(|row| row.text(0)).unwrap_or_default().to_owned()
}

/// Ends every session of the server in this database, and waits until they are gone: a session that is just about to
/// end would cost whoever is given it one request.
pub(crate) async fn terminate_sessions(database: &TestDatabase) {
    let mut direct = database.connect().await;
    let all = "select coalesce(string_agg(pid::text, ','), '0') from pg_stat_activity
               where datname = current_database() and pid <> pg_backend_pid()";
    let pids = value(&mut direct, all).await;
    value(&mut direct, &format!("select count(pg_terminate_backend(pid)) from unnest(array[{pids}]) as pid")).await;
    let left = format!("select count(*) from pg_stat_activity where pid in ({pids})");
    eventually("the sessions are gone", PATIENCE, async || value(&mut direct, &left).await == "0").await;
}

/// A series of `/metrics`, by its name and labels as they are written there.
pub(crate) async fn metric(app: &App, series: &str) -> Option<f64> {
    let page = client().get(app.admin_url("/metrics")).send().await.unwrap().text().await.unwrap();
    page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}
