//! What only this composition knows and Prometheus should: pools, what happened to their connections, the catalog.
//!
//! Read at scrape time from whoever counts. The meaning of each number: `ferrobase_pg::PoolStats`.

use std::sync::Arc;

use ferrobase_edge::metrics::{Metrics, PoolSample, Sample};
use ferrobase_pg::PoolStats;
use ferrobase_pg::servers::Standing;

use super::backend::Backend;
use super::traces::Traces;

/// A counter of a pool: name, help, where it is.
type Counter = (&'static str, &'static str, fn(&PoolStats) -> u64);

const COUNTERS: [Counter; 15] = [
    ("database_connects_total", "Connections that were opened", |stats| stats.opened),
    ("database_connect_failures_total", "Attempts to connect that failed", |stats| stats.connect_failures),
    ("database_saturated_total", "Requests turned away because too many waited", |stats| stats.saturated),
    ("database_shed_total", "Requests turned away because a queue was standing", |stats| stats.shed),
    ("database_breaks_total", "Times that a database which did not answer had requests refused", |stats| stats.breaks),
    ("database_probes_total", "Questions whether the database is there", |stats| stats.probes),
    ("database_cancels_total", "Statements cancelled for a deadline or a caller who left", |stats| stats.cancels),
    ("database_terminated_total", "Backends terminated because they ignored it", |stats| stats.terminated),
    ("database_retries_total", "Batches tried again because they had lost against others", |stats| stats.retried),
    ("database_session_checks_total", "Sessions checked after code of users", |stats| stats.resets),
    ("database_shared_reads_total", "Reads answered on a connection that they shared", |stats| stats.shared),
    ("database_moved_reads_total", "Reads that left a shared connection which was held up or lost", |stats| {
        stats.moved
    }),
    ("database_sessions_dirty_total", "Sessions closed because something was left in them", |stats| stats.dirty),
    ("database_protocol_errors_total", "Answers that broke the protocol", |stats| stats.protocol_errors),
    ("database_foreign_answers_total", "Answers to another request, which were refused", |stats| stats.desyncs),
];

/// How a server can stand, once it was asked.
const STANDINGS: [Standing; 6] =
    [Standing::Primary, Standing::Replica, Standing::Behind, Standing::Away, Standing::Stranger, Standing::Twin];

/// Adds them to a registry.
pub(super) fn register(metrics: &Metrics, backend: &Arc<Backend>, traces: &Arc<Traces>) {
    let known = Arc::clone(traces);
    metrics.collect(move || known.samples());
    let known = Arc::clone(backend);
    metrics.pools(move || pools(&known).into_iter().map(connections).collect());
    let known = Arc::clone(backend);
    metrics.collect(move || counters(&pools(&known)));
    let known = Arc::clone(backend);
    metrics.collect(move || lanes(&pools(&known)));
    let known = Arc::clone(backend);
    metrics.collect(move || key_fetches(&known));
    let known = Arc::clone(backend);
    metrics.collect(move || servers(&known));
    let known = Arc::clone(backend);
    metrics.collect(move || {
        let relations = known.target().catalog.get().map_or(0, |catalog| catalog.relations.len());
        let mut samples = vec![Sample::gauge("catalog_relations", "Relations in the schema cache", relations as f64)];
        if let Some(state) = known.catalog_state() {
            let took = state.duration.unwrap_or_default().as_secs_f64();
            samples.push(Sample::gauge(
                "catalog_load_seconds",
                "How long the schema cache in force took to load",
                took,
            ));
            samples.push(Sample::counter(
                "catalog_loads_total",
                "Loads of the schema cache that worked",
                state.loads as f64,
            ));
            samples.push(Sample::counter("catalog_load_failures_total", "Loads that failed", state.failures as f64));
        }
        samples
    });
}

/// How the fetching of published keys goes; nothing without `auth.jwks_url`.
fn key_fetches(backend: &Backend) -> Vec<Sample> {
    let Some(fetcher) = backend.fetcher() else { return Vec::new() };
    let (fetches, failures) = fetcher.numbers();
    vec![
        Sample::counter("auth_key_fetches_total", "Attempts to fetch the published key set", fetches as f64),
        Sample::counter("auth_key_fetch_failures_total", "Those that failed; the last keys stay", failures as f64),
    ]
}

