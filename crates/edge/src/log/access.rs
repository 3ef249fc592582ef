//! The line that every request leaves: `Request completed`.
//!
//! Keys, in this order: timestamp, level, message, method, path, status, duration_ms, user_id, request_id; then, only
//! where there is something to say, trace_id, query (scrubbed), code (of the error), cut (the answer's body ended early).
//! In PostgREST's style it is Apache's combined format instead, with the role as the user.
//! Level: `error` from 500 on, `warn` from 400 on, else `info`, so that `level: error` logs failures only.
//! Invariant: no body and no header but `Referer` and `User-Agent` is ever part of it; the query goes through `scrub`.

use std::io::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use http::{HeaderValue, Version};
use tracing::Level;

use super::format::{APACHE_TIME, Line, Style};
use super::scrub::scrub_query;
use super::sink::Sink;
use crate::trace::TraceId;

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
    /// Its trace, when it is traced.
    pub trace_id: Option<&'a TraceId>,
    /// The error's code.
    pub code: Option<&'a str>,
    /// The answer's body ended early: the caller left, the deadline passed, or the source failed.
    pub cut: bool,
    /// The role of the request, where one was decided.
    pub role: Option<&'a str>,
    /// Bytes of the answer's body, where that was known when it began.
    pub length: Option<u64>,
    /// What only Apache's format shows; see [`AccessLog::wants_visit`].
    pub visit: Option<&'a Visit>,
}

/// Who came from where, with what.
#[derive(Clone, Debug, Default)]
pub struct Visit {
    /// The client's address.
    pub client: Option<IpAddr>,
    /// `HTTP/1.1`.
    pub version: Version,
    /// `Referer`.
    pub referer: Option<HeaderValue>,
    /// `User-Agent`.
    pub user_agent: Option<HeaderValue>,
}

/// Writes request lines. Cheap to clone.
#[derive(Clone)]
pub struct AccessLog {
    sink: Arc<Sink>,
    style: Style,
    threshold: Arc<AtomicU8>,
}

impl AccessLog {
    /// A log of requests at or above a level; `None` logs none.
    pub fn new(sink: Arc<Sink>, style: Style, level: Option<Level>) -> Self {
        let threshold = Arc::new(AtomicU8::new(0));
        let log = Self { sink, style, threshold };
        log.set_level(level);
        log
    }

    /// Where the lines go.
    pub(crate) fn sink(&self) -> Arc<Sink> {
        Arc::clone(&self.sink)
    }

    /// Whether lines show where callers come from, which costs copies of fields at every request.
    pub fn wants_visit(&self) -> bool {
        self.style == Style::Apache
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
        if self.style == Style::Apache {
            self.sink.line(&combined(record));
            return;
        }
        let mut line = Line::start(self.style, level, "Request completed");
        line.text("method", record.method);
        line.text("path", record.path);
        line.number("status", u64::from(record.status));
        line.milliseconds("duration_ms", record.duration);
        line.text_or_null("user_id", record.user_id);
        line.text("request_id", record.request_id);
        if let Some(trace) = record.trace_id {
            line.text("trace_id", &trace.to_string());
        }
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

/// Apache's combined format.
fn combined(record: &AccessRecord<'_>) -> Vec<u8> {
    let nobody = Visit::default();
    let visit = record.visit.unwrap_or(&nobody);
    let field = |field: &Option<HeaderValue>| -> String {
        let text = field.as_ref().map(HeaderValue::as_bytes).unwrap_or_default();
        // A quote or a control character would let a caller forge the rest of the line.
        String::from_utf8_lossy(text).chars().map(|c| if c == '"' || c.is_control() { '?' } else { c }).collect()
    };
    let client = visit.client.map_or_else(|| "-".to_owned(), |client| client.to_string());
    let query = record.query.filter(|query| !query.is_empty()).map(|query| format!("?{}", scrub_query(query)));
    let length = record.length.map_or_else(|| "-".to_owned(), |length| length.to_string());
    let mut line = Vec::with_capacity(200);
    // Writing into memory cannot fail.
    let _ = writeln!(
        line,
        "{client} - {} [{}] \"{} {}{} {:?}\" {} {length} \"{}\" \"{}\"",
        record.role.unwrap_or("-"),
        jiff::Zoned::now().strftime(APACHE_TIME),
        record.method,
        record.path,
        query.unwrap_or_default(),
        visit.version,
        record.status,
        field(&visit.referer),
        field(&visit.user_agent),
    );
    line
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
