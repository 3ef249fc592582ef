//! Threads that each serve connections of their own.
//!
//! On a runtime whose threads share their work, a request is passed between processors several times: whoever hears from the
//! socket, whoever happens to be free, whoever hears from the database. Here a connection stays on one thread from its
//! first byte to its last, and so do the sockets that its requests use (`base::worker`): a fifth of a request's cost (adr/0023).
//! Everything else, and the streams of HTTP/2, of which one connection may have many, stays where work is shared.
//! Invariant: no thread has much more connections than another. Whoever computes for long does it elsewhere
//! (`spawn_blocking`): the other connections of the thread would wait.

use std::cell::OnceCell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use ferrobase_base::Worker;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;

use crate::request_id;

/// Threads for work that blocks or takes long, of each thread.
const BLOCKING: usize = 64;
/// Of so many tasks that a thread with much to do looks at, one was woken by another thread, if there is any (tokio: 31). When
/// proofs are renewed all waiting requests are woken that way, and the last of a thousand would wait for all the others' answers.
const FROM_ELSEWHERE: u32 = 2;
/// For what still runs on threads that may block, when everything has ended.
const LAST_WORK: Duration = Duration::from_secs(1);

thread_local! {
    /// Where work is shared, on a thread that has connections of its own.
    static SHARED: OnceCell<Handle> = const { OnceCell::new() };
}

/// Runs on the threads that share their work, for what may compute so long that the other connections of this thread
/// would wait. It ends when nobody waits for it any more; a panic is the caller's.
pub async fn on_shared_threads<F>(work: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    let Some(shared) = SHARED.with(|shared| shared.get().cloned()) else { return work.await };
    let id = request_id::current();
    // Its lines in the log are those of the request.
    let work = async move {
        match id {
            Some(id) => request_id::scope(id, work).await,
            None => work.await,
        }
    };
    match AbortOnDropHandle::new(shared.spawn(work)).await {
        Ok(output) => output,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends, and whoever waits with it.
            Err(_) => std::future::pending().await,
        },
    }
}

/// The threads; they end when this is dropped.
#[derive(Debug)]
pub struct Workers {
    threads: Vec<Thread>,
    shared: Handle,
}

#[derive(Debug)]
struct Thread {
    runtime: Handle,
    connections: Arc<AtomicUsize>,
    _ends: oneshot::Sender<()>,
}

impl Workers {
    /// One for each processor. To be called on the runtime that does everything else.
    pub fn start() -> io::Result<Arc<Self>> {
        Self::start_some(std::thread::available_parallelism().map_or(1, usize::from))
    }

    fn start_some(of: usize) -> io::Result<Arc<Self>> {
        let shared = Handle::current();
        let start = |number| Thread::start(Worker { number, of }, shared.clone());
        let threads = (0..of).map(start).collect::<io::Result<_>>()?;
        Ok(Arc::new(Self { threads, shared }))
    }

    /// Their runtimes, for whoever watches over them.
    pub fn runtimes(&self) -> Vec<Handle> {
        self.threads.iter().map(|thread| thread.runtime.clone()).collect()
    }

    /// The runtime that is everybody's.
    pub(super) fn shared(&self) -> &Handle {
        &self.shared
    }

    /// A place for a connection, on the thread that has the fewest.
    pub(super) fn place(&self) -> Option<Place> {
        let thread = self.threads.iter().min_by_key(|thread| thread.connections.load(Relaxed))?;
        thread.connections.fetch_add(1, Relaxed);
        Some(Place { runtime: thread.runtime.clone(), connections: Arc::clone(&thread.connections) })
    }
}

impl Thread {
    fn start(worker: Worker, shared: Handle) -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING)
            .global_queue_interval(FROM_ELSEWHERE)
            .build()?;
        let (ends, end) = oneshot::channel();
        let handle = runtime.handle().clone();
        let name = format!("connections-{}", worker.number);
        std::thread::Builder::new().name(name).spawn(move || run(worker, shared, runtime, end))?;
        Ok(Self { runtime: handle, connections: Arc::default(), _ends: ends })
    }
}

fn run(worker: Worker, shared: Handle, runtime: Runtime, end: oneshot::Receiver<()>) {
    worker.settle();
    let _ = SHARED.with(|here| here.set(shared));
    // Nothing is ever sent: it ends when the other side is gone.
    let _ = runtime.block_on(end);
    runtime.shutdown_timeout(LAST_WORK);
}

/// Where a connection is served; free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    runtime: Handle,
    connections: Arc<AtomicUsize>,
}

impl Place {
    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn connections_spread_and_stay_and_the_threads_end() {
        let workers = Workers::start_some(3).unwrap();
        let places: Vec<_> = (0..7).map(|_| workers.place().unwrap()).collect();
        let counts = |workers: &Workers| -> Vec<_> {
            workers.threads.iter().map(|thread| thread.connections.load(Relaxed)).collect()
        };
        assert_eq!(counts(&workers), [3, 2, 2]);

        let seen = places[1].runtime().spawn(async {
            tokio::task::yield_now().await;
            (Worker::current(), std::thread::current().name().map(str::to_owned))
        });
        assert_eq!(seen.await.unwrap(), (Some(Worker { number: 1, of: 3 }), Some("connections-1".to_owned())));

        drop(places);
        assert_eq!(counts(&workers), [0, 0, 0]);

        let moved = workers.runtimes()[0].spawn(on_shared_threads(async { Worker::current() }));
        assert_eq!(moved.await.unwrap(), None);
        let panicking = workers.runtimes()[0].spawn(on_shared_threads(async { panic!("on purpose") }));
        assert!(panicking.await.unwrap_err().is_panic());

        let left = workers.runtimes()[0].clone();
        drop(workers);
        let never = left.spawn(std::future::pending::<()>());
        assert!(never.await.unwrap_err().is_cancelled());
    }
}
