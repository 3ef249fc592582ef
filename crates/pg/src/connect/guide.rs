//! Which of several servers is the primary, as far as somebody watches them (`servers`): it is tried first, and a
//! connection to another one that was the primary before is not used again. While it is in doubt, nothing is written. It also
//! knows servers that nobody listed: those that joined the cluster since.
//!
//! Everything that is made from the same options shares their guide: pools, listeners, the owner's sessions. Without
//! one, hosts are tried in the order in which they are written.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::options::Host;

/// What is known about the servers. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct Guide(Arc<Inner>);

struct Inner {
    known: Mutex<Known>,
    course: watch::Sender<Course>,
}

/// What connections have to know of the primary.
#[derive(Clone, Copy, Default)]
struct Course {
    /// How often it became another server.
    moves: u64,
    /// Whether it is uncertain which server it is.
    in_doubt: bool,
}

#[derive(Default)]
struct Known {
    primary: Option<Host>,
    /// Servers that do not answer.
    away: Vec<Host>,
    /// Servers that joined, beside those that options list.
    joined: Vec<Host>,
}

impl Default for Guide {
    fn default() -> Self {
        Self(Arc::new(Inner { known: Mutex::default(), course: watch::Sender::default() }))
    }
}

impl Guide {
    /// Says which server is the primary. When it was another one before, everything that is connected there moves.
    pub fn lead(&self, primary: &Host) {
        let mut known = self.lock();
        let before = known.primary.replace(primary.clone());
        drop(known);
        if before.is_some_and(|before| before != *primary) {
            self.0.course.send_modify(|course| course.moves += 1);
        }
    }

    /// Says whether it is uncertain which server is the primary.
    pub fn doubt(&self, in_doubt: bool) {
        self.0.course.send_if_modified(|course| std::mem::replace(&mut course.in_doubt, in_doubt) != in_doubt);
    }

    /// Says whether a server answers.
    pub fn answers(&self, host: &Host, answers: bool) {
        let mut known = self.lock();
        known.away.retain(|away| away != host);
        if !answers {
            known.away.push(host.clone());
        }
    }

    /// A server may be the primary that no options list.
    pub fn join(&self, host: &Host) {
        let mut known = self.lock();
        if !known.joined.contains(host) {
            known.joined.push(host.clone());
        }
    }

    /// A server that joined is not one of the cluster any more. Options that list it go on trying it.
    pub fn leave(&self, host: &Host) {
        let mut known = self.lock();
        known.joined.retain(|joined| joined != host);
        known.away.retain(|away| away != host);
    }

    /// The hosts that options list and those that joined, in the order in which they are tried: the primary, those of which
    /// nothing is known, those that do not answer.
    pub(crate) fn order(&self, listed: &[Host]) -> Vec<Host> {
        let known = self.lock();
        let joined = known.joined.iter().filter(|joined| !listed.contains(joined));
        let mut hosts: Vec<Host> = listed.iter().chain(joined).cloned().collect();
        hosts.sort_by_key(|host| match host {
            host if known.primary.as_ref() == Some(host) => 0,
            host if known.away.contains(host) => 2,
            _ => 1,
        });
        hosts
    }

    /// How often the primary moved.
    pub(crate) fn moves(&self) -> u64 {
        self.0.course.borrow().moves
    }

    /// Whether it is uncertain which server is the primary.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.0.course.borrow().in_doubt
    }

    /// Waits until the primary is another one than after so many moves or, for who `writes`, until it is in doubt.
    pub(crate) async fn moved_since(&self, moves: u64, writes: bool) {
        let mut seen = self.0.course.subscribe();
        if seen.wait_for(|now| now.moves != moves || (writes && now.in_doubt)).await.is_err() {
            // The sender is ours and lives as long as we do.
            std::future::pending::<()>().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Guide {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guide").field("moves", &self.moves()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_primary_is_tried_first_and_who_is_away_last() {
        let guide = Guide::default();
        let host = |name: &str| Host::tcp(name, 5432);
        let ordered = || guide.order(&[host("a"), host("b"), host("c")]);
        assert_eq!(ordered(), [host("a"), host("b"), host("c")], "nothing is known");
        guide.answers(&host("a"), false);
        guide.lead(&host("c"));
        assert_eq!((ordered(), guide.moves()), (vec![host("c"), host("b"), host("a")], 0), "the first is no move");
        guide.answers(&host("a"), true);
        guide.lead(&host("a"));
        guide.lead(&host("a"));
        assert_eq!((ordered(), guide.moves()), (vec![host("a"), host("b"), host("c")], 1));
    }

    #[test]
    fn servers_that_joined_are_tried_until_they_leave() {
        let guide = Guide::default();
        let host = |name: &str| Host::tcp(name, 5432);
        let ordered = || guide.order(&[host("a")]);
        ["b", "a", "b"].iter().for_each(|joined| guide.join(&host(joined)));
        assert_eq!(ordered(), [host("a"), host("b")], "each once");
        guide.lead(&host("b"));
        guide.answers(&host("a"), false);
        assert_eq!(ordered(), [host("b"), host("a")]);
        guide.leave(&host("b"));
        assert_eq!(ordered(), [host("a")]);
        guide.leave(&host("a"));
        assert_eq!(ordered(), [host("a")], "what is listed stays");
        guide.join(&host("c"));
        guide.lead(&host("c"));
        assert_eq!((ordered(), guide.moves()), (vec![host("c"), host("a")], 1), "after one that has left, too");
    }
}
