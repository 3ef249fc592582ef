//! How many may wait: the adaptive bound of a queue.
//!
//! A queue that comes and goes does no harm. One that stands, which is never empty for a while, makes everybody wait and
//! nobody faster: then as many may wait as were served within the time that anybody should wait, and whoever comes on top
//! is told at once. The bound follows what the database can do, whatever that depends on: numbers of connections, how long
//! statements take, how many other processes there are. It costs nothing while nobody waits.
//! Invariant: it never leaves a connection without work: what is turned away would have waited longer than it should.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The bound of one queue.
#[derive(Debug)]
pub struct Standing {
    /// As long as anybody should wait; zero bounds nothing.
    target: Duration,
    count: Mutex<Option<Count>>,
}

/// What happened since the queue was empty last.
#[derive(Debug)]
struct Count {
    since: Instant,
    /// Begin of the present window, which is as long as the target.
    window: Instant,
    served: usize,
    /// In the window before.
    before: usize,
}

impl Standing {
    /// For a queue in which nobody should wait longer.
    pub fn new(target: Duration) -> Self {
        Self { target, count: Mutex::default() }
    }

    /// How many may wait, for somebody who would wait behind so many others; none while the queue does not stand.
    pub fn bound(&self, ahead: usize, now: Instant) -> Option<usize> {
        if self.target.is_zero() {
            return None;
        }
        let mut count = self.lock();
        if ahead == 0 {
            *count = Some(Count { since: now, window: now, served: 0, before: 0 });
            return None;
        }
        let count = count.as_mut()?;
        let stands = now.saturating_duration_since(count.since) >= self.target;
        stands.then(|| count.within(self.target, now))
    }

    /// Somebody who waited was served.
    pub fn served(&self, now: Instant) {
        if self.target.is_zero() {
            return;
        }
        if let Some(count) = self.lock().as_mut() {
            count.roll(self.target, now);
            count.served += 1;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Count>> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Count {
    /// Brings the windows to this time.
    fn roll(&mut self, target: Duration, now: Instant) {
        let age = now.saturating_duration_since(self.window);
        if age < target {
            return;
        }
        self.before = if age < 2 * target { self.served } else { 0 };
        self.served = 0;
        self.window = if age < 2 * target { self.window + target } else { now };
    }

    /// How many were served within the last of these times, taking the window before for even.
    fn within(&mut self, target: Duration, now: Instant) -> usize {
        self.roll(target, now);
        let part = now.saturating_duration_since(self.window).as_secs_f64() / target.as_secs_f64();
        self.served + (self.before as f64 * (1.0 - part).clamp(0.0, 1.0)) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Duration = Duration::from_millis(100);

    #[test]
    fn a_queue_that_stands_is_as_long_as_what_is_served_in_the_time() {
        let (standing, start) = (Standing::new(TARGET), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        assert_eq!(standing.bound(0, at(0)), None);
        // One every five milliseconds.
        for ms in (0..1000).step_by(5) {
            standing.served(at(ms));
            match standing.bound(7, at(ms)) {
                None => assert!(ms < 100, "{ms}"),
                Some(bound) => assert!(ms >= 100 && (19..=21).contains(&bound), "{ms}: {bound}"),
            }
        }
        // Then one every twenty.
        for ms in (1000..2000).step_by(20) {
            standing.served(at(ms));
        }
        assert!(standing.bound(7, at(2000)).is_some_and(|bound| (4..=6).contains(&bound)));
        assert_eq!(standing.bound(7, at(3000)), Some(0), "nobody is served any more");
    }

    #[test]
    fn a_queue_that_was_empty_meanwhile_does_not_stand() {
        let (standing, start) = (Standing::new(TARGET), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        assert_eq!(standing.bound(3, at(0)), None, "nobody has begun");
        assert_eq!(standing.bound(0, at(0)), None);
        assert_eq!(standing.bound(0, at(90)), None);
        assert_eq!(standing.bound(5, at(150)), None);
        assert!(standing.bound(5, at(190)).is_some());
        let never = Standing::new(Duration::ZERO);
        assert_eq!((never.bound(0, at(0)), never.bound(9, at(10_000))), (None, None));
    }
}
