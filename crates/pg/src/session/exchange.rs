//! The request path: a [`Batch`] out in one write, its [`Reply`] back after ReadyForQuery.
//!
//! One contiguous buffer: closes of evicted statements, BEGIN when asked for, one `select set_config(...)` for all
//! settings, each statement, the end of an explicit transaction, and a single Sync. With one Sync an error anywhere
//! skips everything after it, so no statement can run without its settings (requirements/performance.md, 3.1 to 3.3).
//! A batch with a [`Judge`] is two such flushes in one explicit transaction, each with a nonce of its own.
//! Retries once when prepared statements vanished or changed type, which fails before anything is kept.
//! Read on: `progress.rs` for the way back, `statements.rs` for what is prepared.

use std::sync::Arc;
use std::time::Instant;

use rand::Rng;

use super::position::Behind;
use super::progress::{Failure, Nonce, Parse, Sink, Stale, Step};
use super::statements::{Control, Key, Lookup};
use super::{Doing, Session};
use crate::batch::{Batch, End, Isolation, Judge, Mode, Reply, Settings, Statement, StatementResult, Timing};
use crate::error::Error;
use crate::wire::write;

/// The setting that carries the nonce of a request.
const NONCE_SETTING: &str = "ferrobase.nonce";
/// Most parameters of a statement: the protocol counts them in 16 bits.
const MAX_PARAMETERS: usize = u16::MAX as usize;
/// Most settings of a batch; callers have a dozen.
const MAX_SETTINGS: usize = 500;
/// Largest message: its length is a signed 32-bit number, and PostgreSQL's own bound is 1 GB.
const MAX_MESSAGE: usize = 1 << 30;
/// `text`, for names and values of settings.
const TEXT: u32 = 25;

impl Session {
    /// Runs a batch and leaves the session ready for the next one: a failed explicit transaction is rolled back.
    pub async fn run(&mut self, batch: &Batch) -> Result<Reply, Error> {
        let reply = self.exchange(batch).await;
        if !self.broken && self.status != b'I' {
            self.script("rollback").await?;
        }
        reply
    }

    /// Runs a batch and leaves a failed explicit transaction as it is, for the caller to roll back later.
    pub(crate) async fn exchange(&mut self, batch: &Batch) -> Result<Reply, Error> {
        self.exchange_judged(batch, None, Behind::default()).await
    }

    /// The same with a condition in the middle, or with more behind it; the check of `check.rs` only for batches that cannot
    /// leave a transaction open.
    pub(crate) async fn exchange_judged(
        &mut self,
        batch: &Batch,
        judge: Option<Judge<'_>>,
        behind: Behind,
    ) -> Result<Reply, Error> {
        check_sendable(&batch.settings, &batch.statements)?;
        self.make_ready().await?;
        self.statements.distrust_names = false;
        let started = Instant::now();
        let mut retried = false;
        loop {
            let outcome = match judge {
                None => {
                    self.encode(batch);
                    self.append_behind(behind);
                    self.finish_flush().await?
                }
                // Boxed: it is rare, and every request's future would carry it.
                Some(judge) => Box::pin(self.in_two_flushes(batch, judge)).await?,
            };
            let execute = started.elapsed();
            let position = match (judge, behind.position) {
                (_, false) => None,
                (None, true) => self.finish_position().await,
                (Some(_), true) if outcome.is_ok() => self.position().await,
                (Some(_), true) => None,
            };
            match outcome {
                Ok(results) => {
                    if let ([statement], false) = (&*batch.statements, retried) {
                        let key = Key { sql: statement.sql.clone(), scope: batch.scope.clone() };
                        self.statements.took(&key, execute);
                    }
                    return Ok(Reply { results, timing: Timing { execute, ..Timing::default() }, position });
                }
                Err(Failure { stale: Some(stale), .. }) if !retried => {
                    retried = true;
                    self.make_ready().await?;
                    self.forget(&stale);
                    if self.status != b'I' {
                        self.script("rollback").await?;
                    }
                }
                Err(failure) => return Err(Error::Db(failure.error)),
            }
        }
    }

