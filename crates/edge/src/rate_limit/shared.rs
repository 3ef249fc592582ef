//! Counting for several nodes together, through whatever `app` hands in, and what is measured of it.
//!
//! The edge knows a port and no Redis. Invariant: a caller is never left without a limit: where nobody can count for
//! all, [`super::RateLimiter`] counts for this node.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use ferrobase_base::ports::{SharedCount, SharedCounts, SharedFault};

use super::window::WINDOW;
use super::{Caller, CallerKey};
use crate::metrics::{Metrics, SharedLimitMetrics};

/// Where requests are counted for all nodes.
#[derive(Clone)]
pub struct Shared {
    counts: Arc<dyn SharedCounts>,
    metrics: Arc<SharedLimitMetrics>,
}

impl Shared {
    /// Counts there, and adds its numbers to the registry: once a server.
    pub fn new(counts: Arc<dyn SharedCounts>, metrics: &Metrics) -> Self {
        Self { counts, metrics: metrics.shared_limits() }
    }

    pub(super) async fn count(&self, caller: &Caller, quota: u32) -> Result<SharedCount, SharedFault> {
        let asked = Instant::now();
        let counted = self.counts.count(caller.tier.name(), &name(&caller.key), quota, WINDOW).await;
        self.metrics.counted(&counted, asked.elapsed());
        counted
    }

    /// A refusal that needed no question.
    pub(super) fn knew(&self) {
        self.metrics.knew();
    }
}

/// What tells the callers of a tier apart. A name that looks like an address is still another caller.
fn name(key: &CallerKey) -> String {
    let mut text = String::new();
    let written = match key {
        CallerKey::Name(name) => write!(text, "name:{name}"),
        CallerKey::Address(Some(address)) => write!(text, "address:{address}"),
        CallerKey::Address(None) => write!(text, "nowhere"),
    };
    debug_assert!(written.is_ok(), "a String takes everything");
    text
}
