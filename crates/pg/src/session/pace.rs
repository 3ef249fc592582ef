//! Whether the plan that PostgreSQL settled on for a prepared statement has gone bad.
//!
//! The first five times it plans a prepared statement for the values that come; after that it may keep one plan for all
//! values, by an estimate that can be wrong by orders of magnitude (PostgreSQL documentation, PREPARE). So the first times are
//! remembered. When later ones are much slower, the statement is planned anew for its values a few times; when that helps,
//! it is not prepared any more for a while. A machine that is merely busy makes both slow.
//! Read on: `statements` keeps one [`Pace`] for each prepared statement.

use std::time::Duration;

/// How often PostgreSQL plans a statement for its values before it considers one plan for all.
const PLANNED_EACH_TIME: u32 = 5;
/// Slower by this factor, and by this time, than at first: suspect.
const SUSPECT_FACTOR: f32 = 8.0;
const SUSPECT_DIFFERENCE: Duration = Duration::from_millis(5);
/// Weight of the newest measurement.
const WEIGHT: f32 = 0.2;
/// So many attempts in a row must be faster by this factor.
const ATTEMPTS: u8 = 3;
const FASTER: f32 = 4.0;

/// How a prepared statement fares, times in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    runs: u32,
    /// Mean of the first times.
    first: f32,
    /// What later ones tend to.
    later: f32,
    /// Attempts that were faster.
    faster: u8,
}

/// What follows from a measurement of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It stays prepared.
    Stays,
    /// Its plan is bad.
    Bad,
}

impl Pace {
    /// Whether the statement should be planned for its values this time, to see whether that is faster.
    pub(crate) fn is_suspect(&self) -> bool {
        self.runs > PLANNED_EACH_TIME
            && self.later > self.first * SUSPECT_FACTOR
            && self.later > self.first + SUSPECT_DIFFERENCE.as_secs_f32()
    }

    /// It ran by its name.
    pub(crate) fn ran(&mut self, took: Duration) {
        let took = took.as_secs_f32();
        if self.runs < PLANNED_EACH_TIME {
            self.first += (took - self.first) / (self.runs + 1) as f32;
            self.later = self.first;
        } else {
            self.later += (took - self.later) * WEIGHT;
        }
        self.runs = self.runs.saturating_add(1);
    }

    /// It was planned for its values although it is prepared.
    pub(crate) fn attempted(&mut self, took: Duration) -> Verdict {
        if took.as_secs_f32() * FASTER > self.later {
            // This is how long it takes now; that is the measure from here on.
            *self = Self { first: self.later, faster: 0, ..*self };
            return Verdict::Stays;
        }
        self.faster += 1;
        if self.faster < ATTEMPTS { Verdict::Stays } else { Verdict::Bad }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(first: u64, later: u64) -> Pace {
        let mut pace = Pace::default();
        (0..5).for_each(|_| pace.ran(Duration::from_millis(first)));
        (0..20).for_each(|_| pace.ran(Duration::from_millis(later)));
        pace
    }

    #[test]
    fn only_what_is_much_slower_than_at_first_is_suspect() {
        assert!(after(1, 50).is_suspect());
        assert!(!after(10, 50).is_suspect(), "five times");
        assert!(!after(0, 4).is_suspect(), "four milliseconds");
        let mut new = Pace::default();
        (0..5).for_each(|_| new.ran(Duration::from_secs(1)));
        assert!(!new.is_suspect());
        new.ran(Duration::from_secs(9));
        assert!(!new.is_suspect(), "one slow answer is no reason");
    }

    #[test]
    fn a_plan_is_bad_when_another_one_is_faster_several_times() {
        let mut pace = after(1, 50);
        let quick = Duration::from_millis(1);
        assert_eq!(
            [pace.attempted(quick), pace.attempted(quick), pace.attempted(quick)],
            [Verdict::Stays, Verdict::Stays, Verdict::Bad]
        );
        let mut busy = after(1, 50);
        assert_eq!(
            (busy.attempted(quick), busy.attempted(Duration::from_millis(40))),
            (Verdict::Stays, Verdict::Stays)
        );
        assert!(!busy.is_suspect(), "everything is slow");
    }
}
