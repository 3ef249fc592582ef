//! Data for a table of the session and the statement that takes it from there, in one transaction.
//!
//! begin -> settings and role -> COPY -> statement -> end. A COPY cannot be in the middle of a flush, so this is several
//! of them; nothing is committed before the last. The statement stands behind a savepoint, so that after its failure
//! the transaction can still be asked how far it came.
//! Invariant: whatever happens, the session is not used again: the caller closes it, which also undoes what was open.

use std::io;

use bytes::Bytes;
use futures_util::Stream;

use super::Session;
use crate::batch::{Batch, Reply};
use crate::error::Error;

/// What is done around the data.
pub struct Load<'a> {
    /// Script that begins the transaction and makes the table, as the login itself.
    pub open: &'a str,
    /// Settings, role, and statements that must succeed before any data is taken ([`crate::Mode::Within`]).
    pub prepare: &'a Batch,
    /// `COPY ... FROM STDIN`.
    pub copy: &'a str,
    /// What is made of the data, and the end of the transaction ([`crate::Mode::Within`]).
    pub finish: &'a Batch,
    /// One number: how far `finish` came. Asked when it fails.
    pub reached: &'a str,
}

/// A load that did not happen. Nothing of it is kept.
#[derive(Debug)]
pub struct LoadError {
    /// Why.
    pub error: Error,
    /// What [`Load::reached`] answered, when `finish` failed.
    pub reached: Option<u64>,
}

impl From<Error> for LoadError {
    fn from(error: Error) -> Self {
        Self { error, reached: None }
    }
}

impl Session {
    /// Runs a load. An error of the chunks fails it as [`Error::Io`].
    pub(crate) async fn load<S>(&mut self, load: &Load<'_>, chunks: S) -> Result<Reply, LoadError>
    where
        S: Stream<Item = io::Result<Bytes>> + Send,
    {
        // A name that the server lost would cost the transaction and all that was uploaded: everything is parsed anew.
        self.statements.forget_all();
        self.script(load.open).await?;
        self.exchange(load.prepare).await?;
        self.copy_in(load.copy, chunks).await?;
        self.script("savepoint ferrobase_load").await?;
        match self.exchange(load.finish).await {
            Ok(reply) => Ok(reply),
            Err(error) => Err(LoadError { reached: self.reached(load, &error).await, error }),
        }
    }

    /// How far the statement came; `None` where it did not begin, or its transaction is gone.
    async fn reached(&mut self, load: &Load<'_>, error: &Error) -> Option<u64> {
        if !matches!(error, Error::Db(_)) || self.broken || self.status != b'E' {
            return None;
        }
        self.script("rollback to savepoint ferrobase_load").await.ok()?;
        let result = self.query(load.reached, &[]).await.ok()?;
        result.rows.first()?.text(0)?.parse().ok()
    }
}
