//! What Prometheus reads: requests, connections, pools, the process.
//!
//! One registry a server, no global. The edge counts requests itself (`http`); whatever else is worth a number is
//! registered as a closure by the room or crate that knows it and read at scrape time. Names are those of the seed's
//! queries and alert rules, to the letter: a dashboard made for it works.
//! Invariant: labels come from closed sets (methods, statuses, mounts, pools), never from what a caller sent.

mod durations;
mod exposition;
mod http;
mod process;
mod sample;
mod shared_limits;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use prometheus_client::registry::Registry;

use crate::log::Sink;

pub use exposition::Exposition;
pub use http::HttpMetrics;
pub use sample::{Sample, SampleKind};
pub use shared_limits::SharedLimitMetrics;

pub(crate) use http::{Counted, OTHER, RouteCounts, UNROUTED, known};

/// Requests, process and registered closures of one server. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<RwLock<Registry>>,
    http: Arc<HttpMetrics>,
}

/// Connections of one pool, for the `database_connections_*` family.
#[derive(Clone, Debug, Default)]
pub struct PoolSample {
    /// Which pool: `request`, `service`, `owner`.
    pub pool: &'static str,
    /// Connections that run something now.
    pub active: u64,
    /// Connections that wait for work.
    pub idle: u64,
    /// Most connections that the pool may open.
    pub max: u64,
    /// Requests that wait for a connection.
    pub waiting: u64,
    /// Requests that waited in vain since the start.
    pub timeouts: u64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// A registry with requests and process metrics.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let http = Arc::new(HttpMetrics::register(&mut registry));
        registry.register_collector(Box::new(process::Process::new()));
        Self { registry: Arc::new(RwLock::new(registry)), http }
    }

    /// The counters of requests, for the app.
    pub fn http(&self) -> Arc<HttpMetrics> {
        Arc::clone(&self.http)
    }

    /// Adds the counters of limits that are shared with other nodes.
    pub(crate) fn shared_limits(&self) -> Arc<SharedLimitMetrics> {
        let mut registry = self.registry.write().unwrap_or_else(PoisonError::into_inner);
        Arc::new(SharedLimitMetrics::register(&mut registry))
    }

    /// Adds a closure that is asked at every scrape. Samples of one name must come together, with one kind.
    pub fn collect(&self, read: impl Fn() -> Vec<Sample> + Send + Sync + 'static) {
        let mut registry = self.registry.write().unwrap_or_else(PoisonError::into_inner);
        registry.register_collector(Box::new(sample::Closure::new(read)));
    }

    /// Adds the `database_connections_*` family, read from the pools at every scrape. Its members have equal labels,
    /// so that dividing one by another gives a series.
    pub fn pools(&self, read: impl Fn() -> Vec<PoolSample> + Send + Sync + 'static) {
        self.collect(move || pool_samples(&read()));
    }

    /// Adds the count of log lines that could not be written.
    pub fn log(&self, sink: Arc<Sink>) {
        let help = "Log lines that could not be written";
        self.collect(move || vec![Sample::counter("log_lines_dropped_total", help, sink.dropped() as f64)]);
    }

    /// The state of everything, as text for a scraper.
    pub fn expose(&self, form: Exposition) -> Result<String, fmt::Error> {
        let registry = self.registry.read().unwrap_or_else(PoisonError::into_inner);
        exposition::encode(&registry, form)
    }
}

fn pool_samples(pools: &[PoolSample]) -> Vec<Sample> {
    type Read = fn(&PoolSample) -> u64;
    let gauges: [(&'static str, &'static str, Read); 4] = [
        ("database_connections_active", "Connections that run something", |pool| pool.active),
        ("database_connections_idle", "Open connections without work", |pool| pool.idle),
        ("database_connections_max", "Most connections that the pool may open", |pool| pool.max),
        ("database_connections_waiting", "Requests that wait for a connection", |pool| pool.waiting),
    ];
    let mut samples = Vec::with_capacity(pools.len() * 5);
    for (name, help, read) in gauges {
        samples.extend(pools.iter().map(|pool| Sample::gauge(name, help, read(pool) as f64).label("pool", pool.pool)));
    }
    let name = "database_connection_timeouts_total";
    let help = "Requests that got no connection in time";
    samples.extend(pools.iter().map(|pool| Sample::counter(name, help, pool.timeouts as f64).label("pool", pool.pool)));
    samples
}
