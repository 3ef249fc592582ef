//! How long something took, many times: a histogram of fixed size whose buckets are a fifth apart.
//!
//! Counting is one atomic addition. A quantile is the upper bound of its bucket, so it is never told too small and at
//! most a fifth too large.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// Buckets of one power of two.
const STEPS: u32 = 4;
/// The first bucket ends here, in microseconds.
const FIRST: u32 = 5;
/// Buckets: from 32 microseconds to more than a minute.
const BUCKETS: usize = 88;

/// Times, counted.
#[derive(Debug)]
pub struct Latencies([AtomicU32; BUCKETS]);

impl Default for Latencies {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU32::new(0)))
    }
}

impl Latencies {
    /// Counts one.
    pub fn count(&self, took: Duration) {
        self.0[bucket(took)].fetch_add(1, Relaxed);
    }

    /// What is counted: upper bound in microseconds and number, of buckets that are not empty.
    pub fn counted(&self) -> Vec<(u64, u32)> {
        let counts = self.0.iter().enumerate().map(|(index, count)| (bound(index), count.load(Relaxed)));
        counts.filter(|(_, count)| *count > 0).collect()
    }
}

fn bucket(took: Duration) -> usize {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let octave = micros.checked_ilog2().unwrap_or(0);
    if octave < FIRST {
        return 0;
    }
    // The two bits behind the first say which quarter of the power of two it is.
    let quarter = (micros >> (octave - 2)) & 3;
    let index = u64::from((octave - FIRST) * STEPS) + 1 + quarter;
    usize::try_from(index).unwrap_or(usize::MAX).min(BUCKETS - 1)
}

fn bound(index: usize) -> u64 {
    let Some(index) = index.checked_sub(1) else { return 1 << FIRST };
    let (octave, quarter) = (index as u32 / STEPS + FIRST, index as u64 % u64::from(STEPS));
    (1 << octave) + ((quarter + 1) << (octave - 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_the_bucket_whose_bound_is_next() {
        for micros in [0, 1, 31, 32, 33, 39, 40, 63, 64, 100, 1000, 12_345, 999_999, 60_000_000] {
            let index = bucket(Duration::from_micros(micros));
            let below = index.checked_sub(1).map_or(0, bound);
            assert!(below <= micros && micros < bound(index), "{micros}: {below} to {}", bound(index));
            assert!(bound(index) as f64 <= (below as f64 * 1.26).max(32.0), "{micros}");
        }
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
    }

    #[test]
    fn only_what_was_counted_is_told() {
        let latencies = Latencies::default();
        (0..3).for_each(|_| latencies.count(Duration::from_micros(100)));
        latencies.count(Duration::from_millis(10));
        assert_eq!(latencies.counted(), [(112, 3), (10_240, 1)]);
    }
}
