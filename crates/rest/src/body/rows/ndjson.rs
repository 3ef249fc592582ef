//! One JSON object a line.

use std::collections::BTreeSet;

use super::{MAX_ROW, RowError, Sink};
use crate::body::BodyError;
use crate::body::json::RowKeys;

/// An NDJSON body on its way.
#[derive(Default)]
pub(crate) struct NdjsonRows {
    /// The beginning of a line whose end has not come.
    rest: Vec<u8>,
    /// The line that is being read.
    line: u64,
    keys: RowKeys,
    /// Objects may have any keys.
    any_keys: bool,
}

impl NdjsonRows {
    pub(super) fn new(any_keys: bool) -> Self {
        Self { line: 1, any_keys, ..Self::default() }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8], sink: &mut impl Sink) -> Result<(), RowError> {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (piece, after) = (&bytes[..end], &bytes[end + 1..]);
            if self.rest.is_empty() {
                self.take(piece, sink)?;
            } else {
                self.keep(piece)?;
                let line = std::mem::take(&mut self.rest);
                self.take(&line, sink)?;
                // A buffer that grew for one long line is not kept for all the short ones.
                self.rest = line;
                self.rest.clear();
                self.rest.shrink_to(64 * 1024);
            }
            self.line += 1;
            bytes = after;
        }
        self.keep(bytes)
    }

    pub(super) fn finish(&mut self, sink: &mut impl Sink) -> Result<(), RowError> {
        let line = std::mem::take(&mut self.rest);
        self.take(&line, sink)
    }

    pub(super) fn keys(&self) -> BTreeSet<String> {
        self.keys.sorted()
    }

    fn keep(&mut self, piece: &[u8]) -> Result<(), RowError> {
        if self.rest.len() + piece.len() > MAX_ROW {
            return Err(self.error(BodyError::Long));
        }
        self.rest.extend_from_slice(piece);
        Ok(())
    }

    /// Takes a whole line.
    fn take(&mut self, line: &[u8], sink: &mut impl Sink) -> Result<(), RowError> {
        if line.len() > MAX_ROW {
            return Err(self.error(BodyError::Long));
        }
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(());
        }
        let text = std::str::from_utf8(line).map_err(|_| self.error(BodyError::Encoding))?;
        let checked = self.keys.check(text, self.any_keys);
        checked.map_err(|error| self.error(error))?;
        sink.row(self.line, line);
        Ok(())
    }

    fn error(&self, error: BodyError) -> RowError {
        RowError { line: self.line, error }
    }
}

impl std::fmt::Debug for NdjsonRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NdjsonRows").field("line", &self.line).finish_non_exhaustive()
    }
}
