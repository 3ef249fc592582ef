//! Where the log is after a transaction: what a caller needs to find its own writes on a replica again.
//!
//! Asked behind the Sync that commits, in the same flush, because a place that is read inside the transaction is before
//! its commit record (requirements/security.md 14). The place is that of insertion: with `synchronous_commit = off`,
//! which a function may set for its own transaction, the commit record need not be on disk yet, so the place up to which
//! everything is on disk would be too early. Whoever waits for a place that nothing pushes to the disk: `servers`.
//! Code of users may have run before: everything is named with its schema, and nothing runs by a prepared name.

use super::progress::Progress;
use super::{Doing, Session};
use crate::batch::StatementResult;
use crate::lsn::{Lsn, Position};

const POSITION: &str = include_str!("../../sql/log_position.sql");

/// What is sent behind a batch, each with a Sync of its own.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Behind {
    /// The question where the log is now.
    pub(crate) position: bool,
    /// The check of `check.rs`.
    pub(crate) check: bool,
}

impl Session {
    /// Where the log is now; `None` when the server does not tell.
    pub(crate) async fn position(&mut self) -> Option<Position> {
        read(&self.query(POSITION, &[]).await.ok()?)
    }

    /// Appends to a flush that was just encoded.
    pub(super) fn append_behind(&mut self, behind: Behind) {
        if behind.position {
            let flush = std::mem::replace(&mut self.progress, Progress::new(self.options.max_reply_bytes));
            self.begin_flush();
            self.encode_unnamed(POSITION, &[]);
            self.end_flush(Doing::Flush);
            let question = std::mem::replace(&mut self.progress, flush);
            self.following.push_back((Doing::Flush, question));
        }
        if behind.check {
            self.append_check();
        }
    }

    /// The answer to the question that was appended. The transaction before it has ended, so no failure here is its.
    pub(super) async fn finish_position(&mut self) -> Option<Position> {
        read(self.finish_flush().await.ok()?.ok()?.first()?)
    }
}

fn read(result: &StatementResult) -> Option<Position> {
    let row = result.rows.only()?;
    Some(Position { timeline: u32::from_str_radix(row.text(1)?, 16).ok()?, lsn: Lsn::parse(row.text(0)?)? })
}
