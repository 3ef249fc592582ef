//! Work beside requests: in portions of less than a millisecond, with rests in between.
//!
//! A thread that computes without pause keeps its processor until the scheduler takes it away, some milliseconds later,
//! and everything that a request needs meanwhile (our threads, PostgreSQL's processes) may have to wait behind it, once
//! for each time that it changes hands. Priorities do not help: a slice is a slice. So whatever takes longer than a
//! request does, while requests are answered, pauses often.
//! Read on: `portions` (the same for PostgreSQL's side of a load), adr/0021.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Longest piece of work without a rest, on a machine that does nothing else.
pub(crate) const PORTION: Duration = Duration::from_micros(500);
/// The rest after a portion.
pub(crate) const REST: Duration = Duration::from_millis(1);

/// Whether work has to leave room for requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// Somebody waits for this work and for nothing else.
    NotNeeded,
    /// Requests are answered meanwhile. After that moment there is no more time to lose.
    Until(Instant),
}

impl Room {
    /// For work that should take no longer than `bound` in all: rests for a quarter of it.
    pub(crate) fn within(bound: Duration) -> Self {
        Self::Until(Instant::now() + bound / 4)
    }

    pub(crate) fn is_needed(self) -> bool {
        matches!(self, Self::Until(end) if Instant::now() < end)
    }
}

/// Portions of work on a thread that may block.
#[derive(Debug)]
pub(crate) struct Pace {
    room: Room,
    /// When the portion under way began.
    began: Cell<Instant>,
}

impl Pace {
    pub(crate) fn new(room: Room) -> Self {
        Self { room, began: Cell::new(Instant::now()) }
    }

    /// Between two small pieces of work: rests when a portion is over.
    pub(crate) fn step(&self) {
        if self.room != Room::NotNeeded && self.began.get().elapsed() >= PORTION {
            if self.room.is_needed() {
                std::thread::sleep(REST);
            }
            self.began.set(Instant::now());
        }
    }

    /// The items, with a step after each.
    pub(crate) fn over<I: IntoIterator>(&self, items: I) -> impl Iterator<Item = I::Item> {
        items.into_iter().inspect(|_| self.step())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long 20 pieces of work of a fifth of a millisecond take, and how much of that is not work.
    fn worked(room: Room) -> (Duration, Duration) {
        let (pace, began, mut busy) = (Pace::new(room), Instant::now(), Duration::ZERO);
        for _ in pace.over(0..20) {
            let piece = Instant::now();
            while piece.elapsed() < Duration::from_micros(200) {}
            busy += piece.elapsed();
        }
        (began.elapsed(), began.elapsed() - busy)
    }

    #[test]
    fn work_beside_requests_rests_until_there_is_no_more_time() {
        let (_, rested) = worked(Room::within(Duration::from_secs(60)));
        // At least every third piece ends a portion.
        assert!(rested >= REST * 6, "{rested:?}");
        let late = Pace::new(Room::Until(Instant::now()));
        assert!(!late.room.is_needed());
        assert!(Room::within(Duration::from_secs(60)).is_needed() && !Room::NotNeeded.is_needed());
    }
}
