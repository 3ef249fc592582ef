//! `/debug/top` of the admin port: what the server and its database do now, for `ferrobase top`.
//!
//! Sums since the start; whoever wants rates asks twice. What PostgreSQL waits for is asked at most twice a second,
//! as the owner, and left out where that does not work.
//! Invariant: names of statements come from the catalog, so nothing here shows what callers sent.

use std::num::NonZero;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use ferrobase_edge::metrics::HttpMetrics;
use ferrobase_pg::{Host, PoolStats};
use ferrobase_request::journal::{Statement, Statements};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::advice::{Advice, Facts, advise};
use super::backend::Backend;
use super::numbers::pools;

const ACTIVITY: &str = include_str!("../../sql/activity_list.sql");
/// Most statements that are told.
const STATEMENTS: usize = 200;
/// How old what PostgreSQL said may be.
const FRESH: Duration = Duration::from_millis(500);
/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is told.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Top {
    /// Version of the server.
    pub(crate) version: String,
    /// Seconds since the start, for rates.
    pub(crate) uptime_seconds: f64,
    /// Requests.
    pub(crate) requests: Requests,
    /// Pools of connections.
    pub(crate) pools: Vec<PoolTop>,
    /// Statements, those first that took most time altogether.
    pub(crate) statements: Vec<StatementTop>,
    /// What sessions of the database do; none where the owner could not ask.
    pub(crate) activity: Option<Vec<Activity>>,
    /// What would help, while requests wait for a connection.
    pub(crate) advice: Option<Advice>,
}

/// Requests of the API.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Requests {
    /// Being answered.
    pub(crate) in_flight: u64,
    /// Answered since the start.
    pub(crate) answered: u64,
}

/// A pool.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct PoolTop {
    /// Its name.
    pub(crate) name: String,
    /// Connections that run something.
    pub(crate) active: usize,
    /// Connections that wait for work.
    pub(crate) idle: usize,
    /// Most connections.
    pub(crate) max: usize,
    /// Requests that wait for a connection.
    pub(crate) waiting: usize,
    /// Whether the database can be reached.
    pub(crate) available: bool,
    /// Connections that several reads share now.
    pub(crate) lanes: usize,
    /// Of these, held up by a slow answer.
    pub(crate) lanes_held_up: usize,
    /// Reads that shared a connection, since the start.
    pub(crate) shared: u64,
    /// Of these, reads that left it again.
    pub(crate) moved: u64,
    /// Requests that got no connection, since the start.
    pub(crate) timeouts: u64,
}

/// A statement, since it was first seen.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct StatementTop {
    /// Method, relations and compared columns.
    pub(crate) name: String,
    /// Requests.
    pub(crate) calls: u64,
    /// Of these, failed.
    pub(crate) errors: u64,
    /// Microseconds of all requests, from head to end.
    pub(crate) total_us: u64,
    /// Of these, waiting for a connection.
    pub(crate) wait_us: u64,
    /// Of these, in transactions.
    pub(crate) execute_us: u64,
    /// Bytes of answers.
    pub(crate) bytes: u64,
    /// Rows that were read or written.
    pub(crate) rows: u64,
    /// How long requests took: upper bounds in microseconds and numbers of requests.
    pub(crate) latency: Vec<(u64, u32)>,
}

/// Sessions that do the same.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Activity {
    /// `active`, `idle`, ...; `hidden` where the owner may not know.
    pub(crate) state: String,
    /// Kind of what they wait for.
    pub(crate) wait_type: String,
    /// What they wait for.
    pub(crate) wait_event: String,
    /// How many.
    pub(crate) sessions: u64,
    /// Age of the oldest transaction among them, in seconds.
    pub(crate) oldest_seconds: f64,
}

/// Where everything is found.
pub(super) struct Sources {
    pub(super) backend: Arc<Backend>,
    pub(super) statements: Arc<Statements>,
    pub(super) http: Arc<HttpMetrics>,
    started: Instant,
    asked: Mutex<Option<(Instant, Option<Vec<Activity>>)>>,
}

impl Sources {
    pub(super) fn new(backend: Arc<Backend>, statements: Arc<Statements>, http: Arc<HttpMetrics>) -> Self {
        Self { backend, statements, http, started: Instant::now(), asked: Mutex::default() }
    }
}

/// The route.
pub(super) fn router(sources: Sources) -> Router {
    Router::new().route("/debug/top", get(answer)).with_state(Arc::new(sources))
}

