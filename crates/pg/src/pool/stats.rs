//! What a pool holds and what happened to it: numbers for metrics and `/ready`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Connections, those that are being opened included.
    pub size: usize,
    /// Lent out, or being checked or cancelled.
    pub active: usize,
    /// Ready to be lent.
    pub idle: usize,
    /// Being opened.
    pub opening: usize,
    /// Callers who wait.
    pub waiting: usize,
    /// Most connections.
    pub max: usize,
    /// Connections that reads share now.
    pub lanes: usize,
    /// Of these, held up by an answer that is late.
    pub lanes_held_up: usize,
    /// Whether there are connections, or opening one did not fail twice in a row. A server that has no slot free for one
    /// more connection is not a database that is away.
    pub available: bool,
    /// Whether the breaker is open: the database did not answer our own question.
    pub broken: bool,
    /// Connections opened since the start.
    pub opened: u64,
    /// Connections closed since the start.
    pub closed: u64,
    /// Attempts to connect that failed.
    pub connect_failures: u64,
    /// Callers who waited for longer than `acquire_timeout`.
    pub timeouts: u64,
    /// Callers who were turned away because too many waited.
    pub saturated: u64,
    /// Callers who were turned away because a queue was standing.
    pub shed: u64,
    /// How often the breaker opened.
    pub breaks: u64,
    /// Questions that were asked because the database was suspected.
    pub probes: u64,
    /// Sessions checked and reset after user code.
    pub resets: u64,
    /// Sessions closed because a request left something in them.
    pub dirty: u64,
    /// Batches cancelled because their caller went or their deadline passed.
    pub cancels: u64,
    /// Backends terminated because they ignored the cancellation.
    pub terminated: u64,
    /// Batches that ran again because they certainly had not run.
    pub repeated: u64,
    /// Batches that ran again because they had lost against others.
    pub retried: u64,
    /// Batches that were answered on a connection which they shared with others.
    pub shared: u64,
    /// How often a batch left such a connection for another one, because it was held up or lost.
    pub moved: u64,
    /// Answers that broke the protocol.
    pub protocol_errors: u64,
    /// Of these, answers that belonged to another request.
    pub desyncs: u64,
}

/// The numbers that only grow.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) opened: AtomicU64,
    pub(super) closed: AtomicU64,
    pub(super) connect_failures: AtomicU64,
    pub(super) timeouts: AtomicU64,
    pub(super) saturated: AtomicU64,
    pub(super) shed: AtomicU64,
    pub(super) breaks: AtomicU64,
    pub(super) probes: AtomicU64,
    pub(super) resets: AtomicU64,
    pub(super) dirty: AtomicU64,
    pub(super) cancels: AtomicU64,
    pub(super) terminated: AtomicU64,
    pub(super) repeated: AtomicU64,
    pub(super) retried: AtomicU64,
    pub(super) shared: AtomicU64,
    pub(super) moved: AtomicU64,
    pub(super) protocol_errors: AtomicU64,
    pub(super) desyncs: AtomicU64,
}

/// One more.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

impl Counters {
    pub(super) fn repeated(&self) {
        count(&self.repeated);
    }

    pub(super) fn protocol_error(&self, desync: bool) {
        count(&self.protocol_errors);
        if desync {
            count(&self.desyncs);
        }
    }

    /// Fills the growing numbers of a snapshot.
    pub(super) fn fill(&self, stats: &mut PoolStats) {
        stats.opened = self.opened.load(Relaxed);
        stats.closed = self.closed.load(Relaxed);
        stats.connect_failures = self.connect_failures.load(Relaxed);
        stats.timeouts = self.timeouts.load(Relaxed);
        stats.saturated = self.saturated.load(Relaxed);
        stats.shed = self.shed.load(Relaxed);
        stats.breaks = self.breaks.load(Relaxed);
        stats.probes = self.probes.load(Relaxed);
        stats.resets = self.resets.load(Relaxed);
        stats.dirty = self.dirty.load(Relaxed);
        stats.cancels = self.cancels.load(Relaxed);
        stats.terminated = self.terminated.load(Relaxed);
        stats.repeated = self.repeated.load(Relaxed);
        stats.retried = self.retried.load(Relaxed);
        stats.shared = self.shared.load(Relaxed);
        stats.moved = self.moved.load(Relaxed);
        stats.protocol_errors = self.protocol_errors.load(Relaxed);
        stats.desyncs = self.desyncs.load(Relaxed);
    }
}
