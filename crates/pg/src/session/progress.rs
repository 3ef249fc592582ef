//! Follows the answer to one flush, message by message, and collects its results.
//!
//! Each statement that was sent is a [`Step`]; the server must answer them in order and completely, and the first
//! step's row must return the nonce of this request. Anything else means that we and the server, or something between
//! us, are out of step: the connection is closed and nothing of the answer is released.
//! All state is in [`Progress`], so that an answer whose reader was dropped can be finished by somebody else.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::pace::Pace;
use super::statements::{Control, Entry, Key, Name, Statements};
use crate::batch::{Column, StatementResult};
use crate::db_error::DbError;
use crate::error::Error;
use crate::row::{Row, RowArena};
use crate::sqlstate::SqlState;
use crate::wire::{Body, Message, message, tag};

/// Text of a nonce: 16 hexadecimal digits.
pub(crate) type Nonce = [u8; 16];

/// What one statement of the flush is, and what its answer is good for.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) parse: Parse,
    /// Whether a description was asked for.
    pub(crate) describe: bool,
    pub(crate) sink: Sink,
    /// The prepared statement that it uses, when that is a user's.
    pub(crate) key: Option<Key>,
    /// Whether it ran by a name that the server should know already.
    pub(crate) by_name: bool,
    /// Columns known from an earlier description.
    pub(crate) columns: Option<Arc<[Column]>>,
}

/// What was sent before the Bind.
#[derive(Debug)]
pub(crate) enum Parse {
    Nothing,
    Unnamed,
    Named { name: Name, types: Box<[u32]> },
    Control { control: Control, name: Name },
}

/// Where the rows of a step go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sink {
    /// Nowhere: BEGIN, COMMIT, resets.
    Control,
    /// Compared with the nonce.
    Settings,
    /// Into the reply.
    Result,
    /// One text each, handed on as they come.
    Lines,
}

/// What the current step waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Parse,
    Bind,
    Description,
    Rows,
    CopyOut,
    /// Only ReadyForQuery: all steps are done, or one failed and the server skips the rest.
    Ready,
}

/// What the server said of a failed flush.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Box<DbError>,
    /// The failing Bind named a statement that the server has forgotten, or whose plan no longer fits: nothing of the
    /// transaction was kept, so it may run again with fresh statements.
    pub(crate) stale: Option<Stale>,
}

/// Which prepared statements are to be made anew.
#[derive(Debug)]
pub(crate) enum Stale {
    /// The name is unknown: somebody dropped it, and perhaps all of them.
    All,
    /// The result type of this one changed.
    One(Key),
}

/// The answer so far.
#[derive(Debug)]
pub(crate) struct Progress {
    pub(crate) steps: Vec<Step>,
    /// CloseComplete messages to come first.
    pub(crate) closes: usize,
    pub(crate) nonce: Nonce,
    current: usize,
    phase: Phase,
    any: bool,
    nonce_returned: bool,
    results: Vec<StatementResult>,
    rows: RowArena,
    columns: Option<Arc<[Column]>>,
    bytes: usize,
    max_bytes: usize,
    failure: Option<Failure>,
    /// Lines that nobody took yet.
    pub(crate) lines: BytesMut,
    line_count: u64,
    /// Nobody waits for the rows any more.
    pub(crate) discard: bool,
}

