//! A bounded set of sessions that are lent out one at a time, and of some that quick reads share (`lane.rs`).
//!
//! [`Pool::run`] is what requests use: take a session (`state.rs`), exchange the batch, give the session back
//! (`lease.rs`), which may mean cancelling, rolling back or checking it first (`settle.rs`). Connections are opened
//! and retired in the background (`maintain.rs`), never by a caller, so a caller's deadline cannot break one off.
//! Invariant: a session comes back only when it is known to be as it was; in doubt it is closed.
//!
//! Bounds: connections, waiting callers (`standing.rs`), time to wait, lifetime, idle time, bytes of prepared statements.
//! What is over a bound is told at once: [`Error::Saturated`], [`Error::AcquireTimeout`], [`Error::Unavailable`]; so is a
//! database that hangs (`breaker.rs`).

mod breaker;
mod conversation;
mod lane;
mod lease;
mod maintain;
mod options;
mod overflow;
mod queue;
mod settle;
mod speed;
mod standing;
mod state;
mod stats;
mod stream;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::RngExt;

pub use self::conversation::Conversation;
pub use self::lease::PooledSession;
pub use self::options::{PoolOptions, Pooler};
pub use self::standing::Standing;
pub use self::stats::PoolStats;
pub use self::stream::Lines;

use self::lane::Beside;
use self::lease::Lease;
use self::speed::Shape;
use self::state::Shared;
use crate::batch::{Batch, Mode, Opening, Reply, Terms};
use crate::error::Error;
use crate::options::ConnectOptions;
use crate::session::{Behind, WRONG_NONCE};
use crate::sqlstate::SqlState;

/// A pool; clones share it.
#[derive(Clone)]
pub struct Pool(Arc<Shared>);

impl Pool {
    /// A pool that connects when it is first used. Connections are opened on the runtime of whoever uses it.
    pub fn new(connect: ConnectOptions, options: PoolOptions) -> Self {
        Self(Arc::new(Shared::new(connect, options)))
    }

    /// Runs a batch on a session of its own and answers after ReadyForQuery.
    ///
    /// Dropping the future cancels the batch, and so does its deadline ([`Error::Deadline`]). A batch that provably
    /// did not run, because the idle connection it was given had been shut down, runs again on another one, and so does one
    /// that lost against others, where the options say so; nothing else is repeated.
    pub async fn run(&self, batch: Batch) -> Result<Reply, Error> {
        self.run_on(batch, Terms::default()).await
    }

    /// The same on these terms.
    // The batch is the caller's to give away: it lives as long as the request.
    #[allow(clippy::needless_pass_by_value)]
    pub async fn run_on(&self, batch: Batch, terms: Terms<'_>) -> Result<Reply, Error> {
        let started = Instant::now();
        if started >= batch.deadline {
            return Err(Error::Deadline);
        }
        let batch = Arc::new(batch);
        let shape = (batch.shareable && terms.judge.is_none()).then(|| self.0.lanes.speeds.shape(&batch));
        let mut left = None;
        if let Some(shape) = shape {
            match self.0.run_beside_others(&batch, shape).await {
                Beside::Answered(result) => return result,
                Beside::Alone(one) => left = one,
            }
            // Many who share connections find that out at once: not each of them needs one of his own.
            if batch.is_in_doubt() {
                return Err(Error::Doubt);
            }
        }
        // Boxed: every request's future would carry it, and is moved a few times.
        let result = Box::pin(self.run_alone(&batch, terms, shape, started)).await;
        if let (Some(left), Ok(reply)) = (left, &result) {
            left.took(reply.timing.execute);
        }
        result
    }

    /// Runs a batch on a connection of its own.
    async fn run_alone(
        &self,
        batch: &Arc<Batch>,
        terms: Terms<'_>,
        shape: Option<Shape>,
        started: Instant,
    ) -> Result<Reply, Error> {
        let Terms { judge, position, held } = terms;
        let is_direct = self.0.options.pooler == Pooler::Direct;
        let check = is_direct && batch.runs_user_code && judge.is_none() && batch.mode == Mode::Implicit;
        let mut renewed = false;
        // Each repetition uses up a dead session, so there are at most as many.
        let mut repetitions = self.0.options.max_connections;
        let mut conflicts = Conflicts::default();
        loop {
            let mut lease = self.0.acquire(Some(batch.deadline), batch.runs_user_code).await?;
            let wait = started.elapsed();
            if shape.is_some() && batch.is_in_doubt() {
                lease.give_back();
                return Err(Error::Doubt);
            }
            match self.0.check_course(lease.session(), batch.writes) {
                Err(Error::Moved) => {
                    lease.close();
                    continue;
                }
                course => course?,
            }
            let moves = lease.session().moves;
            let exchange = lease.session().exchange_judged(batch, judge, Behind { position, check });
            let exchange = tokio::time::timeout_at(batch.deadline.into(), exchange);
            let Some(result) = self.0.unless_moved(moves, batch.writes, exchange).await else {
                lease.close();
                return Err(Error::Moved);
            };
            let Ok(result) = result else {
                self.0.learn::<()>(&Err(Error::Deadline));
                lease.abandon();
                return Err(Error::Deadline);
            };
            let result = result.map_err(|error| self.0.seen_through(error, lease.session()));
            if !renewed && matches!(result, Err(Error::NotPrimary(_))) && self.0.renew() {
                renewed = true;
                lease.close();
                continue;
            }
            let did_not_run = repetitions > 0 && may_repeat(&result, &mut lease, batch);
            self.0.count(&result);
            if batch.is_in_doubt() || (batch.counts_up && result.is_err()) {
                // In the second case what would have made it forget was skipped.
                lease = lease.for_user_code(true);
            }
            lease.give_back();
            match result {
                Err(_) if did_not_run => {
                    repetitions -= 1;
                    self.0.counters.repeated();
                }
                Err(Error::Db(db)) if db.code.is_retryable() => {
                    if let Some(held) = held {
                        held.let_go();
                    }
                    if !conflicts.pause(self.0.options.conflict_retries, batch.deadline).await {
                        return Err(Error::Db(db));
                    }
                    if let Some(held) = held {
                        held.take().await?;
                    }
                    stats::count(&self.0.counters.retried);
                }
                Err(error) => return Err(error),
                Ok(mut reply) => {
                    reply.timing.wait = wait;
                    if let Some(shape) = shape {
                        self.0.lanes.speeds.note(shape, reply.timing.execute);
                    }
                    return Ok(reply);
                }
            }
        }
    }

