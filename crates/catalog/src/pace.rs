//! Work beside requests: in portions of less than a millisecond, with rests in between.
//!
//! A thread that computes without pause keeps its processor until the scheduler takes it away, some milliseconds later,
//! and everything that a request needs meanwhile (our threads, PostgreSQL's processes) may have to wait behind it, once
//! for each time that it changes hands. Priorities do not help: a slice is a slice. So whatever takes longer than a
//! request does, while requests are answered, pauses often: the longer, the more there is to do for requests.
//! Read on: `portions` (the same for PostgreSQL's side of a load), adr/0021.

use std::cell::Cell;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// Longest piece of work without a rest, on a machine that does nothing else.
pub(crate) const PORTION: Duration = Duration::from_micros(500);
/// The rest after a portion, where there is little to do for requests.
pub(crate) const REST: Duration = Duration::from_millis(1);
/// The rest where there is as much as can be.
const LONGEST: Duration = Duration::from_millis(4);
/// Share of the machine's processors that this process keeps busy when there is little to do.
const LITTLE: f64 = 0.2;
/// And when there is as much as can be: its clients and PostgreSQL need the other half.
const MUCH: f64 = 0.5;
/// Over how long that is measured.
const MEASURED: Duration = Duration::from_millis(50);

/// How long to rest now.
pub(crate) fn rest() -> Duration {
    // One for all, because it is measured for the process.
    static USAGE: Mutex<Option<Usage>> = Mutex::new(None);
    let mut usage = USAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let now = Instant::now();
    let current = usage.filter(|usage| now < usage.at + MEASURED).unwrap_or_else(|| Usage::at(now, *usage));
    *usage = Some(current);
    current.rest
}

/// What this process had used of the processors at a moment, and how long to rest from then on.
#[derive(Clone, Copy, Debug)]
struct Usage {
    at: Instant,
    used: Duration,
    rest: Duration,
}

impl Usage {
    fn at(now: Instant, before: Option<Self>) -> Self {
        static PROCESSORS: LazyLock<f64> =
            LazyLock::new(|| std::thread::available_parallelism().map_or(1.0, |count| count.get() as f64));
        // Where it cannot be told, there seems to be nothing to do.
        let used = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map_or(Duration::ZERO, Duration::from);
        let share = |before: Self| {
            used.saturating_sub(before.used).as_secs_f64() / (now - before.at).as_secs_f64() / *PROCESSORS
        };
        // What is older says nothing about now.
        let recent = before.filter(|before| now < before.at + MEASURED * 20);
        Self { at: now, used, rest: rest_of(recent.map_or(0.0, share)) }
    }
}

/// The rest of who keeps that share of the processors busy.
fn rest_of(share: f64) -> Duration {
    REST + (LONGEST - REST).mul_f64(((share - LITTLE) / (MUCH - LITTLE)).clamp(0.0, 1.0))
}

/// Whether work has to leave room for requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// Somebody waits for this work and for nothing else.
    NotNeeded,
    /// Requests are answered meanwhile. After that moment there is no more time to lose.
    Until(Instant),
}

impl Room {
    /// For work that should take no longer than `bound` in all: rests for half of it.
    pub(crate) fn within(bound: Duration) -> Self {
        Self::Until(Instant::now() + bound / 2)
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
                std::thread::sleep(rest());
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
    use std::sync::atomic::{AtomicBool, Ordering};

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
    fn rests_are_the_longer_the_more_this_process_has_to_do() {
        let rests = [0.0, LITTLE, (LITTLE + MUCH) / 2.0, MUCH, 1.0].map(rest_of);
        assert_eq!(rests, [REST, REST, (REST + LONGEST) / 2, LONGEST, LONGEST]);

        let noticed = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(|| {
                    while !noticed.load(Ordering::Relaxed) {
                        std::hint::spin_loop();
                    }
                });
            }
            let longer = std::iter::repeat_with(|| {
                std::thread::sleep(MEASURED);
                rest()
            });
            let found = longer.take(200).any(|rest| rest > REST);
            noticed.store(true, Ordering::Relaxed);
            assert!(found, "nobody noticed what there was to do");
        });
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