impl Progress {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            steps: Vec::new(),
            closes: 0,
            nonce: Nonce::default(),
            current: 0,
            phase: Phase::Ready,
            any: false,
            nonce_returned: false,
            results: Vec::new(),
            rows: RowArena::default(),
            columns: None,
            bytes: 0,
            max_bytes,
            failure: None,
            lines: BytesMut::new(),
            line_count: 0,
            discard: false,
        }
    }

    /// Forgets the last flush; steps of the next one are pushed afterwards.
    pub(crate) fn reset(&mut self) {
        self.steps.clear();
        self.closes = 0;
        self.current = 0;
        self.any = false;
        self.nonce_returned = false;
        self.results = Vec::new();
        self.rows = RowArena::default();
        self.columns = None;
        self.bytes = 0;
        self.failure = None;
        self.lines = BytesMut::new();
        self.line_count = 0;
        self.discard = false;
    }

    /// All steps are pushed: wait for the first.
    pub(crate) fn begin(&mut self) {
        self.enter_step();
    }

    /// Results so far, of a flush that is not at its end.
    pub(crate) fn take_results(&mut self) -> Vec<StatementResult> {
        std::mem::take(&mut self.results)
    }

    /// Whether more lines may come.
    pub(crate) fn expects_lines(&self) -> bool {
        self.failure.is_none() && self.steps.get(self.current).is_some_and(|step| step.sink == Sink::Lines)
    }

    /// Lines so far, where there are any.
    pub(crate) fn take_lines(&mut self) -> Option<Bytes> {
        (!self.lines.is_empty()).then(|| self.lines.split().freeze())
    }

    /// What came of it, once the server is ready again.
    pub(crate) fn take(&mut self) -> Result<Vec<StatementResult>, Failure> {
        match self.failure.take() {
            Some(failure) => Err(failure),
            None => Ok(std::mem::take(&mut self.results)),
        }
    }

    /// Whether the server answered nothing at all to this flush. PostgreSQL sends what a statement answered before it
    /// reports that it shuts down, so nothing ran when that report is the first thing to arrive.
    pub(crate) fn is_untouched(&self) -> bool {
        !self.any
    }

    /// Takes a message; `true` when it was ReadyForQuery.
    pub(crate) fn take_message(&mut self, message: &Message<'_>, statements: &mut Statements) -> Result<bool, Error> {
        let body = message.body.as_slice();
        if message.tag == tag::ERROR {
            return self.failed(body).map(|()| false);
        }
        self.any = true;
        if self.closes > 0 && message.tag == tag::CLOSE_COMPLETE {
            self.closes -= 1;
            return Ok(false);
        }
        match (message.tag, self.phase) {
            (tag::PARSE_COMPLETE, Phase::Parse) => self.parsed(statements),
            (tag::BIND_COMPLETE, Phase::Bind) => self.bound(),
            (tag::ROW_DESCRIPTION, Phase::Description) => {
                let columns = message::columns(body).ok_or(Error::Protocol("a malformed description"))?;
                self.described(columns, statements);
            }
            (tag::NO_DATA, Phase::Description) => self.described(Arc::default(), statements),
            (tag::DATA_ROW, Phase::Rows) => self.row(&message.body)?,
            (tag::COPY_OUT_RESPONSE, Phase::Rows) => self.phase = Phase::CopyOut,
            (tag::COPY_DATA, Phase::CopyOut) => self.copy_data(body)?,
            (tag::COPY_DONE, Phase::CopyOut) => self.phase = Phase::Rows,
            (tag::COMMAND_COMPLETE, Phase::Rows) => {
                self.complete(message::command_tag(body).ok_or(Error::Protocol("a malformed command tag"))?)?;
            }
            (tag::EMPTY_QUERY, Phase::Rows) => self.complete("")?,
            (tag::READY_FOR_QUERY, Phase::Ready) => return Ok(true),
            _ => return Err(Error::Protocol("a message that does not belong here")),
        }
        Ok(false)
    }

    fn enter_step(&mut self) {
        self.phase = match self.steps.get(self.current) {
            None => Phase::Ready,
            Some(Step { parse: Parse::Nothing, .. }) => Phase::Bind,
            Some(_) => Phase::Parse,
        };
    }

    fn parsed(&mut self, statements: &mut Statements) {
        let step = &mut self.steps[self.current];
        match std::mem::replace(&mut step.parse, Parse::Nothing) {
            Parse::Named { name, types } => {
                if let Some(key) = &step.key {
                    statements.prepared(key.clone(), Entry { name, types, columns: None, pace: Pace::default() });
                }
            }
            Parse::Control { control, name } => statements.prepared_control(control, name),
            Parse::Nothing | Parse::Unnamed => {}
        }
        self.phase = Phase::Bind;
    }

    fn bound(&mut self) {
        let step = &mut self.steps[self.current];
        self.columns = step.columns.take();
        self.phase = if step.describe { Phase::Description } else { Phase::Rows };
    }

    fn described(&mut self, columns: Arc<[Column]>, statements: &mut Statements) {
        if let Some(key) = &self.steps[self.current].key {
            statements.described(key, &columns);
        }
        self.columns = Some(columns);
        self.phase = Phase::Rows;
    }

    fn row(&mut self, body: &Body<'_>) -> Result<(), Error> {
        let slice = body.as_slice();
        match (self.steps[self.current].sink, body) {
            (Sink::Result, Body::Shared(slice)) => self.collect_row(slice),
            (Sink::Result, Body::Owned(bytes)) => {
                let columns = self.columns_of(slice)?;
                if !self.discard {
                    self.rows.own(columns, bytes);
                }
                Ok(())
            }
            _ if Row::check(slice).is_none() => Err(Error::Protocol(MALFORMED_ROW)),
            (Sink::Control, _) => Ok(()),
            (Sink::Settings, _) => self.compare_nonce(slice),
            (Sink::Lines, _) => self.line(slice),
        }
    }

    /// Whether the rows that come next go into the reply.
    pub(crate) fn collects_rows(&self) -> bool {
        self.phase == Phase::Rows && self.steps.get(self.current).is_some_and(|step| step.sink == Sink::Result)
    }

    /// Takes the body of such a row.
    pub(crate) fn collect_row(&mut self, body: &[u8]) -> Result<(), Error> {
        let columns = self.columns_of(body)?;
        if !self.discard {
            self.rows.copy(columns, body);
        }
        Ok(())
    }

    /// How many columns a row for the reply has, once it is looked at and counted.
    fn columns_of(&mut self, body: &[u8]) -> Result<u16, Error> {
        let columns = Row::check(body).ok_or(Error::Protocol(MALFORMED_ROW))?;
        if self.columns.as_ref().is_some_and(|known| known.len() != usize::from(columns)) {
            return Err(Error::Protocol("a row with other columns than were described"));
        }
        self.count_bytes(body.len())?;
        Ok(columns)
    }

    /// A row of one text column as a line. Line breaks of JSON, which only stand between its tokens, become blanks.
    fn line(&mut self, body: &[u8]) -> Result<(), Error> {
        let text = match body.split_first_chunk::<6>() {
            Some(([0, 1, length @ ..], text)) if usize::try_from(u32::from_be_bytes(*length)) == Ok(text.len()) => text,
            _ => return Err(Error::Protocol("a line that is not one text")),
        };
        self.line_count += 1;
        if self.discard {
            return Ok(());
        }
        self.lines.reserve(text.len() + 1);
        let start = self.lines.len();
        self.lines.extend_from_slice(text);
        // `contains` on a byte is a vectorised search.
        if text.contains(&b'\n') || text.contains(&b'\r') {
            self.lines[start..].iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
        }
        self.lines.extend_from_slice(b"\n");
        Ok(())
    }

    /// The first column of the settings' row is the nonce: `i16 count, i32 length, value`.
    fn compare_nonce(&mut self, body: &[u8]) -> Result<(), Error> {
        let returned = body.get(2..6).filter(|length| **length == 16_u32.to_be_bytes()).and_then(|_| body.get(6..22));
        if self.nonce_returned || returned != Some(&self.nonce[..]) {
            return Err(Error::Protocol(WRONG_NONCE));
        }
        self.nonce_returned = true;
        Ok(())
    }

    fn copy_data(&mut self, body: &[u8]) -> Result<(), Error> {
        self.count_bytes(body.len())?;
        if !self.discard {
            self.rows.single(body);
        }
        Ok(())
    }

    fn count_bytes(&mut self, more: usize) -> Result<(), Error> {
        self.bytes += more;
        if self.bytes > self.max_bytes && !self.discard {
            return Err(Error::ReplyTooLarge { limit: self.max_bytes });
        }
        Ok(())
    }

    fn complete(&mut self, tag: &str) -> Result<(), Error> {
        match self.steps[self.current].sink {
            Sink::Control => {}
            Sink::Settings if self.nonce_returned => {}
            Sink::Settings => return Err(Error::Protocol(WRONG_NONCE)),
            Sink::Result => self.keep_result(tag)?,
            Sink::Lines if message::tag_rows(tag) != self.line_count && !self.discard => {
                return Err(Error::Protocol(LOST_ROWS));
            }
            Sink::Lines => {}
        }
        self.current += 1;
        self.enter_step();
        Ok(())
    }

    fn keep_result(&mut self, tag: &str) -> Result<(), Error> {
        let rows = self.rows.take();
        let columns = self.columns.take().unwrap_or_default();
        if self.discard {
            return Ok(());
        }
        // The only count that the protocol gives; a lost or doubled row must not go unnoticed.
        if tag.starts_with("SELECT ") && !columns.is_empty() && message::tag_rows(tag) != rows.len() as u64 {
            return Err(Error::Protocol(LOST_ROWS));
        }
        self.results.push(StatementResult { columns, rows, tag: tag.to_owned() });
        Ok(())
    }

    fn failed(&mut self, body: &[u8]) -> Result<(), Error> {
        let error = Box::new(DbError::decode(body).ok_or(Error::Protocol("a malformed error"))?);
        if error.is_fatal() {
            return Err(Error::Db(error));
        }
        self.any = true;
        if self.failure.is_none() {
            let stale = self.stale(&error);
            self.failure = Some(Failure { error, stale });
        }
        self.phase = Phase::Ready;
        Ok(())
    }

    fn stale(&self, error: &DbError) -> Option<Stale> {
        let step = self.steps.get(self.current).filter(|step| self.phase == Phase::Bind && step.by_name)?;
        match error.code {
            SqlState::INVALID_SQL_STATEMENT_NAME => Some(Stale::All),
            // The code has many causes and the message may be translated; the routine is neither.
            SqlState::FEATURE_NOT_SUPPORTED if error.routine.as_deref() == Some("RevalidateCachedQuery") => {
                Some(step.key.clone().map_or(Stale::All, Stale::One))
            }
            _ => None,
        }
    }
}

const MALFORMED_ROW: &str = "a malformed row";
const LOST_ROWS: &str = "rows were lost on the way";

/// Counted by pools: see `PoolStats::desyncs`.
pub(crate) const WRONG_NONCE: &str = "the answer belongs to another request";