    async fn in_two_flushes(
        &mut self,
        batch: &Batch,
        judge: Judge<'_>,
    ) -> Result<Result<Vec<StatementResult>, Failure>, Error> {
        let (isolation, read_only, end) = match batch.mode {
            Mode::Explicit { isolation, read_only, end } => (isolation, read_only, end),
            // Nobody judges in a transaction that is open already.
            Mode::Implicit | Mode::Within { .. } => (Isolation::ReadCommitted, false, End::Commit),
        };
        let (first, others) = batch.statements.split_at(judge.leading.min(batch.statements.len()));
        self.begin_flush();
        self.encode_control(Control::Begin(isolation, read_only));
        self.encode_settings(&batch.settings);
        for statement in first {
            self.encode_statement(statement, &batch.scope);
        }
        self.end_flush(Doing::Flush);
        let mut results = match self.finish_flush().await? {
            Ok(results) => results,
            Err(failure) => return Ok(Err(failure)),
        };
        if !(judge.passes)(&results) {
            self.script("rollback").await?;
            return Ok(Ok(results));
        }
        self.begin_flush();
        // Nothing but the nonce: what was set for the transaction still is.
        self.encode_settings(&Settings::default());
        for statement in others {
            self.encode_statement(statement, &batch.scope);
        }
        if batch.counts_up {
            self.encode_control(Control::DiscardSequences);
        }
        self.encode_end(end);
        self.end_flush(Doing::Flush);
        Ok(self.finish_flush().await?.map(|more| {
            results.extend(more);
            results
        }))
    }

    pub(crate) fn forget(&mut self, stale: &Stale) {
        match stale {
            Stale::All => self.statements.forget_all(),
            Stale::One(key) => self.statements.forget(key),
        }
    }

    fn encode(&mut self, batch: &Batch) {
        self.encode_batch(batch, Sink::Result);
    }

    /// The same, with the rows of the last statement as lines.
    pub(super) fn encode_lines(&mut self, batch: &Batch) {
        self.encode_batch(batch, Sink::Lines);
    }

    pub(super) fn encode_batch(&mut self, batch: &Batch, last: Sink) {
        self.begin_flush();
        if let Mode::Explicit { isolation, read_only, .. } = batch.mode {
            self.encode_control(Control::Begin(isolation, read_only));
        }
        self.encode_settings(&batch.settings);
        for (index, statement) in batch.statements.iter().enumerate() {
            self.encode_statement(statement, &batch.scope);
            if index + 1 == batch.statements.len()
                && let Some(step) = self.progress.steps.last_mut()
            {
                step.sink = last;
            }
        }
        if batch.counts_up && batch.mode == Mode::Implicit {
            self.encode_control(Control::DiscardSequences);
        }
        if let Mode::Explicit { end, .. } | Mode::Within { end: Some(end) } = batch.mode {
            self.encode_end(end);
        }
        self.end_flush(Doing::Flush);
    }

    fn encode_end(&mut self, end: End) {
        match end {
            End::Commit => self.encode_control(Control::Commit),
            End::Rollback => {
                self.encode_control(Control::ConstraintsImmediate);
                self.encode_control(Control::Rollback);
            }
        }
    }

    /// Starts a flush: evicted statements are closed first, where no error can skip it.
    pub(super) fn begin_flush(&mut self) {
        self.progress.reset();
        for name in self.statements.take_closing() {
            write::close_statement(&mut self.channel.output, &name);
            self.progress.closes += 1;
        }
    }

    pub(super) fn end_flush(&mut self, doing: Doing) {
        write::sync(&mut self.channel.output);
        self.progress.begin();
        self.doing = doing;
    }

