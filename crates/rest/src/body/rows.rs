//! Bodies that are streamed: NDJSON and csv taken apart row by row, as binary COPY data for the staging table.
//!
//! First stage, for inserts that are too large to be held. A row is an object of JSON text and the number of the line
//! that it began on. The rules are those of ordinary bodies (`json`, `csv`): same keys in all objects, as many fields
//! as the header has, `NULL` is null. Blank lines are skipped.
//! Invariant: what is held is one row and what has just come, whatever the body is; cut anywhere, the same bytes give
//! the same rows or the same error.

mod csv;
mod ndjson;

use std::collections::BTreeSet;

use self::csv::CsvRows;
use self::ndjson::NdjsonRows;
use super::BodyError;

/// Longest row, far beyond what one should be.
pub const MAX_ROW: usize = 8 * 1024 * 1024;

/// What a streamed body is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `application/x-ndjson`; with `columns=` the keys may differ.
    Ndjson {
        /// The request lists the columns.
        listed: bool,
    },
    /// `text/csv` with a header line.
    Csv,
}

/// What is wrong with a streamed body, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error} (line {line})")]
pub struct RowError {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub error: BodyError,
}

/// Where rows go.
pub(crate) trait Sink {
    /// Takes a row: an object of JSON text.
    fn row(&mut self, line: u64, json: &[u8]);
}

/// A body on its way.
#[derive(Debug)]
pub(crate) enum Rows {
    Ndjson(NdjsonRows),
    Csv(Box<CsvRows>),
}

impl Rows {
    pub(crate) fn new(format: Format) -> Self {
        match format {
            Format::Ndjson { listed } => Self::Ndjson(NdjsonRows::new(listed)),
            Format::Csv => Self::Csv(Box::default()),
        }
    }

    /// Takes the next bytes.
    pub(crate) fn push(&mut self, bytes: &[u8], sink: &mut impl Sink) -> Result<(), RowError> {
        match self {
            Self::Ndjson(rows) => rows.push(bytes, sink),
            Self::Csv(rows) => rows.push(bytes, sink),
        }
    }

    /// There are no more.
    pub(crate) fn finish(&mut self, sink: &mut impl Sink) -> Result<(), RowError> {
        match self {
            Self::Ndjson(rows) => rows.finish(sink),
            Self::Csv(rows) => rows.finish(sink),
        }
    }

    /// Keys of the first row, as far as there was one.
    pub(crate) fn keys(&self) -> BTreeSet<String> {
        match self {
            Self::Ndjson(rows) => rows.keys(),
            Self::Csv(rows) => rows.keys(),
        }
    }
}

/// Rows as the data of `COPY ... (line, doc) FROM STDIN (FORMAT binary)`, where `line` is a bigint and `doc` a text.
#[derive(Debug, Default)]
pub(crate) struct CopyData {
    /// What was written and not taken.
    pub(crate) bytes: Vec<u8>,
    /// Rows so far.
    pub(crate) rows: u64,
    /// Line of the last one.
    pub(crate) last_line: u64,
}

impl CopyData {
    /// The beginning of the data: signature, no flags, no extension.
    pub(crate) const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
    /// Its end.
    pub(crate) const TRAILER: &[u8] = &(-1_i16).to_be_bytes();
}

impl Sink for CopyData {
    fn row(&mut self, line: u64, json: &[u8]) {
        self.rows += 1;
        self.last_line = line;
        self.bytes.reserve(json.len() + 18);
        self.bytes.extend_from_slice(&2_i16.to_be_bytes());
        self.bytes.extend_from_slice(&8_i32.to_be_bytes());
        self.bytes.extend_from_slice(&line.to_be_bytes());
        // A row is at most `MAX_ROW` and a little more when csv becomes JSON: far below 2 GB.
        self.bytes.extend_from_slice(&u32::try_from(json.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.bytes.extend_from_slice(json);
    }
}

/// A body that comes in these pieces as the data of a COPY, or what is wrong with it: for whoever wants to see what
/// streaming makes of a body without a database.
pub fn copy_data<'p>(format: Format, pieces: impl IntoIterator<Item = &'p [u8]>) -> Result<Vec<u8>, RowError> {
    let mut data = CopyData { bytes: CopyData::HEADER.to_vec(), ..CopyData::default() };
    let mut rows = Rows::new(format);
    pieces.into_iter().try_for_each(|piece| rows.push(piece, &mut data))?;
    rows.finish(&mut data)?;
    data.bytes.extend_from_slice(CopyData::TRAILER);
    Ok(data.bytes)
}

#[cfg(test)]
mod tests;
