//! A transaction of several flushes, one turn after the other: for work whose later part depends on the earlier.
//!
//! Each turn is one flush with one Sync, like a batch, but BEGIN and COMMIT are turns of their own. User code of an
//! earlier turn ran in the same transaction, so a later turn begins by undoing what that code can leave: role and all
//! settings, ours and others (`set local` in a function stays until the transaction ends). Nothing runs by a
//! prepared name, which SQL can replace; the unnamed statement is parsed in the flush that uses it.
//! Read on: `pool/conversation.rs` (who holds the session meanwhile), `exchange.rs` (a batch).

use std::sync::Arc;
use std::time::Instant;

use super::statements::Control;
use super::{Doing, Session, exchange};
use crate::batch::{End, Opening, Reply, Timing, Turn};
use crate::error::Error;

impl Session {
    /// Begins the transaction.
    pub(crate) async fn open_transaction(&mut self, opening: &Opening) -> Result<(), Error> {
        self.make_ready().await?;
        self.statements.distrust_names = true;
        self.begin_flush();
        self.encode_control(Control::Begin(opening.isolation, opening.read_only));
        if opening.defer_constraints {
            self.encode_control(Control::ConstraintsDeferred);
        }
        self.finish_turn().await.map(drop)
    }

    /// Runs a turn. `before` goes first; `clean` undoes what earlier turns may have left.
    pub(crate) async fn turn(&mut self, before: &[Control], clean: Clean, turn: &Turn) -> Result<Reply, Error> {
        exchange::check_sendable(&turn.settings, &turn.statements)?;
        self.make_ready().await?;
        let started = Instant::now();
        self.begin_flush();
        for control in before {
            self.encode_control(*control);
        }
        if clean != Clean::NotNeeded {
            self.encode_control(Control::NoRole);
        }
        if clean == Clean::Everything {
            self.encode_control(Control::ResetAll);
        }
        self.encode_settings(&turn.settings);
        let scope: Arc<str> = Arc::from("");
        for statement in &turn.statements {
            self.encode_statement(statement, &scope);
        }
        let mut reply = self.finish_turn().await?;
        reply.timing = Timing { execute: started.elapsed(), ..Timing::default() };
        Ok(reply)
    }

    /// Ends the transaction; without an `end` by ROLLBACK, which a failed one takes too.
    pub(crate) async fn close_transaction(&mut self, before: &[Control], end: Option<End>) -> Result<(), Error> {
        self.make_ready().await?;
        self.begin_flush();
        for control in before {
            self.encode_control(*control);
        }
        match end {
            Some(End::Commit) => self.encode_control(Control::Commit),
            Some(End::Rollback) => {
                self.encode_control(Control::ConstraintsImmediate);
                self.encode_control(Control::Rollback);
            }
            None => self.encode_control(Control::Rollback),
        }
        let ended = self.finish_turn().await.map(drop);
        self.statements.distrust_names = false;
        ended
    }

    async fn finish_turn(&mut self) -> Result<Reply, Error> {
        self.end_flush(Doing::Flush);
        match self.finish_flush().await? {
            Ok(results) => Ok(Reply { results, ..Reply::default() }),
            Err(failure) => Err(Error::Db(failure.error)),
        }
    }
}

/// What is undone before a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clean {
    /// Nothing: it is the first.
    NotNeeded,
    /// The role. Behind a transaction pooler the other settings are the pooler's as well as ours and are left alone;
    /// those that matter are set again.
    Role,
    /// The role and every setting.
    Everything,
}
