//! Batches, logins and pools as these tests want them.

pub mod messages;
pub mod server;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ferrobase_pg::{Batch, ConnectOptions, Formats, Mode, Pool, PoolOptions, Reply, Session, Statement};
use ferrobase_testkit::TestDatabase;

/// A login without any power, as requests use, and two roles that it may become. They are cluster-wide and made once.
const ROLES: &str = "
    do $$ begin
        create role fbpg_one nologin;
        create role fbpg_two nologin;
        create role fbpg_login login noinherit password 'geheim';
        grant fbpg_one, fbpg_two to fbpg_login;
    exception when duplicate_object or unique_violation then null; end $$;
    grant usage, create on schema public to fbpg_one, fbpg_two, fbpg_login;
";

/// A database with the roles.
pub async fn database() -> TestDatabase {
    let database = ferrobase_testkit::database().await;
    database.script(ROLES).await;
    database
}

/// Options for the login of requests.
pub fn login(database: &TestDatabase) -> ConnectOptions {
    ConnectOptions::parse(&database.url_as("fbpg_login", "geheim")).unwrap()
}

/// A pool of that login.
pub fn pool(database: &TestDatabase, max_connections: usize) -> Pool {
    Pool::new(login(database), options(max_connections))
}

pub fn options(max_connections: usize) -> PoolOptions {
    PoolOptions { max_connections, cancel_grace: Duration::from_secs(2), ..PoolOptions::default() }
}

/// Statements without parameters in one implicit transaction, as the login itself.
pub fn batch(statements: &[&str]) -> Batch {
    Batch {
        settings: Default::default(),
        statements: statements.iter().map(|sql| statement(sql, &[])).collect(),
        mode: Mode::Implicit,
        scope: "test".into(),
        runs_user_code: false,
        counts_up: false,
        proof: None,
        writes: true,
        shareable: false,
        since: Instant::now(),
        deadline: Instant::now() + Duration::from_secs(20),
    }
}

/// The same after which the session is checked.
pub fn user_batch(statements: &[&str]) -> Batch {
    Batch { runs_user_code: true, ..batch(statements) }
}

pub fn statement(sql: &str, params: &[Option<&str>]) -> Statement {
    Statement {
        sql: Arc::from(sql),
        params: params.iter().map(|p| p.map(|p| Bytes::copy_from_slice(p.as_bytes()))).collect(),
        param_types: Vec::new(),
        formats: Formats::Text,
    }
}

pub trait BatchExt {
    fn with(self, name: &'static str, value: &str) -> Self;
    fn mode(self, mode: Mode) -> Self;
    fn within(self, wait: Duration) -> Self;
}

impl BatchExt for Batch {
    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.settings.set(name, value);
        self
    }

    fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    fn within(mut self, wait: Duration) -> Self {
        self.deadline = Instant::now() + wait;
        self
    }
}

/// The first column of the first row of the last result.
pub fn cell(reply: &Reply) -> Option<&str> {
    reply.results.last()?.rows.first()?.text(0)
}

/// The one value that a query on a session gives.
pub async fn value(session: &mut Session, sql: &str) -> Option<String> {
    session.query(sql, &[]).await.unwrap().rows.first()?.text(0).map(str::to_owned)
}

/// Waits until something holds, for at most ten seconds.
pub async fn eventually<F: AsyncFnMut() -> bool>(what: &str, mut holds: F) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < Duration::from_secs(10), "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
