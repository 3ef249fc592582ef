//! Requests that stream: the same transaction as [`crate::run`], for as long as the caller takes.
//!
//! [`lines`] hands rows on while the transaction is still open, which is the one exception from "the reply exists only
//! after the transaction ended" (docs/adr/0005). [`load`] takes data by COPY into a table that only this transaction
//! sees, and lets the caller's role insert from there (docs/adr/0006).
//! Invariant: role, settings and admission are those of every other request; only the time limit is another one: the
//! role's own, else what is left of the request's deadline.

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ferrobase_catalog::Role;
use ferrobase_pg::{self as pg, Batch, End, Isolation, Load, Mode, Pool, Reply, Statement, StatementResult};
use futures_util::Stream;
use tokio::sync::OwnedSemaphorePermit;

use crate::context::RequestContext;
use crate::cost;
use crate::error::Error;
use crate::journal::{Journal, Stage};
use crate::role_settings::{milliseconds, shortest};
use crate::run::{Work, admit, audience, batch};
use crate::share::Share;
use crate::sqlstate::Audience;
use crate::target::Target;

/// Table of the transaction that the rows of an upload wait in, made by the function `ferrobase_staging.open()`.
pub const STAGE: &str = "pg_temp.ferrobase_stage";
/// Sequence that says how far an insert from it came.
pub const STAGE_PROGRESS: &str = "pg_temp.ferrobase_line";
const OPEN: &str = "begin isolation level read committed read write; select ferrobase_staging.open()";
const OPEN_REPEATABLE: &str = "begin isolation level repeatable read read write; select ferrobase_staging.open()";
const OPEN_SERIALIZABLE: &str = "begin isolation level serializable read write; select ferrobase_staging.open()";
const COPY: &str = "copy pg_temp.ferrobase_stage (line, doc) from stdin (format binary)";
const REACHED: &str = "select last_value from pg_temp.ferrobase_line where is_called";

/// Rows on their way.
#[derive(Debug)]
pub struct Lines {
    lines: pg::Lines,
    /// Results of the work's statements before the last one.
    pub head: Vec<StatementResult>,
    audience: Audience,
    journal: Journal,
    /// What the database took for the rows; none once all came.
    taken: Option<Taken>,
    _permits: Permits,
}

/// How long the database let its caller wait. That the caller takes its time between two pieces is not its doing.
#[derive(Debug)]
struct Taken {
    began: Instant,
    sum: Duration,
    /// Since when it is being waited for.
    since: Option<Instant>,
}

impl Taken {
    fn pause(&mut self) {
        self.sum += self.since.take().map_or(Duration::ZERO, |since| since.elapsed());
    }
}

/// What a stream holds besides its connection.
#[derive(Debug)]
struct Permits {
    _anonymous: Option<OwnedSemaphorePermit>,
    _stream: OwnedSemaphorePermit,
}

impl Lines {
    /// The next lines, each with a line feed at its end; `None` once all came and the transaction ended well.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let audience = self.audience;
        if let Some(taken) = &mut self.taken {
            taken.since = Some(Instant::now());
        }
        let next = self.lines.next().await;
        if let Some(taken) = &mut self.taken {
            taken.pause();
        }
        if !matches!(next, Ok(Some(_))) {
            self.ended();
        }
        next.map_err(|error| Error::database(error, audience))
    }

    fn ended(&mut self) {
        if let Some(mut taken) = self.taken.take() {
            taken.pause();
            self.journal.note(Stage::Execute, taken.began, taken.sum);
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.ended();
    }
}

/// Runs the work, whose last statement gives one text a row, and hands these on.
pub async fn lines(target: &Target, context: &RequestContext, work: Work) -> Result<Lines, Error> {
    let only_reads = work.read_only;
    let role = context.identity.role();
    let elsewhere = target.pools.replicas.as_ref().filter(|_| only_reads).map(|replicas| (replicas, work.clone()));
    let (batch, skip) = prepare(target, context, work)?;
    if let Some((replicas, work)) = elsewhere
        && let Some(chosen) = replicas.choose(context, batch.mode).await
    {
        let (copy, _) = prepare(target, context, Work { proof: None, ..work })?;
        let copy = chosen.bounded(copy);
        let shares = (target.anonymous.as_ref().map(|_| chosen.anonymous()), chosen.streams());
        if let Some(answer) = chosen.ask(lines_at(chosen.pool(), shares, target, context, copy, skip)).await {
            return answer;
        }
    }
    if !only_reads {
        target.pools.check_writable()?;
    }
    let shares = (target.anonymous.as_ref(), target.streams_of(role));
    lines_at(target.pools.of_role(role), shares, target, context, batch, skip).await
}

async fn lines_at(
    pool: &Pool,
    shares: (Option<&Share>, &Share),
    target: &Target,
    context: &RequestContext,
    batch: Batch,
    skip: usize,
) -> Result<Lines, Error> {
    let audience = audience(target, &context.identity);
    let began = Instant::now();
    let permits = enter(shares, target, context).await?;
    let waited = began.elapsed();
    if let Some(most) = target.transaction.max_cost
        && is_too_costly(pool, batch.clone(), skip, most).await.map_err(|error| Error::database(error, audience))?
    {
        return Err(Error::TooCostly);
    }
    let lines = pool.lines(&batch).await;
    context.journal.ran(began, waited);
    let mut lines = lines.map_err(|error| Error::database(error, audience))?;
    let mut head = std::mem::take(&mut lines.head);
    head.drain(..skip.min(head.len()));
    let taken = Some(Taken { began: Instant::now(), sum: Duration::ZERO, since: None });
    Ok(Lines { lines, head, audience, journal: context.journal.clone(), taken, _permits: permits })
}

