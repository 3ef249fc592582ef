//! A session on loan for a transaction of several flushes.
//!
//! Whoever holds a [`Conversation`] holds a connection: the deadline of the opening bounds it as a whole. Savepoints cost
//! no flush of their own, they go with the next turn. After a failed turn only going back to a savepoint or the end by
//! rollback is possible; a commit is refused here, because PostgreSQL would answer it with a rollback.
//! Invariant: a conversation that is dropped before its end keeps nothing. Read on: `session/turn.rs`.

use std::sync::Arc;
use std::time::Instant;

use super::is_goodbye;
use super::lease::Lease;
use super::options::Pooler;
use super::state::Shared;
use crate::batch::{End, Opening, Reply, Turn};
use crate::error::Error;
use crate::lsn::Position;
use crate::session::Clean;
use crate::session::statements::Control;

/// A transaction of several flushes.
pub struct Conversation {
    shared: Arc<Shared>,
    lease: Lease,
    deadline: Instant,
    /// Whether it may write.
    writes: bool,
    /// What goes before the next turn.
    queued: Vec<Control>,
    /// Whether a turn was taken.
    begun: bool,
    /// Whether the last turn failed and was not undone.
    failed: bool,
}

impl Conversation {
    pub(super) async fn begin(shared: &Arc<Shared>, opening: Opening) -> Result<Self, Error> {
        let mut repetitions = shared.options.max_connections;
        loop {
            if Instant::now() >= opening.deadline {
                return Err(Error::Deadline);
            }
            let mut lease = shared.acquire(Some(opening.deadline), true).await?;
            if !opening.read_only
                && shared.connect.is_for_primary()
                && lease.session().is_on_standby()
                && shared.renew()
            {
                lease.close();
                continue;
            }
            match shared.check_course(lease.session(), !opening.read_only) {
                Err(Error::Moved) => {
                    lease.close();
                    continue;
                }
                course => course?,
            }
            let begin = lease.session().open_transaction(&opening);
            let Ok(result) = tokio::time::timeout_at(opening.deadline.into(), begin).await else {
                shared.learn::<()>(&Err(Error::Deadline));
                lease.abandon();
                return Err(Error::Deadline);
            };
            shared.count(&result);
            let result = result.map_err(|error| shared.seen_through(error, lease.session()));
            match result {
                Ok(()) => {
                    return Ok(Self {
                        shared: Arc::clone(shared),
                        lease,
                        deadline: opening.deadline,
                        writes: !opening.read_only,
                        queued: Vec::new(),
                        begun: false,
                        failed: false,
                    });
                }
                // A BEGIN that was lost has changed nothing.
                Err(error) if repetitions > 0 && is_lost(&error) => {
                    lease.give_back();
                    repetitions -= 1;
                    shared.counters.repeated();
                }
                Err(error) => {
                    lease.give_back();
                    return Err(error);
                }
            }
        }
    }

    /// From here on everything can be undone. One at a time.
    pub fn savepoint(&mut self) {
        self.queued.push(Control::Savepoint);
    }

    /// Keeps what happened since the savepoint, and lets the transaction write again when it only read meanwhile.
    pub fn release_savepoint(&mut self) {
        self.queued.push(Control::ReleaseSavepoint);
    }

    /// Undoes what happened since the savepoint, a failure included.
    pub fn rollback_to_savepoint(&mut self) {
        self.queued.extend([Control::RollbackToSavepoint, Control::ReleaseSavepoint]);
        self.failed = false;
    }

    /// Runs one turn. Dropping the future cancels it.
    pub async fn exchange(&mut self, turn: &Turn) -> Result<Reply, Error> {
        let clean = match (self.begun && !turn.continues, self.shared.options.pooler) {
            (false, _) => Clean::NotNeeded,
            (true, Pooler::Direct) => Clean::Everything,
            (true, Pooler::Transaction) => Clean::Role,
        };
        self.begun = true;
        self.failed = true;
        let before = std::mem::take(&mut self.queued);
        self.shared.check_course(self.lease.session(), self.writes)?;
        let moves = self.lease.session().moves;
        let exchange = self.lease.session().turn(&before, clean, turn);
        let exchange = tokio::time::timeout_at(self.deadline.into(), exchange);
        let outcome = self.shared.unless_moved(moves, self.writes, exchange).await;
        let result = outcome.ok_or(Error::Moved)?.unwrap_or(Err(Error::Deadline));
        let result = result.map_err(|error| self.shared.seen_through(error, self.lease.session()));
        self.shared.count(&result);
        self.failed = result.is_err();
        result
    }

    /// Ends the transaction.
    pub async fn end(mut self, end: End) -> Result<(), Error> {
        if self.failed && end == End::Commit {
            return Err(Error::Unsendable("a failed transaction cannot be committed"));
        }
        let before = std::mem::take(&mut self.queued);
        self.close(&before, Some(end)).await
    }

    /// The same by a commit, and asks where the log is then.
    pub async fn commit_positioned(mut self) -> Result<Option<Position>, Error> {
        if self.failed {
            return Err(Error::Unsendable("a failed transaction cannot be committed"));
        }
        let before = std::mem::take(&mut self.queued);
        self.close(&before, Some(End::Commit)).await?;
        // What happens from here on changes nothing about the transaction.
        let asked = tokio::time::timeout_at(self.deadline.into(), self.lease.session().position()).await;
        Ok(asked.unwrap_or_default())
    }

    /// Undoes everything, after a failure too. A drop does the same, but may cost the connection.
    pub async fn abort(mut self) -> Result<(), Error> {
        self.close(&[], None).await
    }

    async fn close(&mut self, before: &[Control], end: Option<End>) -> Result<(), Error> {
        // A server that was frozen meanwhile would keep what belongs to another one now.
        let commits = self.writes && end == Some(End::Commit);
        self.shared.check_course(self.lease.session(), commits)?;
        let moves = self.lease.session().moves;
        let ending = self.lease.session().close_transaction(before, end);
        let ending = tokio::time::timeout_at(self.deadline.into(), ending);
        let outcome = self.shared.unless_moved(moves, commits, ending).await;
        let result = outcome.ok_or(Error::Moved)?.unwrap_or(Err(Error::Deadline));
        self.shared.count(&result);
        result
    }
}

/// Whether the session was lost, before this or by it.
fn is_lost(error: &Error) -> bool {
    match error {
        Error::Db(db) => is_goodbye(db.code),
        Error::Io(_) => true,
        _ => false,
    }
}

impl std::fmt::Debug for Conversation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conversation").field("begun", &self.begun).field("failed", &self.failed).finish_non_exhaustive()
    }
}
