//! The line that every request leaves: `Request completed`.
//!
//! Keys, in this order: timestamp, level, message, method, path, status, duration_ms, user_id, request_id; then, only
//! where there is something to say, query (scrubbed), code (of the error), cut (the answer's body ended early).
//! Level: `error` from 500 on, `warn` from 400 on, else `info`, so that `level: error` logs failures only.
//! Invariant: no header and no body is ever part of it; the query goes through `scrub`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tracing::Level;

use super::format::Line;
use super::scrub::scrub_query;
use super::sink::Sink;
use crate::config::LogFormat;

/// What is known about a request when it is over.
#[derive(Clone, Copy, Debug)]
pub struct AccessRecord<'a> {
    /// The method as sent.
    pub method: &'a str,
    /// The path as sent, before any alias.
    pub path: &'a str,
    /// The query as sent.
    pub query: Option<&'a str>,
    /// The status, 499 when the caller left before there was one.
    pub status: u16,
    /// From the first byte of the request's head to the end of the answer as far as we produce it.
    pub duration: Duration,
    /// The `sub` of the verified token.
    pub user_id: Option<&'a str>,
    /// The request's id.
    pub request_id: &'a str,
    /// The error's code.
    pub code: Option<&'a str>,
    /// The answer's body ended early: the caller left, the deadline passed, or the source failed.
    pub cut: bool,
}

/// Writes request lines. Cheap to clone.
#[derive(Clone)]
pub struct AccessLog {
    sink: Arc<Sink>,
    format: LogFormat,
    threshold: Arc<AtomicU8>,
}

impl AccessLog {
    /// A log of requests at or above a level; `None` logs none.
    pub fn new(sink: Arc<Sink>, format: LogFormat, level: Option<Level>) -> Self {
        let threshold = Arc::new(AtomicU8::new(0));
        let log = Self { sink, format, threshold };
        log.set_level(level);
        log
    }

    /// Where the lines go.
    pub(crate) fn sink(&self) -> Arc<Sink> {
        Arc::clone(&self.sink)
    }

    /// Changes the threshold.
    pub fn set_level(&self, level: Option<Level>) {
        self.threshold.store(level.map_or(0, rank), Ordering::Relaxed);
    }

    /// Writes one request's line, unless its level is below the threshold.
    pub fn write(&self, record: &AccessRecord<'_>) {
        let level = level_of(record);
        if rank(level) > self.threshold.load(Ordering::Relaxed) {
            return;
        }
        let mut line = Line::start(self.format, level, "Request completed");
        line.text("method", record.method);
        line.text("path", record.path);
        line.raw("status", format_args!("{}", record.status));
        line.raw("duration_ms", format_args!("{:.3}", record.duration.as_secs_f64() * 1000.0));
        line.text_or_null("user_id", record.user_id);
        line.text("request_id", record.request_id);
        if let Some(query) = record.query.filter(|query| !query.is_empty()) {
            line.text("query", &scrub_query(query));
        }
        if let Some(code) = record.code {
            line.text("code", code);
        }
        if record.cut {
            line.raw("cut", format_args!("true"));
        }
        self.sink.line(&line.finish());
    }
}

fn level_of(record: &AccessRecord<'_>) -> Level {
    match record.status {
        500.. => Level::ERROR,
        _ if record.cut => Level::WARN,
        400.. => Level::WARN,
        _ => Level::INFO,
    }
}

/// 1 for ERROR to 5 for TRACE: a line is written when its rank is not above the threshold's.
fn rank(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}
