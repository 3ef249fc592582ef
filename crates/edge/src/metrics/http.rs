//! Requests: how many, how long, and what went wrong at the edge.
//!
//! Counted once, when a request is over, by the same report that writes its log line. A room is one `route`: paths
//! inside it hold table names and keys, which would make a series each.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ferrobase_request::journal::{Stage, Times};
use http::Method;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::durations::Durations;
use crate::rate_limit::Tier;

/// The route of requests that no room took.
pub(crate) const UNROUTED: &str = "none";

/// From half a millisecond, which a cached answer takes, to the default request timeout.
const BUCKETS: [f64; 15] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Stages begin at some microseconds.
const STAGE_BUCKETS: [f64; 11] = [0.00001, 0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 1.0, 10.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    status: u16,
    route: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DurationLabels {
    method: &'static str,
    route: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabels {
    stage: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TierLabels {
    tier: &'static str,
}

/// The series of one route, found again without locking and hashing their labels at every request.
#[derive(Debug)]
pub(crate) struct RouteCounts {
    route: Arc<str>,
    /// By method and frequent status.
    requests: [[OnceLock<Counter>; FREQUENT.len()]; METHODS.len()],
    /// By method.
    durations: [OnceLock<Durations>; METHODS.len()],
}

impl RouteCounts {
    pub(crate) fn new(route: &str) -> Self {
        Self { route: route.into(), requests: Default::default(), durations: Default::default() }
    }

    /// What metrics call it.
    pub(crate) fn route(&self) -> &Arc<str> {
        &self.route
    }
}

/// Counters that the edge keeps.
#[derive(Debug)]
pub struct HttpMetrics {
    requests: Family<RequestLabels, Counter>,
    durations: Family<DurationLabels, Durations, fn() -> Durations>,
    /// In the order of `Stage::ALL`.
    stages: [Durations; Stage::ALL.len()],
    in_flight: Gauge,
    /// All requests, whatever their labels.
    answered: AtomicU64,
    slow_queries: Counter,
    rate_limited: Family<TierLabels, Counter>,
    panics: Counter,
    connections: Gauge,
    refused: Counter,
    websockets: Gauge<i64, AtomicI64>,
}

fn durations() -> Durations {
    Durations::new(&BUCKETS)
}

impl HttpMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let stages: Family<StageLabels, Durations, fn() -> Durations> =
            Family::new_with_constructor(|| Durations::new(&STAGE_BUCKETS));
        let metrics = Self {
            stages: Stage::ALL.map(|stage| stages.get_or_create_owned(&StageLabels { stage: stage.name() })),
            in_flight: Gauge::default(),
            answered: AtomicU64::new(0),
            slow_queries: Counter::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(durations),
            rate_limited: Family::default(),
            panics: Counter::default(),
            connections: Gauge::default(),
            refused: Counter::default(),
            websockets: Gauge::default(),
        };
        // The library appends `_total` to counters.
        registry.register("http_requests", "Requests by method, status and room", metrics.requests.clone());
        registry.register(
            "http_request_duration_seconds",
            "Time from a request's head to the end of its answer",
            metrics.durations.clone(),
        );
        registry.register("request_stage_duration_seconds", "Time that a stage of a request took", stages);
        registry.register("http_requests_in_flight", "Requests that are being answered", metrics.in_flight.clone());
        registry.register(
            "database_slow_queries",
            "Requests whose transaction took longer than observability.slow_query",
            metrics.slow_queries.clone(),
        );
        registry.register("http_requests_rate_limited", "Requests over their quota", metrics.rate_limited.clone());
        registry.register("http_request_panics", "Requests that met a bug", metrics.panics.clone());
        registry.register("http_connections_active", "Open connections", metrics.connections.clone());
        registry.register("http_connections_refused", "Connections over the bound", metrics.refused.clone());
        registry.register("websocket_connections_active", "Open WebSocket connections", metrics.websockets.clone());
        for tier in Tier::ALL {
            let _ = metrics.rate_limited.get_or_create(&TierLabels { tier: tier.name() });
        }
        metrics
    }

    /// Makes the series that queries expect exist before the first request: a rate over a series that is not there is
    /// no answer, and an alert on errors must see a zero before it sees a one.
    pub(crate) fn prepare(&self, counts: &RouteCounts) {
        for status in [200, 500, 503, 504] {
            let _ = self.counter(counts, "GET", status);
        }
        let _ = self.histogram(counts, "GET");
    }

    pub(crate) fn completed(&self, counts: &RouteCounts, method: &Method, status: u16, took: Duration) {
        self.answered.fetch_add(1, Relaxed);
        let index = index_of(method);
        let name = METHODS[index];
        let status_index = FREQUENT.iter().position(|frequent| *frequent == status);
        match status_index.map(|status_index| &counts.requests[index][status_index]) {
            Some(counter) => counter.get_or_init(|| self.counter(counts, name, status)).inc(),
            None => self.counter(counts, name, status).inc(),
        };
        counts.durations[index].get_or_init(|| self.histogram(counts, name)).observe(took);
    }

    fn counter(&self, counts: &RouteCounts, method: &'static str, status: u16) -> Counter {
        self.requests.get_or_create_owned(&RequestLabels { method, status, route: Arc::clone(&counts.route) })
    }

    fn histogram(&self, counts: &RouteCounts, method: &'static str) -> Durations {
        self.durations.get_or_create_owned(&DurationLabels { method, route: Arc::clone(&counts.route) })
    }

    pub(crate) fn staged(&self, times: &Times) {
        for (stage, took) in times.iter() {
            self.stages[stage as usize].observe(took);
        }
    }

    pub(crate) fn slow_query(&self) {
        self.slow_queries.inc();
    }

    /// Counts a request that is being answered until the guard is dropped.
    pub(crate) fn in_flight(&self) -> Counted {
        Counted::new(&self.in_flight)
    }

    /// Requests that are being answered now.
    pub fn requests_in_flight(&self) -> u64 {
        u64::try_from(self.in_flight.get()).unwrap_or(0)
    }

    /// Requests that were answered since the start.
    pub fn requests_answered(&self) -> u64 {
        self.answered.load(Relaxed)
    }

    pub(crate) fn rate_limited(&self, tier: Tier) {
        self.rate_limited.get_or_create(&TierLabels { tier: tier.name() }).inc();
    }

    pub(crate) fn panicked(&self) {
        self.panics.inc();
    }

    pub(crate) fn connection_refused(&self) {
        self.refused.inc();
    }

    /// Counts an open connection until the guard is dropped.
    pub(crate) fn connection(&self) -> Counted {
        Counted::new(&self.connections)
    }

    /// Counts an open WebSocket until the guard is dropped; for the rooms that have them.
    pub fn websocket(&self) -> Counted {
        Counted::new(&self.websockets)
    }
}

/// One unit of a gauge, given back when dropped.
#[derive(Debug)]
pub struct Counted(Gauge);

impl Counted {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// What methods are called that callers invent.
pub(crate) const OTHER: &str = "OTHER";
/// All names of methods; the last is for the others.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", OTHER];
/// Statuses that requests have often.
const FREQUENT: [u16; 12] = [200, 201, 204, 206, 304, 400, 401, 403, 404, 409, 500, 503];

/// Methods that are counted by name; callers can invent others.
pub(crate) fn known(method: &Method) -> &'static str {
    METHODS[index_of(method)]
}

fn index_of(method: &Method) -> usize {
    METHODS.iter().position(|name| *name == method.as_str()).unwrap_or(METHODS.len() - 1)
}
