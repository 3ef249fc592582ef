//! Who waits for a session, and who is next.
//!
//! Whoever came first, but for two things: a lane goes before those who want a session for themselves, and a session
//! stays with the worker that watches its socket where somebody of his waits (docs/adr/0023).
//! Invariant: nobody is passed for longer than a moment.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ferrobase_base::Worker;
use tokio::sync::oneshot;

use super::lease::Lease;
use crate::error::Error;

/// A session goes to somebody of its own worker if one is among so many who wait.
const NEAR: usize = 64;
/// The first of those who wait may be passed in that way until he has waited for so long. It is a move of a socket that is
/// saved, some microseconds: where statements take long, whoever came first comes first.
const PASSED: Duration = Duration::from_millis(20);

/// Takes the session, or why there is none.
pub(super) type Answer = oneshot::Sender<Result<Lease, Error>>;

/// Where somebody stands who has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    First,
    Last,
}

#[derive(Default)]
pub(super) struct Queue {
    /// Numbered in order, so that one who gives up is found quickly; those who go first have numbers below zero.
    waiters: VecDeque<(i64, Waiter)>,
    next_number: i64,
}

struct Waiter {
    answer: Answer,
    worker: Option<Worker>,
    since: Instant,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.waiters.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// Lines somebody of the present worker up. Gives the number under which he leaves.
    pub(super) fn enter(&mut self, turn: Turn) -> (i64, oneshot::Receiver<Result<Lease, Error>>) {
        let (answer, receiver) = oneshot::channel();
        let waiter = Waiter { answer, worker: Worker::current(), since: Instant::now() };
        let number = match turn {
            Turn::Last => {
                self.next_number += 1;
                self.waiters.push_back((self.next_number - 1, waiter));
                self.next_number - 1
            }
            Turn::First => {
                let number = self.waiters.front().map_or(0, |(first, _)| *first).min(0) - 1;
                self.waiters.push_front((number, waiter));
                number
            }
        };
        (number, receiver)
    }

    /// Forgets who has this number, if he was not served.
    pub(super) fn leave(&mut self, number: i64) {
        if let Ok(index) = self.waiters.binary_search_by_key(&number, |(number, _)| *number) {
            self.waiters.remove(index);
        }
    }

    /// Who gets a session that this worker watches.
    pub(super) fn next(&mut self, home: Option<Worker>) -> Option<Answer> {
        let (number, first) = self.waiters.front()?;
        let may_pass = *number >= 0 && first.worker != home && first.since.elapsed() < PASSED;
        let near = || self.waiters.iter().take(NEAR).position(|(_, waiter)| waiter.worker == home);
        let index = if may_pass { near().unwrap_or(0) } else { 0 };
        self.waiters.remove(index).map(|(_, waiter)| waiter.answer)
    }

    /// Everybody; nobody is left.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Answer> + use<> {
        std::mem::take(&mut self.waiters).into_iter().map(|(_, waiter)| waiter.answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Worker = Worker { number: 0, of: 2 };
    const THERE: Worker = Worker { number: 1, of: 2 };

    type Waiting = oneshot::Receiver<Result<Lease, Error>>;

    /// Lets somebody of this worker line up.
    fn enter(queue: &mut Queue, worker: Worker, turn: Turn) -> Waiting {
        let (number, waiting) = queue.enter(turn);
        let place = queue.waiters.iter_mut().find(|(other, _)| *other == number).expect("he just came");
        place.1.worker = Some(worker);
        waiting
    }

    fn serve(queue: &mut Queue, home: Worker) {
        let _ = queue.next(Some(home)).expect("somebody waits").send(Err(Error::Closed));
    }

    fn is_served(waiting: &mut Waiting) -> bool {
        waiting.try_recv().is_ok()
    }

    #[test]
    fn a_session_stays_with_its_worker_and_nobody_is_passed_for_long() {
        let mut queue = Queue::default();
        let mut first = enter(&mut queue, THERE, Turn::Last);
        let mut others: Vec<_> = (0..5).map(|_| enter(&mut queue, HERE, Turn::Last)).collect();
        for other in &mut others[..3] {
            serve(&mut queue, HERE);
            assert!(is_served(other) && !is_served(&mut first), "those of the worker come first");
        }
        queue.waiters[0].1.since -= PASSED;
        serve(&mut queue, HERE);
        assert!(is_served(&mut first), "he has waited long enough");
        serve(&mut queue, THERE);
        assert!(is_served(&mut others[3]), "where nobody is at home the first one is served");
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn lanes_go_first_whosever_session_it_is() {
        let mut queue = Queue::default();
        let mut caller = enter(&mut queue, HERE, Turn::Last);
        let mut lane = enter(&mut queue, THERE, Turn::First);
        serve(&mut queue, HERE);
        assert!(is_served(&mut lane) && !is_served(&mut caller));
    }

    #[test]
    fn whoever_gives_up_is_forgotten() {
        let mut queue = Queue::default();
        let (first, _waiting) = queue.enter(Turn::Last);
        let (lane, _lane) = queue.enter(Turn::First);
        let mut last = enter(&mut queue, HERE, Turn::Last);
        queue.leave(first);
        queue.leave(lane);
        queue.leave(lane);
        assert_eq!(queue.len(), 1);
        serve(&mut queue, HERE);
        assert!(is_served(&mut last) && queue.is_empty());
    }
}
