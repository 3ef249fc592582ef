//! How long something took, many times: a histogram that several threads add to without waiting for each other.
//!
//! Every request adds to half a dozen of them. With one set of numbers each, the processors would pass its cache lines back
//! and forth all the time; so there are several sets, each thread has one of them, and whoever looks adds them up.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// Sets of numbers. More threads than that share them.
const PARTS: usize = 8;
/// Most bounds.
const BOUNDS: usize = 15;

/// Durations, counted.
#[derive(Clone, Debug)]
pub(super) struct Durations {
    /// Upper bounds of the buckets in seconds, ascending; above the last one there is one more bucket.
    bounds: &'static [f64],
    parts: Arc<[Part; PARTS]>,
}

/// What some threads counted, apart from what others do: two cache lines are fetched together.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Part {
    counts: [AtomicU64; BOUNDS + 1],
    nanoseconds: AtomicU64,
}

static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Which of the parts this thread has.
    static PART: usize = NEXT.fetch_add(1, Relaxed) % PARTS;
}

impl Durations {
    /// None yet. There are at most fifteen bounds.
    pub(super) fn new(bounds: &'static [f64]) -> Self {
        Self { bounds: &bounds[..bounds.len().min(BOUNDS)], parts: Arc::default() }
    }

    pub(super) fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = self.bounds.partition_point(|bound| *bound < seconds);
        let part = &self.parts[PART.with(|part| *part)];
        part.counts[bucket].fetch_add(1, Relaxed);
        part.nanoseconds.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Upper bound and number of each bucket.
    fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = self.bounds.iter().copied().chain([f64::MAX]);
        let count = |bucket: usize| self.parts.iter().map(|part| part.counts[bucket].load(Relaxed)).sum();
        bounds.enumerate().map(|(bucket, bound)| (bound, count(bucket))).collect()
    }

    fn seconds(&self) -> f64 {
        self.parts.iter().map(|part| Duration::from_nanos(part.nanoseconds.load(Relaxed)).as_secs_f64()).sum()
    }
}

impl TypedMetric for Durations {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Durations {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let buckets = self.buckets();
        let count = buckets.iter().map(|(_, count)| count).sum();
        encoder.encode_histogram::<NoLabelSet>(self.seconds(), count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_many_threads_count_is_added_up() {
        let durations = Durations::new(&[0.001, 0.01]);
        std::thread::scope(|scope| {
            for _ in 0..2 * PARTS {
                scope.spawn(|| {
                    for milliseconds in [1, 2, 10, 11] {
                        durations.observe(Duration::from_millis(milliseconds));
                    }
                });
            }
        });
        let each = 2 * PARTS as u64;
        // A bound belongs to its bucket.
        assert_eq!(durations.buckets(), [(0.001, each), (0.01, 2 * each), (f64::MAX, each)]);
        assert!((durations.seconds() - 0.024 * each as f64).abs() < 1e-9);
    }
}
