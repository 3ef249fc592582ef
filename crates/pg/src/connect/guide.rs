//! Which of several servers is the primary, as far as somebody watches them (`servers`): it is tried first, and a
//! connection to another one that was the primary before is not used again.
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
    moves: watch::Sender<u64>,
}

#[derive(Default)]
struct Known {
    primary: Option<Host>,
    /// Servers that do not answer.
    away: Vec<Host>,
}

impl Default for Guide {
    fn default() -> Self {
        Self(Arc::new(Inner { known: Mutex::default(), moves: watch::Sender::new(0) }))
    }
}

impl Guide {
    /// Says which server is the primary. When it was another one before, everything that is connected there moves.
    pub fn lead(&self, primary: &Host) {
        let mut known = self.lock();
        let before = known.primary.replace(primary.clone());
        drop(known);
        if before.is_some_and(|before| before != *primary) {
            self.0.moves.send_modify(|moves| *moves += 1);
        }
    }

    /// Says whether a server answers.
    pub fn answers(&self, host: &Host, answers: bool) {
        let mut known = self.lock();
        known.away.retain(|away| away != host);
        if !answers {
            known.away.push(host.clone());
        }
    }

    /// Brings hosts into the order in which they are tried: the primary, those of which nothing is known, those that do not
    /// answer.
    pub(crate) fn order(&self, hosts: &mut [Host]) {
        let known = self.lock();
        hosts.sort_by_key(|host| match host {
            host if known.primary.as_ref() == Some(host) => 0,
            host if known.away.contains(host) => 2,
            _ => 1,
        });
    }

    /// How often the primary moved.
    pub(crate) fn moves(&self) -> u64 {
        *self.0.moves.borrow()
    }

    /// Waits until the primary is another one than after so many moves.
    pub(crate) async fn moved_since(&self, moves: u64) {
        let mut seen = self.0.moves.subscribe();
        if seen.wait_for(|now| *now != moves).await.is_err() {
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
        let ordered = || {
            let mut hosts = vec![host("a"), host("b"), host("c")];
            guide.order(&mut hosts);
            hosts
        };
        assert_eq!(ordered(), [host("a"), host("b"), host("c")], "nothing is known");
        guide.answers(&host("a"), false);
        guide.lead(&host("c"));
        assert_eq!((ordered(), guide.moves()), (vec![host("c"), host("b"), host("a")], 0), "the first is no move");
        guide.answers(&host("a"), true);
        guide.lead(&host("a"));
        guide.lead(&host("a"));
        assert_eq!((ordered(), guide.moves()), (vec![host("a"), host("b"), host("c")], 1));
    }
}