    pub(super) fn encode_settings(&mut self, settings: &Settings) {
        let nonce = random_nonce();
        self.progress.nonce = nonce;
        let count = settings.len() + 1;
        let values = [NONCE_SETTING.as_bytes(), &nonce]
            .into_iter()
            .chain(settings.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]));
        self.encode_own(Control::Settings(count), Sink::Settings, count * 2, values.map(Some));
    }

    /// A statement of ours without parameters.
    pub(super) fn encode_control(&mut self, control: Control) {
        self.encode_own(control, Sink::Control, 0, std::iter::empty());
    }

    fn encode_own<'a>(
        &mut self,
        control: Control,
        sink: Sink,
        count: usize,
        values: impl Iterator<Item = Option<&'a [u8]>>,
    ) {
        let out = &mut self.channel.output;
        let parse = match self.statements.find_control(control) {
            Lookup::Known(name, _) => {
                write::bind(out, name, count, values);
                Parse::Nothing
            }
            Lookup::New(name) => {
                write::parse(out, &name, &control.sql(), &vec![TEXT; count]);
                write::bind(out, &name, count, values);
                Parse::Control { control, name }
            }
            Lookup::Unnamed => {
                write::parse(out, "", &control.sql(), &vec![TEXT; count]);
                write::bind(out, "", count, values);
                self.statements.unnamed_is_check = false;
                Parse::Unnamed
            }
        };
        write::execute(out);
        let by_name = matches!(parse, Parse::Nothing);
        self.progress.steps.push(Step { parse, describe: false, sink, key: None, by_name, columns: None });
    }

    pub(super) fn encode_statement(&mut self, statement: &Statement, scope: &Arc<str>) {
        let key = Key { sql: statement.sql.clone(), scope: scope.clone() };
        let out = &mut self.channel.output;
        let count = statement.params.len();
        let values = statement.params.iter().map(Option::as_deref);
        let step = match self.statements.find(&key, &statement.param_types) {
            Lookup::Known(name, columns) => {
                let binary = statement.formats.codes(columns.as_ref().map(|columns| columns.len()));
                write::bind_for(out, name, binary, count, values);
                let describe = columns.is_none();
                Step { parse: Parse::Nothing, describe, sink: Sink::Result, key: Some(key), by_name: true, columns }
            }
            Lookup::New(name) => {
                write::parse(out, &name, &statement.sql, &statement.param_types);
                write::bind_for(out, &name, statement.formats.codes(None), count, values);
                let parse = Parse::Named { name, types: statement.param_types.as_slice().into() };
                Step { parse, describe: true, sink: Sink::Result, key: Some(key), by_name: false, columns: None }
            }
            Lookup::Unnamed => {
                self.statements.unnamed_is_check = false;
                write::parse(out, "", &statement.sql, &statement.param_types);
                write::bind_for(out, "", statement.formats.codes(None), count, values);
                let parse = Parse::Unnamed;
                Step { parse, describe: true, sink: Sink::Result, key: None, by_name: false, columns: None }
            }
        };
        if step.describe {
            write::describe_portal(out);
        }
        write::execute(out);
        self.progress.steps.push(step);
    }

    /// One statement with text parameters, never prepared: for plain use of a session.
    pub(super) fn encode_unnamed(&mut self, sql: &str, params: &[Option<&str>]) {
        self.statements.unnamed_is_check = false;
        let out = &mut self.channel.output;
        write::parse(out, "", sql, &[]);
        write::bind(out, "", params.len(), params.iter().map(|p| p.map(str::as_bytes)));
        write::describe_portal(out);
        write::execute(out);
        self.progress.steps.push(Step {
            parse: Parse::Unnamed,
            describe: true,
            sink: Sink::Result,
            key: None,
            by_name: false,
            columns: None,
        });
    }
}

/// Refuses what cannot be encoded, before a byte of it is.
pub(super) fn check_sendable(settings: &Settings, statements: &[Statement]) -> Result<(), Error> {
    if settings.len() > MAX_SETTINGS {
        return Err(Error::Unsendable("too many settings"));
    }
    if settings.bytes() > MAX_MESSAGE {
        return Err(Error::Unsendable("the settings are larger than 1 GB"));
    }
    for statement in statements {
        let values = statement.params.iter().flatten().map(|value| value.len());
        check_statement(&statement.sql, statement.params.len().max(statement.param_types.len()), values)?;
    }
    Ok(())
}

/// Refuses a statement that the protocol cannot carry.
pub(super) fn check_statement(sql: &str, count: usize, values: impl Iterator<Item = usize>) -> Result<(), Error> {
    if !write::is_sendable(sql) {
        return Err(Error::Unsendable("a NUL byte in the text of a statement"));
    }
    if count > MAX_PARAMETERS {
        return Err(Error::Unsendable("more than 65,535 parameters"));
    }
    if sql.len() > MAX_MESSAGE || values.sum::<usize>() > MAX_MESSAGE {
        return Err(Error::Unsendable("a statement is larger than 1 GB"));
    }
    Ok(())
}

/// 64 random bits as text: unlike a counter they also tell answers of different connections apart.
fn random_nonce() -> Nonce {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let bits = rand::rng().next_u64();
    std::array::from_fn(|i| DIGITS[(bits >> (i * 4) & 0xf) as usize])
}
