//! A sliding minute of counts, one slot a second.
//!
//! A request counts until its whole slot is older than a minute, that is for 60 to 61 seconds: never too short, so the
//! quota holds in every span of 60 seconds, and at most a second too long.

use std::time::Duration;

/// The span that quotas are about.
pub(super) const WINDOW: Duration = Duration::from_secs(60);

/// The current second and the 60 before it.
const SLOTS: usize = 61;

/// Counts of one caller.
pub(super) struct Window {
    slots: Box<[u32; SLOTS]>,
    /// The second (since the limiter's start) that the newest slot stands for.
    newest: u64,
    /// Sum of the slots.
    used: u32,
    /// Until when the quota is used up by requests to other nodes, of which the slots know nothing.
    closed_until: Duration,
}

/// The outcome of counting one request.
pub(super) struct Count {
    pub(super) allowed: bool,
    pub(super) used: u32,
    pub(super) reset: Duration,
}

impl Window {
    pub(super) fn new(now: Duration) -> Self {
        Self { slots: Box::new([0; SLOTS]), newest: now.as_secs(), used: 0, closed_until: Duration::ZERO }
    }

    /// Counts a request at `now` (since the limiter's start) unless `quota` requests are in the window already.
    pub(super) fn count(&mut self, quota: u32, now: Duration) -> Count {
        self.advance(now.as_secs());
        let allowed = self.used < quota;
        if allowed {
            self.slots[slot_of(self.newest)] += 1;
            self.used += 1;
        }
        Count { allowed, used: self.used, reset: self.reset(now) }
    }

    /// The refusal that what is known here is enough for: this node alone let `quota` requests pass, or whoever counts
    /// for all of them has said until when there is no room.
    pub(super) fn refusal(&mut self, quota: u32, now: Duration) -> Option<Count> {
        self.advance(now.as_secs());
        if self.closed_until > now {
            return Some(Count { allowed: false, used: quota, reset: self.closed_until.saturating_sub(now) });
        }
        (self.used >= quota).then(|| Count { allowed: false, used: self.used, reset: self.reset(now) })
    }

    /// Counts a request that somebody else allowed.
    pub(super) fn record(&mut self, now: Duration) {
        self.count(u32::MAX, now);
    }

    /// There is no room until then, says who counts for all nodes.
    pub(super) fn close(&mut self, until: Duration) {
        self.closed_until = until;
    }

    /// Empties the slots of the seconds that have passed. A clock that seems to go back counts into the newest slot.
    fn advance(&mut self, second: u64) {
        let passed = second.saturating_sub(self.newest);
        for step in 1..=passed.min(SLOTS as u64) {
            let slot = slot_of(self.newest + step);
            self.used -= std::mem::take(&mut self.slots[slot]);
        }
        self.newest = self.newest.max(second);
    }

    /// Until the oldest request that still counts stops counting.
    fn reset(&self, now: Duration) -> Duration {
        let span = SLOTS as u64;
        let oldest = (0..span).rev().find(|age| *age <= self.newest && self.slots[slot_of(self.newest - age)] > 0);
        let Some(age) = oldest else { return Duration::ZERO };
        Duration::from_secs(self.newest - age + span).saturating_sub(now)
    }
}

fn slot_of(second: u64) -> usize {
    (second % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn a_request_counts_for_a_minute_and_then_makes_room() {
        let mut window = Window::new(at(0.9));
        assert!(window.count(2, at(0.9)).allowed);
        assert!(window.count(2, at(30.0)).allowed);
        let refused = window.count(2, at(60.5));
        assert!(!refused.allowed);
        assert_eq!(refused.reset, at(0.5));
        let next = window.count(2, at(61.0));
        assert!(next.allowed);
        assert_eq!(next.used, 2);
        assert_eq!(next.reset, at(30.0));
        // A long silence empties everything.
        assert_eq!(window.count(2, at(10_000.0)).used, 1);
        // And a clock that steps back breaks nothing.
        assert_eq!(window.count(2, at(9_000.0)).used, 2);
    }

    #[test]
    fn what_is_known_refuses_until_there_is_room() {
        let mut window = Window::new(at(0.0));
        assert!(window.refusal(2, at(0.0)).is_none());
        window.record(at(0.1));
        assert!(window.refusal(2, at(0.2)).is_none());
        window.close(at(20.0));
        let refused = window.refusal(2, at(5.0)).unwrap();
        assert_eq!((refused.allowed, refused.used, refused.reset), (false, 2, at(15.0)));
        assert!(window.refusal(2, at(20.0)).is_none());
        // This node's own requests fill the quota, whatever the others forgot.
        window.record(at(20.0));
        assert_eq!(window.refusal(2, at(20.0)).unwrap().used, 2);
        assert!(window.refusal(2, at(61.0)).is_none());
    }
}
