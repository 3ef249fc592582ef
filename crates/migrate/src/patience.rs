//! How often a transaction that cannot get a lock is tried again, and how long it rests before.
//!
//! A transaction that waits gives all its locks back with its rollback, so that it never stands in the way for long.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::error::Error;
use crate::event::{Event, Listener};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The attempts of one transaction.
#[derive(Debug)]
pub(crate) struct Patience<'a> {
    file: &'a str,
    attempt: u32,
    attempts: u32,
}

impl<'a> Patience<'a> {
    /// For a transaction of this file.
    pub(crate) fn new(file: &'a str, attempts: u32) -> Self {
        Self { file, attempt: 1, attempts }
    }

    /// Rests after an attempt that was rolled back; gives the error back when another attempt would not help.
    pub(crate) async fn another(&mut self, error: Error, listener: Listener<'_>) -> Result<(), Error> {
        let Error::Failed(failure) = &error else { return Err(error) };
        if !is_contention(&failure.code) || self.attempt >= self.attempts {
            return Err(error);
        }
        self.attempt += 1;
        let (file, reason) = (self.file.to_owned(), failure.message.clone());
        listener(&Event::Retrying { file, attempt: self.attempt, reason });
        sleep(pause(self.attempt)).await;
        Ok(())
    }
}

/// lock_not_available, deadlock_detected
fn is_contention(code: &str) -> bool {
    matches!(code, "55P03" | "40P01")
}

/// Doubles with every attempt; a little of it by chance, so that two that collided do not collide again.
fn pause(attempt: u32) -> Duration {
    let base = FIRST_PAUSE.saturating_mul(1 << attempt.saturating_sub(2).min(10)).min(LONGEST_PAUSE);
    let chance = Instant::now().elapsed().subsec_nanos() % 32 + std::process::id() % 32;
    base + base * chance / 128
}
