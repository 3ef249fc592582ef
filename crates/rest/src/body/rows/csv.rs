//! Csv with a header line, in pieces: the parser of `csv`, fed by hand, and what watches its quotes.

use std::collections::BTreeSet;

use csv_core::{ReadRecordResult, Reader};

use super::{MAX_ROW, RowError, Sink};
use crate::body::BodyError;
use crate::body::csv::{Columns, columns, write_row};
use crate::body::quotes::{Misplaced, Quotes};

/// Most fields of a line: more than any table has.
const MAX_FIELDS: usize = 4096;
/// Bytes of a byte order mark, which the parser sees only in one piece.
const MARK: usize = 3;
/// First size of the buffer for a line.
const USUAL_ROW: usize = 16 * 1024;

/// A csv body on its way.
pub(crate) struct CsvRows {
    reader: Reader,
    quotes: Quotes,
    /// The first bytes, until there are enough to see whether they are a byte order mark.
    start: Option<Vec<u8>>,
    /// Texts of the fields so far, one behind the other, and where each ends.
    texts: Vec<u8>,
    text_length: usize,
    ends: Vec<usize>,
    fields: usize,
    /// Line feeds so far, and whether one was the last byte.
    feeds: u64,
    after_feed: bool,
    header: Option<Columns>,
    header_fields: usize,
    has_rows: bool,
    json: Vec<u8>,
}

impl Default for CsvRows {
    fn default() -> Self {
        Self {
            reader: Reader::new(),
            quotes: Quotes::default(),
            start: Some(Vec::new()),
            texts: vec![0; USUAL_ROW],
            text_length: 0,
            ends: vec![0; 64],
            fields: 0,
            feeds: 0,
            after_feed: false,
            header: None,
            header_fields: 0,
            has_rows: false,
            json: Vec::new(),
        }
    }
}

impl CsvRows {
    pub(super) fn push(&mut self, bytes: &[u8], sink: &mut impl Sink) -> Result<(), RowError> {
        let Some(mut start) = self.start.take() else { return self.feed(bytes, sink) };
        start.extend_from_slice(bytes);
        if start.len() < MARK {
            self.start = Some(start);
            return Ok(());
        }
        self.feed(&start, sink)
    }

    fn feed(&mut self, mut bytes: &[u8], sink: &mut impl Sink) -> Result<(), RowError> {
        // An empty input would mean the end.
        while !bytes.is_empty() {
            let taken = self.step(bytes, sink)?;
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, sink: &mut impl Sink) -> Result<(), RowError> {
        if let Some(start) = self.start.take() {
            self.feed(&start, sink)?;
        }
        self.quotes.finish()?;
        while !self.is_finished(sink)? {}
        match self.header {
            Some(_) => Ok(()),
            None => Err(self.error(BodyError::Csv)),
        }
    }

    fn is_finished(&mut self, sink: &mut impl Sink) -> Result<bool, RowError> {
        let before = (self.text_length, self.fields, self.texts.len(), self.ends.len());
        let result = self.read(&[]);
        match result.0 {
            ReadRecordResult::End => Ok(true),
            ReadRecordResult::Record => {
                // Nothing ended it but the end itself.
                self.after_feed = false;
                self.record(sink).map(|()| false)
            }
            _ => {
                self.grow(&result.0)?;
                // A parser that neither ends nor moves at the end of its input is out of step.
                let after = (self.text_length, self.fields, self.texts.len(), self.ends.len());
                if before == after { Err(self.error(BodyError::Csv)) } else { Ok(false) }
            }
        }
    }

    /// Feeds the parser once; how much it took.
    fn step(&mut self, bytes: &[u8], sink: &mut impl Sink) -> Result<usize, RowError> {
        let (result, taken) = self.read(bytes);
        self.quotes.see(&bytes[..taken])?;
        match result {
            ReadRecordResult::Record => self.record(sink)?,
            other => self.grow(&other)?,
        }
        Ok(taken)
    }

    fn read(&mut self, bytes: &[u8]) -> (ReadRecordResult, usize) {
        let (texts, ends) = (&mut self.texts[self.text_length..], &mut self.ends[self.fields..]);
        let (result, taken, written, fields) = self.reader.read_record(bytes, texts, ends);
        self.text_length += written;
        self.fields += fields;
        let taken_bytes = &bytes[..taken];
        self.feeds += taken_bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        if let Some(last) = taken_bytes.last() {
            self.after_feed = *last == b'\n';
        }
        (result, taken)
    }

    fn grow(&mut self, result: &ReadRecordResult) -> Result<(), RowError> {
        match result {
            ReadRecordResult::OutputFull if self.texts.len() >= MAX_ROW => Err(self.error(BodyError::Long)),
            ReadRecordResult::OutputFull => {
                let size = (self.texts.len() * 2).min(MAX_ROW);
                self.texts.resize(size, 0);
                Ok(())
            }
            ReadRecordResult::OutputEndsFull if self.ends.len() >= MAX_FIELDS => Err(self.error(BodyError::CsvFields)),
            ReadRecordResult::OutputEndsFull => {
                self.ends.resize(self.ends.len() * 2, 0);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A line is complete.
    fn record(&mut self, sink: &mut impl Sink) -> Result<(), RowError> {
        let line = self.line();
        let (length, fields) = (self.text_length, self.fields);
        self.text_length = 0;
        self.fields = 0;
        let wrong = |error| RowError { line, error };
        let text = std::str::from_utf8(&self.texts[..length]).map_err(|_| wrong(BodyError::Encoding))?;
        let field = |index: usize| -> Option<&str> {
            let start = if index == 0 { 0 } else { *self.ends.get(index - 1)? };
            text.get(start..*self.ends.get(index).filter(|_| index < fields)?)
        };
        // Bytes of one character that stand in two fields are no text, though together they look like it.
        let texts: Option<Vec<&str>> = (0..fields).map(field).collect();
        let texts = texts.ok_or(wrong(BodyError::Encoding))?;
        let Some(header) = &self.header else {
            self.header = Some(columns(texts.into_iter()).map_err(wrong)?);
            self.header_fields = fields;
            return Ok(());
        };
        if fields != self.header_fields {
            return Err(wrong(BodyError::CsvFields));
        }
        self.json.clear();
        write_row(&mut self.json, header, |index| texts.get(index).copied()).map_err(wrong)?;
        self.has_rows = true;
        sink.row(line, &self.json);
        if self.json.capacity() > MAX_ROW {
            self.json = Vec::new();
        }
        Ok(())
    }

    /// The line on which the record began that is complete now.
    fn line(&self) -> u64 {
        let last = if self.after_feed { self.feeds } else { self.feeds + 1 };
        last.saturating_sub(self.feeds_inside()).max(1)
    }

    fn feeds_inside(&self) -> u64 {
        self.texts[..self.text_length].iter().filter(|byte| **byte == b'\n').count() as u64
    }

    pub(super) fn keys(&self) -> BTreeSet<String> {
        let header = self.header.as_ref().filter(|_| self.has_rows);
        header.map(|header| header.keys().cloned().collect()).unwrap_or_default()
    }

    /// An error of a record that is not complete.
    fn error(&self, error: BodyError) -> RowError {
        RowError { line: (self.feeds + 1).saturating_sub(self.feeds_inside()).max(1), error }
    }
}

impl From<Misplaced> for RowError {
    fn from(Misplaced { line, error }: Misplaced) -> Self {
        Self { line, error }
    }
}

impl std::fmt::Debug for CsvRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CsvRows").field("feeds", &self.feeds).finish_non_exhaustive()
    }
}
