//! A streamed body on its way into COPY.
//!
//! The first row is read alone, since its keys decide the plan; the rest is read when the database takes it.
//! Invariant: an error of the body reaches the caller as it is, also through the COPY that it ends.

use std::collections::BTreeSet;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use bytes::Bytes;
use ferrobase_base::PublicError;
use ferrobase_edge::chunks;
use futures_util::{Stream, StreamExt, stream};

use crate::body::rows::{CopyData, Format, Rows};
use crate::error::Error;

/// Size of the pieces that are handed on.
const PIECE: usize = 64 * 1024;

/// What is read from.
type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, PublicError>> + Send>>;

/// A body that is being taken in.
pub(super) struct Intake {
    chunks: Chunks,
    rows: Rows,
    data: CopyData,
    ended: bool,
    last_line: Arc<AtomicU64>,
}

/// An error of the body inside an error of the COPY.
#[derive(Debug, thiserror::Error)]
#[error("the body: {0}")]
pub(super) struct BodyFailure(pub(super) PublicError);

impl Intake {
    pub(super) fn new(format: Format, body: Body) -> Self {
        Self {
            chunks: Box::pin(chunks(body)),
            rows: Rows::new(format),
            data: CopyData { bytes: CopyData::HEADER.to_vec(), ..CopyData::default() },
            ended: false,
            last_line: Arc::default(),
        }
    }

    /// Reads the first row and gives its keys; none where there is no row.
    pub(super) async fn first_keys(&mut self) -> Result<BTreeSet<String>, PublicError> {
        while self.data.rows == 0 && !self.ended {
            self.pull().await?;
        }
        Ok(self.rows.keys())
    }

    /// The line of the last row that was taken, once the data is read.
    pub(super) fn last_line(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.last_line)
    }

    /// Everything as the data of the COPY.
    pub(super) fn into_data(self) -> impl Stream<Item = io::Result<Bytes>> + Send {
        stream::unfold(Some(self), |state| async move {
            let mut intake = state?;
            while intake.data.bytes.len() < PIECE && !intake.ended {
                if let Err(error) = intake.pull().await {
                    return Some((Err(io::Error::other(BodyFailure(error))), None));
                }
            }
            let mut piece = std::mem::take(&mut intake.data.bytes);
            let ended = intake.ended;
            if ended {
                piece.extend_from_slice(CopyData::TRAILER);
            }
            Some((Ok(Bytes::from(piece)), (!ended).then_some(intake)))
        })
    }

    async fn pull(&mut self) -> Result<(), PublicError> {
        let taken = match self.chunks.next().await {
            Some(bytes) => self.rows.push(&bytes?, &mut self.data),
            None => {
                self.ended = true;
                self.rows.finish(&mut self.data)
            }
        };
        taken.map_err(Error::Row)?;
        self.last_line.store(self.data.last_line, Ordering::Relaxed);
        Ok(())
    }
}
