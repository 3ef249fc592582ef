//! Notices code that does not let go of a thread of the runtime: a busy loop, or a call that blocks.
//!
//! A deadline ends what waits, never what computes: a task that runs and runs is not asked. So a thread of its own looks at
//! the counts that each worker of the runtime keeps. A worker that rests, or that takes up one piece of work after the other,
//! changes them; one that does not is stalled. When none of a runtime's workers has come back for
//! `observability.abort_when_stalled`, nobody does its work any more (a thread that serves connections is a runtime of its
//! own), and the process ends, for its supervisor to start it again: nobody else could.
//! Invariant: a runtime that is busy, however busy, is not stalled: the counts change after 61 pieces of work at the latest, which
//! take far less than the time that is reported.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use ferrobase_edge::metrics::Sample;
use tokio::runtime::Handle;

/// Longest pause between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// The watch over runtimes; ends when dropped.
#[derive(Debug)]
pub(super) struct Watchdog(Arc<Seen>);

/// When something is reported, and when it is the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) stalled_after: Duration,
    pub(super) abort_after: Option<Duration>,
}

/// What was seen since the start.
#[derive(Debug, Default)]
struct Seen {
    /// Workers that are stalled now.
    stalled: AtomicUsize,
    stalls: AtomicU64,
    longest_ms: AtomicU64,
    ended: AtomicBool,
}

/// A worker as it was when something about it changed last.
struct Worker {
    counts: (Duration, u64),
    since: Instant,
    is_reported: bool,
}

impl Watchdog {
    /// Watches these.
    pub(super) fn start(bounds: Bounds, runtimes: Vec<Handle>) -> std::io::Result<Self> {
        Self::start_with(bounds, runtimes, || {
            // The log's own thread writes, and may need a moment.
            std::thread::sleep(PAUSE);
            std::process::abort();
        })
    }

    fn start_with(bounds: Bounds, runtimes: Vec<Handle>, end: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        let seen = Arc::<Seen>::default();
        let known = Arc::downgrade(&seen);
        let watch = move || watch(&runtimes, bounds, &known, end);
        std::thread::Builder::new().name("watchdog".to_owned()).spawn(watch)?;
        Ok(Self(seen))
    }

    /// Its numbers, for whoever scrapes.
    pub(super) fn samples(&self) -> impl Fn() -> Vec<Sample> + Send + Sync + 'static {
        let seen = Arc::clone(&self.0);
        move || {
            let (now, longest) = (seen.stalled.load(Relaxed), seen.longest_ms.load(Relaxed));
            vec![
                Sample::gauge("runtime_stalled_workers", "Threads that one piece of work holds up now", now as f64),
                Sample::counter(
                    "runtime_stalls_total",
                    "Times that one piece of work held up a thread",
                    seen.stalls.load(Relaxed) as f64,
                ),
                Sample::gauge(
                    "runtime_longest_stall_seconds",
                    "Longest time that one piece of work held up a thread",
                    longest as f64 / 1000.0,
                ),
            ]
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.0.ended.store(true, Relaxed);
    }
}

fn watch(runtimes: &[Handle], bounds: Bounds, seen: &Weak<Seen>, end: impl Fn()) {
    let pause = (bounds.stalled_after / 4).min(PAUSE);
    let mut watched: Vec<Vec<Worker>> = runtimes.iter().map(|_| Vec::new()).collect();
    while let Some(seen) = seen.upgrade().filter(|seen| !seen.ended.load(Relaxed)) {
        let now = Instant::now();
        for (runtime, workers) in runtimes.iter().zip(&mut watched) {
            look(runtime, workers, now);
        }
        report(&mut watched, bounds.stalled_after, now, &seen);
        let is_gone = |worker: &Worker| bounds.abort_after.is_some_and(|after| now - worker.since >= after);
        if watched.iter().any(|workers| !workers.is_empty() && workers.iter().all(is_gone)) {
            tracing::error!("no thread of a runtime has come back; the process ends");
            return end();
        }
        drop(seen);
        std::thread::sleep(pause);
    }
}

/// Notes who changed. A worker that rests is at its ease: of it nothing is expected.
fn look(runtime: &Handle, workers: &mut Vec<Worker>, now: Instant) {
    let metrics = runtime.metrics();
    for number in 0..metrics.num_workers() {
        let counts = (metrics.worker_total_busy_duration(number), metrics.worker_park_unpark_count(number));
        // It counts when it goes to rest and when it gets up, beginning with the first rest.
        let rests = counts.1 % 2 == 1;
        match workers.get_mut(number) {
            None => workers.push(Worker { counts, since: now, is_reported: false }),
            Some(worker) if rests || worker.counts != counts => {
                *worker = Worker { counts, since: now, ..Worker { is_reported: worker.is_reported, ..*worker } };
            }
            Some(_) => {}
        }
    }
}