/// Asks the planner about the work's statements, in a transaction of its own: rows that leave are not taken back.
async fn is_too_costly(pool: &Pool, mut batch: Batch, skip: usize, most: f64) -> Result<bool, pg::Error> {
    batch.statements.drain(..skip.min(batch.statements.len()));
    let Some(questions) = cost::ask(&mut batch.statements, 0) else { return Ok(false) };
    batch.statements.truncate(questions);
    let plans = pool.run(batch).await?.results;
    Ok(plans.iter().any(|plan| cost::exceeds(plan, most)))
}

/// An upload that did not happen.
#[derive(Debug)]
pub struct LoadError {
    /// Why.
    pub error: Error,
    /// The line that the insert was at, when it failed on a row.
    pub line: Option<u64>,
}

impl From<Error> for LoadError {
    fn from(error: Error) -> Self {
        Self { error, line: None }
    }
}

/// Takes chunks of binary COPY into [`STAGE`] and runs the work on it. `probe` runs before any data is taken, under the
/// same role: what it refuses costs no upload. Results are those of the work's statements.
pub async fn load<S>(
    target: &Target,
    context: &RequestContext,
    probe: Vec<Statement>,
    work: Work,
    chunks: S,
) -> Result<Reply, LoadError>
where
    S: Stream<Item = io::Result<Bytes>> + Send,
{
    target.pools.check_writable()?;
    let (end, statements) = (work.end, work.statements.clone());
    let (prepared, _) = prepare(target, context, Work { statements: probe, ..work })?;
    let open = match prepared.mode {
        Mode::Explicit { isolation: Isolation::RepeatableRead, .. } => OPEN_REPEATABLE,
        Mode::Explicit { isolation: Isolation::Serializable, .. } => OPEN_SERIALIZABLE,
        _ => OPEN,
    };
    let prepared = Batch { mode: Mode::Within { end: None }, ..prepared };
    let finish = Batch {
        // Everything was set for the transaction, and nothing of the caller's ran since.
        settings: pg::Settings::default(),
        statements,
        mode: Mode::Within { end: Some(end) },
        ..prepared.clone()
    };
    let audience = audience(target, &context.identity);
    let began = Instant::now();
    let role = context.identity.role();
    let _permits = enter((target.anonymous.as_ref(), target.streams_of(role)), target, context).await?;
    let entered = began.elapsed();
    let load = Load { open, prepare: &prepared, copy: COPY, finish: &finish, reached: REACHED };
    let replicas = target.pools.replicas.as_ref().filter(|_| end == End::Commit);
    let fresh = context.freshness.as_deref().zip(replicas);
    let reply = target.pools.of_role(role).load(&load, chunks, fresh.is_some()).await;
    let waited = reply.as_ref().map_or(Duration::ZERO, |reply| reply.timing.wait);
    context.journal.ran(began, entered + waited);
    let reply =
        reply.map_err(|failed| LoadError { error: Error::database(failed.error, audience), line: failed.reached })?;
    if let Some((freshness, replicas)) = fresh {
        replicas.committed(freshness, reply.position);
    }
    Ok(reply)
}

/// The batch, and how many of its results are not the work's.
fn prepare(target: &Target, context: &RequestContext, mut work: Work) -> Result<(Batch, usize), Error> {
    let catalog = target.catalog.get().ok_or(Error::NoCatalog)?;
    let role = admit(target, &catalog, &context.identity)?;
    let is_hoisted = work.function_settings.iter().any(|(name, _)| name.eq_ignore_ascii_case("statement_timeout"));
    if !is_hoisted {
        work.settings.push(("statement_timeout".into(), time_limit(context, role).into()));
    }
    let skip = usize::from(target.transaction.pre_request.is_some());
    Ok((batch(context, work, role, &target.transaction), skip))
}

/// Behind the server's `statement_timeout` no stream would last: the role's own counts, else the request's deadline.
fn time_limit(context: &RequestContext, role: Option<&Role>) -> String {
    let own = role.and_then(|role| {
        let (_, value) = role.settings.iter().find(|(name, _)| name.eq_ignore_ascii_case("statement_timeout"))?;
        milliseconds(value)
    });
    let left = context.deadline.saturating_duration_since(Instant::now());
    format!("{}ms", shortest(own.unwrap_or(0), Some(left)).clamp(1, 2_147_483_647))
}

async fn enter(
    (anonymous, streams): (Option<&Share>, &Share),
    target: &Target,
    context: &RequestContext,
) -> Result<Permits, Error> {
    let failed = |error| Error::database(error, audience(target, &context.identity));
    let anonymous = match anonymous {
        Some(share) if context.identity.is_anonymous => Some(share.enter(context.deadline).await.map_err(failed)?),
        _ => None,
    };
    let stream = streams.enter(context.deadline).await.map_err(failed)?;
    Ok(Permits { _anonymous: anonymous, _stream: stream })
}
