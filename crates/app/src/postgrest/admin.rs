//! PostgREST's second port: `/live`, `/ready`, `/metrics`, `/schema_cache`, with that server's statuses and names.
//!
//! `/live` is 200 while the API listens (a Unix socket also while its file is there), else 500. `/ready` is 200 when it also has a schema cache that the last load
//! gave and a connection to the database, 503 while a load failed and is tried again, or the database is away.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use ferrobase_catalog::{CatalogHandle, ReloadState};
use ferrobase_edge::metrics::{Exposition, Metrics, Sample};
use ferrobase_pg::{Error, Pool};
use ferrobase_request::Registry;
use http::{StatusCode, header};
use tokio::sync::watch;

/// Longest wait of `/ready` for a connection.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the port shows.
#[derive(Clone)]
pub(super) struct Admin {
    /// The API accepts connections.
    pub(super) is_listening: Arc<AtomicBool>,
    /// Its Unix socket, where it has one: a file that somebody removed is reached by nobody.
    pub(super) socket: Option<PathBuf>,
    /// How loading goes.
    pub(super) loading: watch::Receiver<ReloadState>,
    /// The schema cache.
    pub(super) catalog: CatalogHandle,
    /// The connections of requests.
    pub(super) pool: Pool,
    /// The numbers.
    pub(super) metrics: Metrics,
}

/// The routes.
pub(super) fn router(admin: Admin) -> Router {
    Router::new()
        .route("/live", get(live))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/schema_cache", get(schema_cache))
        .with_state(admin)
}

impl Admin {
    fn is_live(&self) -> bool {
        self.is_listening.load(Ordering::Relaxed) && self.socket.as_ref().is_none_or(|path| path.exists())
    }

    /// Whether a request would get a connection. Asked of the pool, because one that nobody used since the database went
    /// does not know of it yet; that others have all of its connections is no outage.
    async fn reaches_database(&self) -> bool {
        if !self.pool.stats().available {
            return false;
        }
        match self.pool.session(Instant::now() + PATIENCE).await {
            Ok(_) => true,
            Err(Error::Saturated { .. } | Error::AcquireTimeout(_)) => {
                let stats = self.pool.stats();
                stats.available && stats.size > stats.opening
            }
            Err(_) => false,
        }
    }
}

async fn live(State(admin): State<Admin>) -> StatusCode {
    if admin.is_live() { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR }
}

async fn ready(State(admin): State<Admin>) -> StatusCode {
    let state = admin.loading.borrow().clone();
    match (admin.is_live(), state.last_error, state.generation) {
        (_, Some(_), _) => StatusCode::SERVICE_UNAVAILABLE,
        (true, None, 1..) if !admin.reaches_database().await => StatusCode::SERVICE_UNAVAILABLE,
        (true, None, 1..) => StatusCode::OK,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

async fn schema_cache(State(admin): State<Admin>) -> Response {
    let body = admin.catalog.get().map(|catalog| catalog.describe().to_string()).unwrap_or_default();
    ([(header::CONTENT_TYPE, "application/json; charset=utf-8")], body).into_response()
}

async fn metrics(State(admin): State<Admin>) -> Response {
    match admin.metrics.expose(Exposition::for_accept(None)) {
        Ok(page) => ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], page).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Adds PostgREST's numbers to the registry.
pub(super) fn register(metrics: &Metrics, pool: &Pool, loading: watch::Receiver<ReloadState>, registry: Arc<Registry>) {
    let pool = pool.clone();
    metrics.collect(move || {
        let stats = pool.stats();
        vec![
            Sample::counter(
                "pgrst_db_pool_timeouts_total",
                "Waits for a connection that were too long",
                stats.timeouts as f64,
            ),
            Sample::gauge("pgrst_db_pool_available", "Connections that are open and idle", stats.idle as f64),
            Sample::gauge("pgrst_db_pool_waiting", "Requests that wait for a connection", stats.waiting as f64),
            Sample::gauge("pgrst_db_pool_max", "Most connections of the pool", stats.max as f64),
        ]
    });
    metrics.collect(move || {
        let state = loading.borrow().clone();
        let (loads, help) = ("pgrst_schema_cache_loads_total", "Loads of the schema cache");
        let seconds = state.duration.unwrap_or_default().as_secs_f64();
        vec![
            Sample::counter(loads, help, state.loads as f64).label("status", "SUCCESS"),
            Sample::counter(loads, help, state.failures as f64).label("status", "FAIL"),
            Sample::gauge(
                "pgrst_schema_cache_query_time_seconds",
                "Time of the last load of the schema cache",
                seconds,
            ),
        ]
    });
    metrics.collect(move || {
        let stats = registry.default_target().authority.cache.stats();
        vec![
            Sample::counter("pgrst_jwt_cache_requests_total", "Look-ups of verified tokens", stats.requests as f64),
            Sample::counter("pgrst_jwt_cache_hits_total", "Look-ups that found one", stats.hits as f64),
            Sample::counter(
                "pgrst_jwt_cache_evictions_total",
                "Tokens that made room for others",
                stats.evictions as f64,
            ),
        ]
    });
}
