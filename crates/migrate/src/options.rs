//! How `up` behaves where there is a choice.

use std::time::Duration;

use crate::discover::Version;

/// Options of [`crate::up`].
#[derive(Clone, Debug)]
pub struct UpOptions {
    /// Apply no file after this one.
    pub to: Option<Version>,
    /// Longest wait for one lock; while a statement waits, everybody behind it waits too. Not for CONCURRENTLY, behind which
    /// nobody waits.
    pub lock_timeout: Duration,
    /// How often a transaction (a file, or a statement of one without) is tried when it cannot get a lock or loses a deadlock; with growing pauses between.
    pub lock_attempts: u32,
    /// Longest wait for another runner.
    pub wait: Duration,
    /// Who we are, for messages to others who wait for us.
    pub runner: String,
    /// What to do with a statement outside a transaction that an earlier run began and may have finished.
    pub in_doubt: InDoubt,
}

impl Default for UpOptions {
    fn default() -> Self {
        Self {
            to: None,
            lock_timeout: Duration::from_secs(2),
            lock_attempts: 10,
            wait: Duration::from_secs(60),
            runner: format!("process {}", std::process::id()),
            in_doubt: InDoubt::Stop,
        }
    }
}

/// What to do with a statement that may or may not have been completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InDoubt {
    /// Say so and apply nothing of its file.
    Stop,
    /// Run it again, for a caller who has looked and found that it is not done.
    Retry,
    /// Take it as done, for a caller who has looked and found that it is.
    Skip,
}
