//! How far a replica is behind, in time: by when the primary was where the replica is now.
//!
//! The primary's positions are remembered for a while. A replica that has everything which the primary had when it was
//! last asked is not behind, however long ago the last write was; one whose connection to the primary is lost falls
//! behind as soon as the primary goes on, whatever it says of itself.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::lsn::Lsn;

/// Positions that are remembered: some seconds. Who is behind further is so far behind at least.
const REMEMBERED: usize = 256;
/// Positions closer together are one.
const GRAIN: Duration = Duration::from_millis(20);

/// Where the primary was when.
#[derive(Debug, Default)]
pub(super) struct History(VecDeque<(Instant, Lsn)>);

impl History {
    /// The primary was there at that time.
    pub(super) fn note(&mut self, at: Instant, lsn: Lsn) {
        match self.0.back() {
            // The older time counts: what was there then is at least so old.
            Some((_, last)) if *last >= lsn => return,
            Some((then, _)) if at.saturating_duration_since(*then) < GRAIN => return,
            _ => {}
        }
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((at, lsn));
    }

    /// How far behind a server is that had got there at that time.
    pub(super) fn lag(&self, reached: Lsn, at: Instant) -> Duration {
        let first_missing = self.0.partition_point(|(_, lsn)| *lsn <= reached);
        self.0.get(first_missing).map_or(Duration::ZERO, |(then, _)| at.saturating_duration_since(*then))
    }

    /// Another timeline begins.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_primary_leaves_nobody_behind() {
        let (mut history, start) = (History::default(), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        assert_eq!(history.lag(Lsn(0), at(0)), Duration::ZERO, "nothing is known");
        for ms in [0, 100, 200] {
            history.note(at(ms), Lsn(10));
        }
        assert_eq!(history.lag(Lsn(10), at(100_000)), Duration::ZERO);
        history.note(at(300), Lsn(20));
        assert_eq!(history.lag(Lsn(10), at(800)), Duration::from_millis(500), "since the primary went on");
        assert_eq!(history.lag(Lsn(5), at(800)), Duration::from_millis(800), "since the oldest that is missing");
        assert_eq!(history.lag(Lsn(25), at(800)), Duration::ZERO);
        history.forget();
        assert_eq!(history.lag(Lsn(5), at(800)), Duration::ZERO);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut history, start) = (History::default(), Instant::now());
        for n in 0..1000 {
            history.note(start + Duration::from_millis(n * 50), Lsn(n));
        }
        assert_eq!(history.0.len(), REMEMBERED);
        let now = start + Duration::from_millis(50_000);
        assert_eq!(history.lag(Lsn(0), now), Duration::from_millis(256 * 50), "at least");
    }
}