async fn answer(State(sources): State<Arc<Sources>>) -> Response {
    let top = sources.look().await;
    let body = serde_json::to_vec(&top).unwrap_or_default();
    ([(CONTENT_TYPE, "application/json; charset=utf-8")], body).into_response()
}

impl Sources {
    async fn look(&self) -> Top {
        let mut statements: Vec<StatementTop> = self.statements.all().iter().map(|one| statement(one)).collect();
        statements.sort_by_key(|statement| std::cmp::Reverse(statement.total_us));
        statements.truncate(STATEMENTS);
        let pools: Vec<PoolTop> = pools(&self.backend).into_iter().map(pool).collect();
        let activity = self.activity().await;
        let advice = activity.as_ref().zip(pools.first());
        let advice = advice.and_then(|(activity, pool)| advise(&self.facts(&statements, pool, activity)));
        let advice = advice.filter(|_| pools.iter().all(|pool| pool.available));
        Top {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: self.started.elapsed().as_secs_f64(),
            requests: Requests { in_flight: self.http.requests_in_flight(), answered: self.http.requests_answered() },
            pools,
            statements,
            activity,
            advice,
        }
    }

    fn facts(&self, statements: &[StatementTop], pool: &PoolTop, activity: &[Activity]) -> Facts {
        let sessions = |is_such: &dyn Fn(&str) -> bool| {
            let such = activity.iter().filter(|one| one.state == "active" && is_such(&one.wait_type));
            such.map(|one| one.sessions as usize).sum()
        };
        let execute = |only_reads: bool| -> u64 {
            let such = statements.iter().filter(|one| !only_reads || one.name.starts_with("GET "));
            such.map(|one| one.execute_us).sum()
        };
        let target = self.backend.target();
        let is_here = target.pools.owner.connect_options().known_hosts().iter().all(Host::is_this_machine);
        Facts {
            waiting: pool.waiting,
            active: pool.active,
            max: pool.max,
            // What waits for PostgreSQL's own short locks would compute.
            on_cpu: sessions(&|kind| ["", "LWLock"].contains(&kind)),
            on_io: sessions(&|kind| kind == "IO"),
            on_lock: sessions(&|kind| kind == "Lock"),
            elsewhere: sessions(&|kind| !["", "IO", "Lock", "LWLock"].contains(&kind)),
            reads: execute(true) as f64 / execute(false).max(1) as f64,
            has_replicas: target.pools.replicas.as_ref().is_some_and(|replicas| replicas.is_answering()),
            processors: is_here.then(std::thread::available_parallelism).and_then(Result::ok).map(NonZero::get),
        }
    }

    /// What PostgreSQL says, asked by one at a time.
    async fn activity(&self) -> Option<Vec<Activity>> {
        let mut asked = self.asked.lock().await;
        if let Some((when, known)) = &*asked
            && when.elapsed() < FRESH
        {
            return known.clone();
        }
        let now = tokio::time::timeout(PATIENCE, self.ask()).await.ok().flatten();
        *asked = Some((Instant::now(), now.clone()));
        now
    }

    async fn ask(&self) -> Option<Vec<Activity>> {
        let pool = self.backend.target().pools.owner.clone();
        let mut session = pool.session(Instant::now() + PATIENCE).await.ok()?;
        let result = session.query(ACTIVITY, &[]).await.ok()?;
        let activity = |row: ferrobase_pg::Row<'_>| {
            let text = |column| row.text(column).unwrap_or_default().to_owned();
            Activity {
                state: text(0),
                wait_type: text(1),
                wait_event: text(2),
                sessions: text(3).parse().unwrap_or(0),
                oldest_seconds: text(4).parse().unwrap_or(0.0),
            }
        };
        Some(result.rows.iter().map(activity).collect())
    }
}

fn statement(statement: &Statement) -> StatementTop {
    let (total_us, wait_us, execute_us) = statement.micros();
    StatementTop {
        name: statement.name().to_owned(),
        calls: statement.calls(),
        errors: statement.errors(),
        total_us,
        wait_us,
        execute_us,
        bytes: statement.bytes(),
        rows: statement.rows(),
        latency: statement.latencies().counted(),
    }
}

fn pool((name, stats): (&'static str, PoolStats)) -> PoolTop {
    PoolTop {
        name: name.to_owned(),
        active: stats.active,
        idle: stats.idle,
        max: stats.max,
        waiting: stats.waiting,
        available: stats.available,
        lanes: stats.lanes,
        lanes_held_up: stats.lanes_held_up,
        shared: stats.shared,
        moved: stats.moved,
        timeouts: stats.timeouts,
    }
}