    /// Begins a transaction of several flushes on a session of its own. Dropping the conversation cancels what runs and
    /// rolls back. A BEGIN that met a session which the server had ended is tried on another one.
    pub async fn converse(&self, opening: Opening) -> Result<Conversation, Error> {
        Conversation::begin(&self.0, opening).await
    }

    /// Opens the connections that are kept ready, and from now on notices a database that goes away even when nobody
    /// asks for anything. Otherwise that begins with the first use. Must be called on a runtime.
    pub fn warm(&self) {
        self.0.maintain();
    }

    /// Has every connection replaced, unless that happened within the last second: idle ones at once, others when they come
    /// back. For when the name of the server leads elsewhere now.
    pub fn renew(&self) {
        self.0.renew();
    }

    /// Lends a session for plain use, waiting no longer than `deadline`. It is checked and reset when it comes back.
    pub async fn session(&self, deadline: Instant) -> Result<PooledSession, Error> {
        self.0.acquire(Some(deadline), true).await.map(PooledSession::new)
    }

    /// What the pool holds and what happened to it so far.
    pub fn stats(&self) -> PoolStats {
        self.0.stats()
    }

    /// Why the last attempt to connect failed; `None` when it did not.
    pub fn outage(&self) -> Option<Arc<Error>> {
        self.0.outage()
    }

    /// The options it was made with.
    pub fn options(&self) -> &PoolOptions {
        &self.0.options
    }

    /// Where it connects to.
    pub fn connect_options(&self) -> &ConnectOptions {
        &self.0.connect
    }

    /// Refuses new work, closes idle sessions and waits for those that are lent out. The caller bounds the wait.
    pub async fn close(&self) {
        self.0.close();
        while self.0.stats().size > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// The conflicts that one batch lost.
#[derive(Default)]
struct Conflicts(u32);

impl Conflicts {
    /// The first pause.
    const PAUSE: Duration = Duration::from_millis(10);

    /// Waits until the batch should be tried again; false when it should not. Whoever lost together does not come back
    /// together.
    async fn pause(&mut self, most: u32, deadline: Instant) -> bool {
        let pause = Self::PAUSE * (1 << self.0.min(10));
        let pause = pause.mul_f64(rand::rng().random_range(0.5..1.5));
        if self.0 >= most || Instant::now() + pause >= deadline {
            return false;
        }
        self.0 += 1;
        tokio::time::sleep(pause).await;
        true
    }
}

/// Whether a failed batch certainly did not run, so that running it again cannot double anything.
fn may_repeat<T>(result: &Result<T, Error>, lease: &mut Lease, batch: &Batch) -> bool {
    let Err(error) = result else { return false };
    if !lease.session().was_untouched() {
        return false;
    }
    match error {
        // The server said goodbye before it began: it sends the answers of what it did run first.
        Error::Db(db) => is_goodbye(db.code),
        // It went without a word: the batch may have run, which only matters when it could change something.
        Error::Io(_) => matches!(batch.mode, Mode::Explicit { read_only: true, .. }) && !batch.runs_user_code,
        _ => false,
    }
}

/// Whether the server ended the session, and not because of what it was asked.
fn is_goodbye(code: SqlState) -> bool {
    matches!(
        code,
        SqlState::ADMIN_SHUTDOWN
            | SqlState::CRASH_SHUTDOWN
            | SqlState::CANNOT_CONNECT_NOW
            | SqlState::IDLE_SESSION_TIMEOUT
    )
}

impl Shared {
    fn count<T>(self: &Arc<Self>, result: &Result<T, Error>) {
        self.learn(result);
        if let Err(error) = result {
            self.count_failure(error);
        }
    }

    fn count_failure(&self, error: &Error) {
        if matches!(error, Error::NotPrimary(_)) {
            self.renew();
        }
        if let Error::Protocol(reason) = error {
            self.counters.protocol_error(*reason == WRONG_NONCE);
            tracing::error!(reason, "PostgreSQL protocol error; the connection is closed");
        }
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("to", &self.0.connect.to_string()).field("stats", &self.stats()).finish()
    }
}
