//! Which requests are traced when nobody said so, and how many more callers may ask for.
//!
//! Not by chance: of 10,000 requests at a rate of 0.1, chance picks 1,000 give or take 60. A sequence that steps through
//! the circle by the golden ratio fills every part of it evenly, so that any stretch of requests has its share, give or
//! take a handful, and the requests that are picked fall into no rhythm with those that come. Each server begins
//! somewhere else.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// The golden ratio of the circle of 64-bit numbers.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Picks a share of requests.
#[derive(Debug)]
pub struct Sampler {
    place: AtomicU64,
    /// Places below are picked; none where all are.
    below: Option<u64>,
}

impl Sampler {
    /// Picks this share, from 0 to 1.
    pub fn new(rate: f64) -> Self {
        // The conversion is exact enough: 53 bits of 64, and it saturates.
        let below = (rate < 1.0).then_some((rate.max(0.0) * 2f64.powi(64)) as u64);
        Self { place: AtomicU64::new(rand::random()), below }
    }

    /// Whether the next request is picked.
    pub fn next(&self) -> bool {
        let Some(below) = self.below else { return true };
        self.place.fetch_add(STEP, Relaxed) < below
    }
}

/// So many a second, and no more.
#[derive(Debug)]
pub struct Allowance {
    most: u32,
    since: Instant,
    /// The second in the upper half, what was taken in it in the lower one.
    taken: AtomicU64,
}

impl Allowance {
    /// So many in each second.
    pub fn new(most: u32) -> Self {
        Self { most, since: Instant::now(), taken: AtomicU64::new(0) }
    }

    /// Takes one, if there is one left.
    pub fn take(&self, now: Instant) -> bool {
        let second = now.saturating_duration_since(self.since).as_secs() << 32;
        let most = u64::from(self.most);
        let next = |taken: u64| match taken & !0xffff_ffff == second {
            true if taken & 0xffff_ffff >= most => None,
            true => Some(taken + 1),
            false if most == 0 => None,
            false => Some(second + 1),
        };
        self.taken.fetch_update(Relaxed, Relaxed, next).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// C9: within 2 % of the expected number, whichever 10,000 requests one looks at.
    #[test]
    fn a_tenth_of_ten_thousand_is_a_thousand() {
        for rate in [0.01, 0.1, 0.25, 0.5, 0.9] {
            let sampler = Sampler::new(rate);
            for stretch in 0..20 {
                let picked = (0..10_000).filter(|_| sampler.next()).count() as f64;
                let off = (picked - rate * 10_000.0).abs();
                assert!(off <= 200.0 * rate && off <= 10.0, "{picked} of 10,000 at {rate}, stretch {stretch}");
            }
        }
    }

    #[test]
    fn requests_that_come_in_a_rhythm_have_their_share_too() {
        // Every tenth request is the expensive one: it must be neither always picked nor never.
        let sampler = Sampler::new(0.1);
        let picked = (0..100_000).filter(|index| sampler.next() && index % 10 == 0).count();
        assert!((900..=1100).contains(&picked), "{picked} of 10,000");
    }

    #[test]
    fn all_and_none() {
        assert_eq!((0..1000).filter(|_| Sampler::new(1.0).next()).count(), 1000);
        let none = Sampler::new(0.0);
        assert_eq!((0..1000).filter(|_| none.next()).count(), 0);
    }

    #[test]
    fn what_is_allowed_is_allowed_again_in_the_next_second() {
        let allowance = Allowance::new(2);
        let taken = |after: u64| allowance.take(allowance.since + Duration::from_secs(after));
        assert_eq!(
            [taken(0), taken(0), taken(0), taken(1), taken(1), taken(1)],
            [true, true, false, true, true, false]
        );
        assert!(!Allowance::new(0).take(Instant::now()));
    }
}
