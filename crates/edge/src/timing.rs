//! Where the time of one request went, stage by stage, for the `Server-Timing` field.
//!
//! Rooms find a [`Timings`] in the request's extensions and record their stages by name (`parse`, `plan`,
//! `transaction`, `response`); the edge records `jwt` and writes the field when `rest.server_timing` is on. When it
//! is off the value is empty and recording costs one branch.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderValue;

/// A shared list of (stage, duration) in the order of recording.
#[derive(Clone, Debug, Default)]
pub struct Timings(Option<Arc<Mutex<Vec<Stage>>>>);

type Stage = (&'static str, Duration);

impl Timings {
    /// A list that records.
    pub fn recording() -> Self {
        Self(Some(Arc::new(Mutex::new(Vec::with_capacity(6)))))
    }

    /// A list that forgets: what rooms get when the field is switched off.
    pub fn off() -> Self {
        Self(None)
    }

    /// Notes how long a stage took. The name must be an HTTP token.
    pub fn record(&self, stage: &'static str, took: Duration) {
        if let Some(list) = &self.0 {
            list.lock().unwrap_or_else(PoisonError::into_inner).push((stage, took));
        }
    }

    /// Runs a synchronous stage and notes how long it took.
    pub fn measure<T>(&self, stage: &'static str, run: impl FnOnce() -> T) -> T {
        if self.0.is_none() {
            return run();
        }
        let started = Instant::now();
        let result = run();
        self.record(stage, started.elapsed());
        result
    }

    /// `jwt;dur=0.4, parse;dur=0.5` in milliseconds with one decimal; `None` when off or nothing was recorded.
    pub fn header(&self) -> Option<HeaderValue> {
        let list = self.0.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        let text: Vec<String> =
            list.iter().map(|(stage, took)| format!("{stage};dur={:.1}", took.as_secs_f64() * 1000.0)).collect();
        if text.is_empty() { None } else { HeaderValue::try_from(text.join(", ")).ok() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_written_in_order_and_nothing_when_off() {
        let timings = Timings::recording();
        timings.record("jwt", Duration::from_micros(420));
        timings.record("transaction", Duration::from_micros(12_350));
        assert_eq!(timings.measure("plan", || 7), 7);
        let header = timings.header().unwrap();
        assert!(header.to_str().unwrap().starts_with("jwt;dur=0.4, transaction;dur=12.3, plan;dur=0.0"), "{header:?}");
        assert_eq!(Timings::recording().header(), None);
        let off = Timings::off();
        off.record("jwt", Duration::from_secs(1));
        assert_eq!(off.header(), None);
    }
}
