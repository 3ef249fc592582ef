//! Traces that wait to be sent: bounded, and what does not fit is counted and forgotten.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::sync::mpsc::{self, Receiver, Sender};

use super::Trace;

/// The end that requests see.
#[derive(Clone, Debug)]
pub struct Queue {
    sender: Sender<Trace>,
    counts: Arc<TraceCounts>,
}

/// What became of traces.
#[derive(Debug, Default)]
pub struct TraceCounts {
    sent: AtomicU64,
    no_room: AtomicU64,
    refused: AtomicU64,
}

impl Queue {
    /// A queue for so many, and its other end.
    pub fn new(room: usize) -> (Self, Receiver<Trace>) {
        Self::counting(room, Arc::default())
    }

    /// The same with counts that go on.
    pub fn counting(room: usize, counts: Arc<TraceCounts>) -> (Self, Receiver<Trace>) {
        let (sender, receiver) = mpsc::channel(room);
        (Self { sender, counts }, receiver)
    }

    /// Puts a trace into it, if there is room.
    pub fn put(&self, trace: Trace) {
        if self.sender.try_send(trace).is_err() {
            self.counts.no_room.fetch_add(1, Relaxed);
        }
    }
}

impl TraceCounts {
    /// So many were sent.
    pub fn sent(&self, traces: usize) {
        self.sent.fetch_add(traces as u64, Relaxed);
    }

    /// So many were not taken by the collector.
    pub fn refused(&self, traces: usize) {
        self.refused.fetch_add(traces as u64, Relaxed);
    }

    /// Those that were sent, those for which there was no room, and those that the collector did not take.
    pub fn all(&self) -> (u64, u64, u64) {
        (self.sent.load(Relaxed), self.no_room.load(Relaxed), self.refused.load(Relaxed))
    }
}
