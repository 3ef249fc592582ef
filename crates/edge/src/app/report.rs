//! What is remembered of a request when it is over: numbers, lines, a trace.
//!
//! Called once a request, by whatever ends it. Everything here is made from the exchange and its journal.
//! Invariant: nothing here waits. Invariant: what names a statement holds no value that the caller sent.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ferrobase_request::journal::{Ended, Notes, Stage};

use super::exchange::{CALLER_LEFT, Exchange};
use crate::error::ErrorCode;
use crate::log::AccessRecord;
use crate::metrics::{RouteCounts, known};
use crate::trace::Trace;

impl Exchange {
    /// The request is over.
    pub(super) fn report(&mut self, status: u16, code: Option<&ErrorCode>, cut: bool) {
        self.reported = true;
        let ended = Instant::now();
        let duration = ended.saturating_duration_since(self.arrived);
        self.app.metrics.completed(self.counts(), &self.method, status, duration);
        let notes = self.journal.close();
        self.app.metrics.staged(&notes.times);
        self.add_up(&notes, duration, status);
        self.tell_if_slow(&notes, duration, status);
        self.write_line(status, code, cut, duration);
        self.trace(notes, ended, status);
    }

    /// The numbers of its room.
    fn counts(&self) -> &RouteCounts {
        self.room.map_or(&self.app.unrouted, |room| &self.app.rooms[room].counts)
    }

    fn add_up(&self, notes: &Notes, took: Duration, status: u16) {
        let Some(statement) = &notes.statement else { return };
        let (bytes, rows) = (self.length.unwrap_or(0), notes.rows.unwrap_or(0));
        statement.count(&Ended { took, times: notes.times, bytes, rows, failed: status >= 400 });
    }

    /// One line about a transaction that took too long: the statement's name, never what it was asked with.
    fn tell_if_slow(&self, notes: &Notes, took: Duration, status: u16) {
        let of = |stage| notes.times.get(stage).unwrap_or_default();
        let (wait, execute) = (of(Stage::Wait), of(Stage::Execute));
        if self.settings.slow_query.is_none_or(|slow| wait + execute < slow) {
            return;
        }
        self.app.metrics.slow_query();
        tracing::warn!(
            target: "ferrobase::slow",
            plan = notes.statement.as_ref().map(|statement| statement.name()),
            duration_ms = milliseconds(took),
            wait_ms = milliseconds(wait),
            execute_ms = milliseconds(execute),
            role = self.caller.as_ref().map(|caller| caller.0.identity.role()),
            rows = notes.rows,
            bytes = self.length,
            status,
            request_id = self.request_id.as_str(),
            trace_id = self.ids.as_ref().map(|ids| ids.trace.to_string()),
            "Slow query"
        );
    }

    fn write_line(&self, status: u16, code: Option<&ErrorCode>, cut: bool, duration: Duration) {
        let Some(access) = &self.app.access else { return };
        // PostgREST answers them before its log.
        if self.is_preflight && access.wants_visit() {
            return;
        }
        access.write(&AccessRecord {
            method: self.method.as_str(),
            path: self.uri.path(),
            query: self.uri.query(),
            status,
            duration,
            user_id: self.caller.as_ref().and_then(|caller| caller.0.identity.user_id()),
            request_id: self.request_id.as_str(),
            trace_id: self.ids.as_ref().map(|ids| &ids.trace),
            code: code.map(|code| &*code.0),
            cut,
            role: self.caller.as_ref().map(|caller| caller.0.identity.role()),
            length: self.length,
            visit: self.visit.as_ref(),
        });
    }

    fn trace(&mut self, notes: Notes, ended: Instant, status: u16) {
        let (Some(ids), Some(tracer)) = (self.ids.take(), &self.settings.tracer) else { return };
        let method = match known(&self.method) {
            "OTHER" => "_OTHER",
            known => known,
        };
        tracer.end(Trace {
            ids: *ids,
            began: (SystemTime::now() - ended.saturating_duration_since(self.arrived), self.arrived),
            ended,
            method,
            route: Arc::clone(self.counts().route()),
            path: self.uri.path().to_owned(),
            status: Some(status).filter(|status| *status != CALLER_LEFT),
            request_id: self.request_id.as_str().to_owned(),
            role: self.caller.as_ref().map(|caller| caller.0.identity.role().to_owned()),
            statement: notes.statement,
            steps: notes.steps,
        });
    }
}

/// With three decimals.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
