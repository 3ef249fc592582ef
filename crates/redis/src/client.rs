//! The client: whoever holds it can ask, and dropping it ends the keeper.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use ferrobase_base::ports::{SharedCounts, SharedFault, SharedTexts};
use redis::RedisResult;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::connect::Connector;
use crate::connection::Connection;
use crate::error::{Error, Trouble};
use crate::keeper;
use crate::limits::{Names, SharedWindows};
use crate::options::Options;
use crate::texts::SharedPlaces;

/// A connection that comes back by itself.
pub struct Client {
    link: Arc<Link>,
    names: Names,
    keeping: AbortHandle,
}

/// How the connection has been doing since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Whether there is one now.
    pub available: bool,
    /// Connections that were made and seen to work.
    pub connects: u64,
    /// Attempts that failed.
    pub failures: u64,
    /// Connections that were given up: lost, too slow, not the primary any more.
    pub losses: u64,
    /// Why the last attempt failed, until one works.
    pub trouble: Option<Trouble>,
}

impl Client {
    /// Begins to connect; until that is done, and whenever it is lost, whoever asks hears so. Must be called on a
    /// runtime.
    ///
    /// # Errors
    /// Certificates that cannot be parsed. That nobody answers is no error.
    pub fn start(options: Options) -> Result<Self, Error> {
        let link = Arc::new(Link::new(options.timeout));
        let names = options.names();
        let connector = Connector::new(options)?;
        let keeping = tokio::spawn(keeper::keep(Arc::clone(&link), connector)).abort_handle();
        Ok(Self { link, names, keeping })
    }

    /// Whether a client could be started with these options; contacts nobody.
    ///
    /// # Errors
    /// As [`Client::start`].
    pub fn check(options: Options) -> Result<(), Error> {
        Connector::new(options).map(drop)
    }

    /// Counts requests for all nodes that have the same prefix.
    pub fn limits(&self) -> Arc<dyn SharedCounts> {
        Arc::new(SharedWindows::new(Arc::clone(&self.link), self.names.clone()))
    }

    /// Remembers texts for the same nodes.
    pub fn texts(&self) -> Arc<dyn SharedTexts> {
        Arc::new(SharedPlaces::new(Arc::clone(&self.link), self.names.prefix()))
    }

    /// How it has been doing.
    pub fn numbers(&self) -> Numbers {
        self.link.numbers()
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Client").field(&self.link).finish()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.keeping.abort();
    }
}

/// The connection of the moment, between the keeper, who makes it, and those who ask.
pub(crate) struct Link {
    connection: ArcSwapOption<Connection>,
    /// Longest wait of a request.
    timeout: Duration,
    lost: Notify,
    connects: AtomicU64,
    failures: AtomicU64,
    losses: AtomicU64,
    trouble: Mutex<Option<Trouble>>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.numbers().fmt(f)
    }
}

impl Link {
    fn new(timeout: Duration) -> Self {
        Self {
            connection: ArcSwapOption::empty(),
            timeout,
            lost: Notify::new(),
            connects: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            losses: AtomicU64::new(0),
            trouble: Mutex::new(None),
        }
    }

    /// Asks something over the connection of the moment. Whoever waits in vain, or is told that the connection is of no
    /// use, takes it away for everybody: nobody waits for the same server again before the keeper has seen it work.
    pub(crate) async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&Connection) -> RedisResult<T>,
    ) -> Result<T, SharedFault> {
        let connection = self.connection.load_full().ok_or(SharedFault::Unavailable)?;
        match tokio::time::timeout(self.timeout, question(&connection)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "Redis gives no answer of use");
                if connection.ends_with(&error) {
                    self.give_up(&connection);
                }
                Err(SharedFault::Failed)
            }
            Err(_) => {
                self.give_up(&connection);
                Err(SharedFault::Late)
            }
        }
    }

    /// Takes this connection away, unless somebody did already.
    pub(crate) fn give_up(&self, connection: &Arc<Connection>) {
        let before = self.connection.compare_and_swap(connection, None);
        if before.as_ref().is_some_and(|before| Arc::ptr_eq(before, connection)) {
            self.losses.fetch_add(1, Ordering::Relaxed);
            self.lost.notify_one();
        }
    }

    /// Puts a connection that was seen to work in its place.
    pub(crate) fn put(&self, connection: Arc<Connection>) {
        self.connects.fetch_add(1, Ordering::Relaxed);
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.connection.store(Some(connection));
    }

    /// Ends when a connection was taken away.
    pub(crate) async fn lost(&self) {
        self.lost.notified().await;
    }

    pub(crate) fn attempt_failed(&self, trouble: Trouble) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(trouble);
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    fn numbers(&self) -> Numbers {
        Numbers {
            available: self.connection.load().is_some(),
            connects: self.connects.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            losses: self.losses.load(Ordering::Relaxed),
            trouble: *self.trouble.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}