fn report(watched: &mut [Vec<Worker>], after: Duration, now: Instant, seen: &Seen) {
    let mut stalled = 0;
    for (number, worker) in watched.iter_mut().flatten().enumerate() {
        let held = now - worker.since;
        let is_stalled = held >= after;
        stalled += usize::from(is_stalled);
        if is_stalled {
            seen.longest_ms.fetch_max(u64::try_from(held.as_millis()).unwrap_or(u64::MAX), Relaxed);
        }
        if is_stalled && !worker.is_reported {
            seen.stalls.fetch_add(1, Relaxed);
            tracing::error!(
                worker = number,
                held_ms = held.as_millis() as u64,
                "a busy loop, or a call that blocks, holds up a thread"
            );
        }
        worker.is_reported = is_stalled;
    }
    seen.stalled.store(stalled, Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { stalled_after: Duration::from_millis(300), abort_after: None };

    /// Computes without a pause.
    fn spin(time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            std::hint::spin_loop();
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_busy_loop_and_a_blocking_call_are_noticed_and_their_end_too() {
        let watchdog = Watchdog::start(BOUNDS, vec![Handle::current()]).unwrap();
        for work in [spin, std::thread::sleep] {
            let before = watchdog.0.stalls.load(Relaxed);
            let busy = tokio::spawn(async move { work(Duration::from_millis(1500)) });
            let began = Instant::now();
            while watchdog.0.stalled.load(Relaxed) == 0 {
                assert!(began.elapsed() < Duration::from_millis(1400), "it was not noticed");
                std::thread::sleep(Duration::from_millis(10));
            }
            busy.await.unwrap();
            tokio::time::sleep(Duration::from_millis(400)).await;
            assert_eq!(watchdog.0.stalled.load(Relaxed), 0, "it is over");
            assert_eq!(watchdog.0.stalls.load(Relaxed), before + 1, "once");
        }
        assert!(watchdog.0.longest_ms.load(Relaxed) >= 1000);
        assert_eq!(watchdog.samples()().len(), 3);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_runtime_with_more_to_do_than_it_can_is_not_stalled() {
        let watchdog = Watchdog::start(BOUNDS, vec![Handle::current()]).unwrap();
        let until = Instant::now() + Duration::from_millis(1500);
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                tokio::spawn(async move {
                    while Instant::now() < until {
                        spin(Duration::from_micros(100));
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(watchdog.0.stalls.load(Relaxed), 0, "neither busy nor idle is stalled");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_end_comes_when_no_thread_comes_back() {
        let bounds = Bounds { abort_after: Some(Duration::from_millis(600)), ..BOUNDS };
        let (end, ended) = std::sync::mpsc::channel();
        let here = vec![Handle::current()];
        let _watchdog = Watchdog::start_with(bounds, here, move || end.send(()).unwrap()).unwrap();
        tokio::spawn(async { spin(Duration::from_millis(1500)) }).await.unwrap();
        assert!(ended.try_recv().is_err(), "the other one came back");
        // Each begins on a thread of its own: whoever has taken one cannot take the other.
        let both: Vec<_> = (0..2).map(|_| tokio::spawn(async { spin(Duration::from_millis(2500)) })).collect();
        ended.recv_timeout(Duration::from_millis(2400)).expect("nobody came back");
        for one in both {
            one.await.unwrap();
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_thread_that_serves_alone_need_not_wait_for_others_to_be_lost_too() {
        let bounds = Bounds { abort_after: Some(Duration::from_millis(600)), ..BOUNDS };
        let (end, ended) = std::sync::mpsc::channel();
        let workers = ferrobase_edge::listener::Workers::start().unwrap();
        let mut runtimes = workers.runtimes();
        runtimes.push(Handle::current());
        let _watchdog = Watchdog::start_with(bounds, runtimes, move || end.send(()).unwrap()).unwrap();
        std::thread::sleep(Duration::from_millis(1200));
        assert!(ended.try_recv().is_err(), "threads that rest are not lost");
        let busy = workers.runtimes()[0].spawn(async { spin(Duration::from_millis(2500)) });
        ended.recv_timeout(Duration::from_millis(2000)).expect("it did not come back");
        busy.await.unwrap();
    }
}
