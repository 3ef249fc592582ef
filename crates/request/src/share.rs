//! Shares of a pool that some requests may not exceed (security requirement 29).
//!
//! Anybody can be anonymous, so anonymous requests never take the last quarter of the connections: whoever signed in
//! gets one however many strangers ask for slow things. A stream lasts as long as its caller likes, so streams never
//! take more than half. Who is beyond a share waits without holding anything, and the bounds of the pool hold for the
//! wait: how many wait, also while the queue stands, and how long.
//! Invariant: a permit lives no longer than its request; a request that is dropped gives it back, and one that pauses
//! before it tries again has none meanwhile.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ferrobase_pg::{Error, Held, Pool, Standing};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One connection in so many is not for anonymous requests.
const RESERVED: usize = 4;
/// One connection in so many may be held by a stream.
const STREAMING: usize = 2;
/// What a caller who is turned away should wait before asking again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Permits of requests of one sort.
#[derive(Debug)]
pub(crate) struct Share {
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
    max_waiting: usize,
    patience: Duration,
    standing: Standing,
    /// How many may wait however slow it goes.
    least_waiting: usize,
    timeouts: AtomicU64,
    saturated: AtomicU64,
    shed: AtomicU64,
}

/// What happened at the door of a share since the configuration was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShareStats {
    /// Requests that wait now.
    pub waiting: usize,
    /// Requests that waited in vain.
    pub timeouts: u64,
    /// Requests that were turned away because too many waited.
    pub saturated: u64,
    /// Requests that were turned away because a queue was standing.
    pub shed: u64,
}

/// Somebody who waits; counted as long as it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// A permit of a request that others may use while it only pauses.
pub(crate) struct HeldPermit<'a> {
    share: &'a Share,
    deadline: Instant,
    permit: Mutex<Option<OwnedSemaphorePermit>>,
}

impl HeldPermit<'_> {
    fn set(&self, permit: Option<OwnedSemaphorePermit>) {
        *self.permit.lock().unwrap_or_else(PoisonError::into_inner) = permit;
    }
}

impl Held for HeldPermit<'_> {
    fn let_go(&self) {
        self.set(None);
    }

    fn take(&self) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send + '_>> {
        Box::pin(async {
            self.set(Some(self.share.enter(self.deadline).await?));
            Ok(())
        })
    }
}

impl Share {
    /// What anonymous requests may have of this pool. A pool too small to be divided is anybody's.
    pub(crate) fn anonymous(pool: &Pool) -> Self {
        let most = pool.options().max_connections;
        Self::of(pool, most - most / RESERVED)
    }

    /// What streams may have of this pool: one at least.
    pub(crate) fn streams(pool: &Pool) -> Self {
        Self::of(pool, pool.options().max_connections / STREAMING)
    }

    fn of(pool: &Pool, permits: usize) -> Self {
        let options = pool.options();
        let permits = permits.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            permits: Arc::new(Semaphore::new(permits)),
            standing: Standing::new(options.shed_after),
            least_waiting: permits,
            shed: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            max_waiting: options.max_waiting,
            patience: options.acquire_timeout,
            timeouts: AtomicU64::new(0),
            saturated: AtomicU64::new(0),
        }
    }

    /// What happened so far.
    pub(crate) fn stats(&self) -> ShareStats {
        ShareStats {
            waiting: self.waiting.load(Relaxed),
            timeouts: self.timeouts.load(Relaxed),
            saturated: self.saturated.load(Relaxed),
            shed: self.shed.load(Relaxed),
        }
    }

    /// Waits for a permit that can be lent to others.
    pub(crate) async fn hold(&self, deadline: Instant) -> Result<HeldPermit<'_>, Error> {
        let permit = Mutex::new(Some(self.enter(deadline).await?));
        Ok(HeldPermit { share: self, deadline, permit })
    }

    /// Waits for a permit.
    pub(crate) async fn enter(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, Error> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok(permit);
        }
        let waiting = self.waiting.fetch_add(1, Relaxed);
        let _counted = Waiting(&self.waiting);
        let shed = self.standing.bound(waiting, Instant::now()).map(|bound| bound.max(self.least_waiting));
        let most = self.max_waiting.min(shed.unwrap_or(usize::MAX));
        if waiting >= most {
            if most < self.max_waiting { &self.shed } else { &self.saturated }.fetch_add(1, Relaxed);
            return Err(Error::Saturated { waiting, retry_after: RETRY_AFTER });
        }
        let started = Instant::now();
        let latest = deadline.min(started + self.patience);
        match tokio::time::timeout_at(latest.into(), Arc::clone(&self.permits).acquire_owned()).await {
            Ok(Ok(permit)) => {
                self.standing.served(Instant::now());
                Ok(permit)
            }
            // The semaphore is never closed.
            Ok(Err(_)) => Err(Error::Closed),
            Err(_) if latest >= deadline => Err(Error::Deadline),
            Err(_) => {
                self.timeouts.fetch_add(1, Relaxed);
                Err(Error::AcquireTimeout(started.elapsed()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ferrobase_pg::{ConnectOptions, PoolOptions};

    use super::*;

    fn pool(max_connections: usize, max_waiting: usize) -> Pool {
        let bounds = PoolOptions {
            max_connections,
            max_waiting,
            acquire_timeout: Duration::from_millis(50),
            ..PoolOptions::default()
        };
        Pool::new(ConnectOptions::new(), bounds)
    }

    fn share(max_connections: usize, max_waiting: usize) -> Share {
        Share::anonymous(&pool(max_connections, max_waiting))
    }

    #[tokio::test]
    async fn sec_29_streams_take_half_at_most() {
        for (connections, permits) in [(1, 1), (2, 1), (3, 1), (4, 2), (15, 7)] {
            let share = Share::streams(&pool(connections, 0));
            assert_eq!(share.permits.available_permits(), permits, "of {connections}");
        }
    }

    #[tokio::test]
    async fn sec_29_a_quarter_is_never_anonymous() {
        for (connections, permits) in [(1, 1), (2, 2), (3, 3), (4, 3), (8, 6), (15, 12)] {
            assert_eq!(share(connections, 0).permits.available_permits(), permits, "of {connections}");
        }
    }

    #[tokio::test]
    async fn waiting_is_bounded_in_number_and_time() {
        let share = share(1, 1);
        let far = Instant::now() + Duration::from_secs(60);
        let held = share.enter(far).await.unwrap();
        let (first, second) = tokio::join!(share.enter(far), share.enter(far));
        assert!(matches!(first, Err(Error::AcquireTimeout(_))));
        assert!(matches!(second, Err(Error::Saturated { waiting: 1, .. })));
        assert!(matches!(share.enter(Instant::now()).await, Err(Error::Deadline)));
        drop(held);
        assert!(share.enter(far).await.is_ok());
        assert_eq!(share.stats(), ShareStats { waiting: 0, timeouts: 1, saturated: 1, shed: 0 });
    }
}
