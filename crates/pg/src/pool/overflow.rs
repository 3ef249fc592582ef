//! How many reads leave lanes that have much to do for connections of their own.
//!
//! Where PostgreSQL has processors to spare, more connections give more answers. Where it has none they take turns, which
//! costs it half as much again for short reads, and makes those on lanes wait for the others. It cannot be asked, but it
//! shows: a read that has a connection to itself and takes many times as long as one on a lane waited for a processor. So a
//! window bounds how many leave at the same time, which grows and shrinks as that of TCP does (RFC 5681, section 3.1).
//! Invariant: one may always leave, or nobody would learn that there is room again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A read that took longer than so many on a lane, and than the time of a way there and back, waited for a processor.
const MANY: u32 = 4;
const WAY: Duration = Duration::from_micros(500);
/// What is left of the window when one waited.
const SHRINKS: f32 = 0.7;

#[derive(Debug)]
pub(super) struct Overflow(Mutex<Window>);

#[derive(Debug)]
struct Window {
    size: f32,
    /// Those who left and are not back.
    out: usize,
}

impl Default for Overflow {
    fn default() -> Self {
        Self(Mutex::new(Window { size: 1.0, out: 0 }))
    }
}

impl Overflow {
    /// Whether one more may leave, who would take so long on a lane.
    pub(super) fn leave(&self, on_lane: Duration) -> Option<Left<'_>> {
        let mut window = self.lock();
        // As many as the whole part of the window.
        let may = (window.out + 1) as f32 <= window.size;
        may.then(|| {
            window.out += 1;
            Left { overflow: self, on_lane }
        })
    }

    fn lock(&self) -> MutexGuard<'_, Window> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who left; back when this is dropped.
#[derive(Debug)]
pub(super) struct Left<'p> {
    overflow: &'p Overflow,
    on_lane: Duration,
}

impl Left<'_> {
    /// It took so long from being sent to its answer.
    pub(super) fn took(self, time: Duration) {
        let mut window = self.overflow.lock();
        if time > WAY + self.on_lane * MANY {
            window.size = (window.size * SHRINKS).max(1.0);
        } else if window.out as f32 + 1.0 > window.size {
            // All the room was needed.
            window.size += 1.0 / window.size;
        }
    }
}

impl Drop for Left<'_> {
    fn drop(&mut self) {
        self.overflow.lock().out -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ON_LANE: Duration = Duration::from_micros(300);

    /// How many may leave at the same time.
    fn room(overflow: &Overflow) -> usize {
        let out: Vec<_> = std::iter::from_fn(|| overflow.leave(ON_LANE)).collect();
        out.len()
    }

    /// As many as may leave come back, so often, each after this time.
    fn rounds(overflow: &Overflow, number: usize, time: Duration) {
        for _ in 0..number {
            let out: Vec<_> = std::iter::from_fn(|| overflow.leave(ON_LANE)).collect();
            out.into_iter().for_each(|one| one.took(time));
        }
    }

    #[test]
    fn more_leave_while_they_are_quick_and_few_when_they_wait() {
        let overflow = Overflow::default();
        assert_eq!(room(&overflow), 1);
        rounds(&overflow, 40, Duration::from_micros(900));
        let grown = room(&overflow);
        assert!(grown >= 8, "{grown}");
        rounds(&overflow, 1, Duration::from_millis(5));
        assert!(room(&overflow) < grown / 2, "{}", room(&overflow));
        rounds(&overflow, 20, Duration::from_millis(5));
        assert_eq!(room(&overflow), 1, "one may always leave");
        rounds(&overflow, 40, Duration::from_micros(900));
        assert!(room(&overflow) >= 8, "there is room again");
    }

    #[test]
    fn room_that_nobody_needed_does_not_grow() {
        let overflow = Overflow::default();
        rounds(&overflow, 40, Duration::from_micros(900));
        let grown = room(&overflow);
        for _ in 0..1000 {
            overflow.leave(ON_LANE).expect("one of many").took(Duration::from_micros(900));
        }
        assert_eq!(room(&overflow), grown);
    }

    #[test]
    fn who_gave_up_is_back_and_teaches_nothing() {
        let overflow = Overflow::default();
        let gone = overflow.leave(ON_LANE).expect("one may always leave");
        assert!(overflow.leave(ON_LANE).is_none());
        drop(gone);
        assert_eq!(room(&overflow), 1);
    }
}
