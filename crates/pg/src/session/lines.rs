//! The last statement of a batch, taken row by row: what a streamed answer is made of.
//!
//! Each row is one text column, handed on as a line. The statements before it and its own beginning are awaited first,
//! so that most failures are known before anything is released; what comes after the first rows is not
//! (docs/adr/0005). Rows wait in the server, not here: nothing is read while nobody asks for more.
//! Invariant: no line is released before the nonce of the request came back; the end is told only after ReadyForQuery.

use bytes::Bytes;

use super::progress::Failure;
use super::{Doing, Session, exchange};
use crate::batch::{Batch, StatementResult};
use crate::error::Error;

/// Lines are handed over in pieces of about this size, or when the server has no more for the moment.
const PIECE: usize = 64 * 1024;

impl Session {
    /// Sends the batch and waits for the first lines of its last statement, or its end; gives the results of the
    /// statements before it. A failure up to there is an ordinary one.
    pub(crate) async fn begin_lines(&mut self, batch: &Batch) -> Result<Vec<StatementResult>, Error> {
        exchange::check_sendable(&batch.settings, &batch.statements)?;
        self.make_ready().await?;
        let mut retried = false;
        loop {
            self.encode_lines(batch);
            if !self.advance_lines().await? {
                return Ok(self.progress.take_results());
            }
            match self.progress.take() {
                Ok(results) => return Ok(results),
                Err(Failure { stale: Some(stale), .. }) if !retried => {
                    retried = true;
                    self.forget(&stale);
                    if self.status != b'I' {
                        self.script("rollback").await?;
                    }
                }
                Err(failure) => return Err(Error::Db(failure.error)),
            }
        }
    }

    /// The next lines, each with a line feed at its end; `None` once all came and the transaction ended well.
    pub(crate) async fn next_lines(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if let Some(lines) = self.progress.take_lines() {
                return Ok(Some(lines));
            }
            if self.doing == Doing::Nothing {
                return Ok(None);
            }
            if self.advance_lines().await? {
                self.progress.take().map_err(|failure| Error::Db(failure.error))?;
            }
        }
    }

    /// Reads until there are lines to hand over, or the end: `true`.
    async fn advance_lines(&mut self) -> Result<bool, Error> {
        let read = self.read_lines().await;
        self.broken |= read.is_err();
        if read? {
            self.doing = Doing::Nothing;
            return Ok(true);
        }
        Ok(false)
    }

    async fn read_lines(&mut self) -> Result<bool, Error> {
        loop {
            if self.take_messages_while(|progress| progress.lines.len() < PIECE)? {
                return Ok(true);
            }
            let lines = &self.progress.lines;
            // At the end of the rows the end of the transaction is near: what waits for that is known to be right.
            if lines.len() >= PIECE || (!lines.is_empty() && self.progress.expects_lines()) {
                return Ok(false);
            }
            self.channel.fill().await?;
        }
    }
}
