//! Requests that were counted for all nodes, or could not be.

use std::time::Duration;

use ferrobase_base::ports::{SharedCount, SharedFault};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// From a server on the same machine to the longest wait that can be configured.
const BUCKETS: [f64; 10] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

const RESULTS: [&str; 6] = ["allowed", "refused", "known", "unavailable", "late", "failed"];

/// Counters of shared limits; only servers that share have them.
#[derive(Debug)]
pub struct SharedLimitMetrics {
    checks: Family<ResultLabels, Counter>,
    durations: Histogram,
}

impl SharedLimitMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self { checks: Family::default(), durations: Histogram::new(BUCKETS) };
        // The library appends `_total` to counters.
        registry.register(
            "rate_limit_shared_checks",
            "Requests counted for all nodes (allowed, refused), refused without asking (known), counted here instead (the others)",
            metrics.checks.clone(),
        );
        registry.register(
            "rate_limit_shared_check_seconds",
            "How long requests waited to be counted for all nodes",
            metrics.durations.clone(),
        );
        for result in RESULTS {
            let _ = metrics.checks.get_or_create(&ResultLabels { result });
        }
        metrics
    }

    pub(crate) fn counted(&self, counted: &Result<SharedCount, SharedFault>, took: Duration) {
        let result = match counted {
            Ok(SharedCount { allowed: true, .. }) => "allowed",
            Ok(_) => "refused",
            Err(SharedFault::Unavailable) => "unavailable",
            Err(SharedFault::Late) => "late",
            Err(SharedFault::Failed) => "failed",
        };
        self.checks.get_or_create(&ResultLabels { result }).inc();
        // Nobody waited for one that was known to be down.
        if result != "unavailable" {
            self.durations.observe(took.as_secs_f64());
        }
    }

    pub(crate) fn knew(&self) {
        self.checks.get_or_create(&ResultLabels { result: "known" }).inc();
    }
}