/// How several servers stand and where reads went; nothing with one server.
fn servers(backend: &Backend) -> Vec<Sample> {
    let target = backend.target();
    let Some(replicas) = &target.pools.replicas else { return Vec::new() };
    let (status, reads) = (replicas.status(), replicas.stats());
    let mut samples = Vec::new();
    for standing in STANDINGS {
        samples.extend(status.iter().map(|(server, _)| {
            let value = f64::from(u8::from(server.standing == standing));
            let sample = Sample::gauge("database_server", "How a server stands: 1 for what it is", value);
            sample.label("server", server.server.clone()).label("standing", standing.as_str())
        }));
    }
    samples.extend(status.iter().filter_map(|(server, _)| {
        let help = "How far a replica is behind the primary";
        let sample = Sample::gauge("database_replica_lag_seconds", help, server.lag?.as_secs_f64());
        Some(sample.label("server", server.server.clone()))
    }));
    samples.extend(status.iter().map(|(server, pool)| {
        let sample = Sample::gauge("database_replica_connections", "Connections for reads", pool.size as f64);
        sample.label("server", server.server.clone())
    }));
    for (on, number) in [("replica", reads.on_replica), ("primary", reads.on_primary)] {
        let sample = Sample::counter("database_reads_total", "Reads by the server that answered", number as f64);
        samples.push(sample.label("server", on));
    }
    let counter = |name, help, number: u64| Sample::counter(name, help, number as f64);
    samples.extend([
        counter("database_read_fallbacks_total", "Reads that a replica could not answer", reads.fallbacks),
        counter("database_fresh_waits_total", "Reads that waited for a replica to catch up", reads.waits),
        counter("database_fresh_waits_in_vain_total", "Those that went to the primary", reads.waits_in_vain),
        counter("database_fresh_tokens_unusable_total", "Tokens that were no good", reads.unusable_tokens),
        counter("database_nudges_total", "Records written to bring others to disk", replicas.servers().nudges()),
        Sample::gauge("database_fresh_waiting", "Reads that wait now", replicas.servers().waiting() as f64),
        Sample::gauge(
            "database_writes_refused",
            "1 while it is not certain which server is the primary",
            f64::from(u8::from(replicas.servers().trouble().is_some())),
        ),
    ]);
    samples
}

/// The pools of requests. Whoever waits for the anonymous share waits for a connection of the first.
pub(super) fn pools(backend: &Backend) -> [(&'static str, PoolStats); 2] {
    let target = backend.target();
    let (mut request, share) = (target.pools.request.stats(), target.anonymous_share());
    request.waiting += share.waiting;
    request.timeouts += share.timeouts;
    request.saturated += share.saturated;
    request.shed += share.shed;
    [("request", request), ("service", target.pools.service.stats())]
}

fn connections((pool, stats): (&'static str, PoolStats)) -> PoolSample {
    PoolSample {
        pool,
        active: stats.active as u64,
        idle: stats.idle as u64,
        max: stats.max as u64,
        waiting: stats.waiting as u64,
        timeouts: stats.timeouts,
    }
}

fn lanes(pools: &[(&'static str, PoolStats)]) -> Vec<Sample> {
    type Read = fn(&PoolStats) -> usize;
    let gauges: [(&'static str, &'static str, Read); 3] = [
        ("database_breaker_open", "1 while requests are refused because the database does not answer", |stats| {
            usize::from(stats.broken)
        }),
        ("database_lanes_active", "Connections that reads share now", |stats| stats.lanes),
        ("database_lanes_held_up", "Of these, held up by an answer that is late", |stats| stats.lanes_held_up),
    ];
    let of = |(name, help, read): &(&'static str, &'static str, Read)| -> Vec<Sample> {
        let sample = |(pool, stats): &(&'static str, PoolStats)| {
            Sample::gauge(name, help, read(stats) as f64).label("pool", *pool)
        };
        pools.iter().map(sample).collect()
    };
    gauges.iter().flat_map(of).collect()
}

fn counters(pools: &[(&'static str, PoolStats)]) -> Vec<Sample> {
    let of = |(name, help, read): &Counter| -> Vec<Sample> {
        let sample = |(pool, stats): &(&'static str, PoolStats)| {
            Sample::counter(name, help, read(stats) as f64).label("pool", *pool)
        };
        pools.iter().map(sample).collect()
    };
    COUNTERS.iter().flat_map(of).collect()
}
