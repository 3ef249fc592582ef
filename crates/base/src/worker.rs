//! Which of the threads that serve connections this one is.
//!
//! A server has several such threads, each with connections, timers and sockets of its own. A socket of the database that
//! another thread watches costs a request two hops between processors; who hands out such sockets asks here whose they
//! should be.
//! Invariant: a thread is at most one worker, for good.

use std::cell::Cell;

thread_local! {
    static CURRENT: Cell<Option<Worker>> = const { Cell::new(None) };
}

/// One of several threads that do the same, each for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worker {
    /// From 0 on.
    pub number: usize,
    /// How many there are.
    pub of: usize,
}

impl Worker {
    /// The one that this thread is; `None` on threads that share their work.
    pub fn current() -> Option<Self> {
        CURRENT.get()
    }

    /// Makes the present thread this worker.
    pub fn settle(self) {
        CURRENT.set(Some(self));
    }

    /// Which of so many things, numbered from 0 on, are this worker's: each is somebody's, and everybody has at least one.
    pub fn owns(self, thing: usize, things: usize) -> bool {
        if things >= self.of { thing % self.of == self.number } else { self.number % things.max(1) == thing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_somebodys_and_everybody_has_something() {
        for of in 1..9 {
            for things in 1..9 {
                let owners =
                    |thing| (0..of).filter(|number| Worker { number: *number, of }.owns(thing, things)).count();
                let owned = |number| (0..things).filter(|thing| Worker { number, of }.owns(*thing, things)).count();
                assert!((0..things).all(|thing| owners(thing) >= 1), "{of} workers, {things} things");
                assert!((0..of).all(|number| owned(number) >= 1), "{of} workers, {things} things");
            }
        }
    }

    #[test]
    fn a_thread_is_no_worker_until_it_is_made_one() {
        let worker = Worker { number: 1, of: 2 };
        let seen = std::thread::spawn(move || {
            let before = Worker::current();
            worker.settle();
            (before, Worker::current())
        });
        assert_eq!(seen.join().unwrap(), (None, Some(worker)));
        assert_eq!(Worker::current(), None);
    }
}
