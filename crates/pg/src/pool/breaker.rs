//! The circuit breaker of a pool: a database that takes connections and answers nothing, or nothing that helps.
//!
//! A database that cannot be connected to is known from the attempts ([`super::state::Down`]). One that hangs is not: its
//! connections are open, and each caller would find out at the cost of a deadline. So failures that say something about
//! the server and not about a statement are counted, and an answer of whatever kind begins the count anew. Too many in a
//! row raise a suspicion, no more, because callers can make their own statements late: a connection of our own then asks
//! the simplest of questions. Only when that is not answered the breaker opens: everybody is told at once (503), until
//! one of the questions that follow with growing pauses is answered. That is the half-open state; no caller pays for it.
//! Invariant: what opens the breaker is always our own question, never a caller's.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::state::{Down, Shared};
use super::stats::count;
use crate::error::Error;
use crate::session::Session;

/// Longest wait for an answer to our own question.
const PATIENCE: Duration = Duration::from_secs(3);
/// Pause after the first question that was not answered; doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What is known without the pool's lock.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// Failures in a row.
    failures: AtomicU32,
    is_examined: AtomicBool,
    is_open: AtomicBool,
    mended: AtomicU64,
}

impl Breaker {
    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Relaxed)
    }

    /// How often it was closed again.
    pub(super) fn mended(&self) -> u64 {
        self.mended.load(Relaxed)
    }

    /// The server answered.
    pub(super) fn answered(&self) {
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
    }
}

impl Shared {
    /// Takes note of how something ended that the server was asked.
    pub(super) fn learn<T>(self: &Arc<Self>, result: &Result<T, Error>) {
        match result {
            Err(error) if is_of_server(error) => self.failed(),
            Err(Error::Moved | Error::Unsettled | Error::Saturated { .. } | Error::Unavailable { .. }) => {}
            _ => self.breaker.answered(),
        }
    }

    fn failed(self: &Arc<Self>) {
        let most = self.options.breaker_failures;
        let failures = self.breaker.failures.fetch_add(1, Relaxed).saturating_add(1);
        if most == 0 || failures < most || self.breaker.is_examined.swap(true, Relaxed) {
            return;
        }
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(examine(Arc::downgrade(self)))),
            Err(_) => self.breaker.is_examined.store(false, Relaxed),
        }
    }

    /// Nobody is let through: those who wait hear of it, connections that are idle are closed.
    fn trip(self: &Arc<Self>, error: Error, pause: Duration) {
        let down = Down { certain: true, cause: Arc::new(error), backoff: pause, next_try: Instant::now() + pause };
        self.break_off(down);
        if !self.breaker.is_open.swap(true, Relaxed) {
            count(&self.counters.breaks);
            let why = self.outage().map(|cause| cause.to_string()).unwrap_or_default();
            tracing::error!(to = %self.connect, why, "the database does not answer; requests are refused until it does");
        }
        self.close_silent(Duration::ZERO);
    }

    fn mend(self: &Arc<Self>) {
        let mut state = self.lock();
        state.broken = None;
        state.down = None;
        self.breaker.mended.fetch_add(1, Relaxed);
        drop(state);
        self.breaker.failures.store(0, Relaxed);
        self.breaker.is_examined.store(false, Relaxed);
        if self.breaker.is_open.swap(false, Relaxed) {
            tracing::info!(to = %self.connect, "the database answers again");
            self.open_wanted();
        }
    }
}

/// Asks until there is an answer.
async fn examine(pool: Weak<Shared>) {
    let mut pause = FIRST_PAUSE;
    while let Some(shared) = pool.upgrade().filter(|shared| !shared.lock().closed) {
        count(&shared.counters.probes);
        match ask(&shared).await {
            Ok(()) => return shared.mend(),
            Err(error) => shared.trip(error, pause),
        }
        drop(shared);
        tokio::time::sleep(pause).await;
        pause = (2 * pause).min(LONGEST_PAUSE);
    }
}

async fn ask(shared: &Shared) -> Result<(), Error> {
    let asking = async {
        let mut session = Session::connect(&shared.connect).await?;
        session.query("select 1", &[]).await?;
        session.close().await;
        Ok(())
    };
    match tokio::time::timeout(PATIENCE, asking).await.unwrap_or(Err(Error::Deadline)) {
        // A server that has no slot or no disk left, or does not let us in, is there. 08 is what a pooler says of one that
        // is not.
        Err(error) if error.code().is_some_and(|code| !["08", "57"].contains(&code.class())) => Ok(()),
        asked => asked,
    }
}

/// Whether a failure says something about the server: it went, hung, spoke nonsense or says so itself.
fn is_of_server(error: &Error) -> bool {
    match error {
        Error::Io(_) | Error::Protocol(_) | Error::Deadline | Error::AcquireTimeout(_) => true,
        Error::Db(db) => db.code.is_server_unavailable(),
        _ => false,
    }
}
