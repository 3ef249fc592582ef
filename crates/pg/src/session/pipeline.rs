//! Several batches under way on one session, answered in the order in which they were sent.
//!
//! Each is one flush with one Sync and a nonce of its own, as on the exclusive path (`exchange.rs`); what differs is
//! that the next one does not wait for the answer of the one before. Who drives this is `pool/lane.rs`.
//! Invariant: a batch is appended to the output as a whole or not at all, so that messages of two requests never mix.
//! Invariant: while anything is under way the session counts as busy with a flush that nobody else can finish; given
//! back like that it is closed.

use super::progress::{Failure, Progress, Sink};
use super::{Doing, Session, exchange};
use crate::batch::{Batch, StatementResult};
use crate::error::Error;

/// What came of one batch.
pub(crate) type Answer = Result<Vec<StatementResult>, Failure>;

impl Session {
    /// Appends a batch to what is sent with the next [`Session::proceed`], and gives what follows its answer.
    pub(crate) fn append(&mut self, batch: &Batch) -> Result<Progress, Error> {
        exchange::check_sendable(&batch.settings, &batch.statements)?;
        self.statements.distrust_names = false;
        self.encode_batch(batch, Sink::Result);
        let spare = Progress::new(self.options.max_reply_bytes);
        Ok(std::mem::replace(&mut self.progress, spare))
    }

    /// Sends and receives, whichever is possible first. Dropping the future loses nothing.
    pub(crate) async fn proceed(&mut self) -> Result<(), Error> {
        let done = self.channel.fill().await;
        self.broken |= done.is_err();
        Ok(done?)
    }

    /// Reads what came of the answer to the oldest batch; `None` when more must come. An error is the connection's.
    pub(crate) fn advance(&mut self, progress: &mut Progress) -> Result<Option<Answer>, Error> {
        std::mem::swap(progress, &mut self.progress);
        let taken = self.take_messages();
        std::mem::swap(progress, &mut self.progress);
        let taken = match taken {
            Ok(true) if self.status != b'I' => Err(Error::Protocol("a transaction was left open")),
            taken => taken,
        };
        self.broken |= taken.is_err();
        Ok(taken?.then(|| progress.take()))
    }

    /// Every answer came: the session is free for anybody.
    pub(crate) fn all_answered(&mut self) {
        self.doing = Doing::Nothing;
    }
}
