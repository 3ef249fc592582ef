//! Traces as OTLP has them: one `ExportTraceServiceRequest` in protobuf's binary form.
//!
//! Written by hand, because it is one message of a dozen fields (docs/adr/0011). Numbers are those of opentelemetry-proto,
//! names of attributes those of OpenTelemetry's semantic conventions. A test reads the bytes with the published classes.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ferrobase_edge::trace::{SpanId, Trace};
use ferrobase_request::Stage;
use ferrobase_request::journal::Step;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// `SpanKind`.
const INTERNAL: u64 = 1;
const SERVER: u64 = 2;
const CLIENT: u64 = 3;
/// `STATUS_CODE_ERROR`.
const FAILED: u64 = 2;

/// Who sends.
pub(super) struct Resource {
    service: String,
    /// Tells apart processes of one service.
    instance: String,
}

impl Resource {
    pub(super) fn of(service: &str) -> Self {
        Self { service: service.to_owned(), instance: format!("{:016x}", rand::random::<u64>()) }
    }
}

/// The message that carries these traces.
pub(super) fn encode(resource: &Resource, traces: &[Trace]) -> Vec<u8> {
    let mut request = Message::default();
    request.message(1, |resource_spans| {
        resource_spans.message(1, |message| {
            for (key, value) in [
                ("service.name", &*resource.service),
                ("service.version", VERSION),
                ("service.instance.id", &*resource.instance),
                ("telemetry.sdk.name", "ferrobase"),
                ("telemetry.sdk.language", "rust"),
                ("telemetry.sdk.version", VERSION),
            ] {
                message.attribute(1, key, Value::Text(value));
            }
        });
        resource_spans.message(2, |scope_spans| {
            scope_spans.message(1, |scope| {
                scope.text(1, "ferrobase");
                scope.text(2, VERSION);
            });
            for trace in traces {
                scope_spans.message(2, |span| of_request(span, trace));
                for step in &trace.steps {
                    scope_spans.message(2, |span| of_step(span, trace, step));
                }
            }
        });
    });
    request.0
}

fn of_request(span: &mut Message, trace: &Trace) {
    head(span, trace, &trace.ids.span, trace.ids.parent.as_ref());
    span.text(5, &format!("{} {}", trace.method, trace.route));
    span.number(6, SERVER);
    times(span, trace, trace.began.1, trace.ended.saturating_duration_since(trace.began.1));
    span.attribute(9, "http.request.method", Value::Text(trace.method));
    span.attribute(9, "http.route", Value::Text(&trace.route));
    span.attribute(9, "url.path", Value::Text(&trace.path));
    span.attribute(9, "ferrobase.request_id", Value::Text(&trace.request_id));
    if let Some(role) = &trace.role {
        span.attribute(9, "ferrobase.role", Value::Text(role));
    }
    match trace.status {
        Some(status) => {
            span.attribute(9, "http.response.status_code", Value::Number(status.into()));
            if status >= 500 {
                span.attribute(9, "error.type", Value::Text(&status.to_string()));
                span.message(15, |status| status.number(3, FAILED));
            }
        }
        None => span.attribute(9, "error.type", Value::Text("caller_left")),
    }
    flags(span, trace);
}

fn of_step(span: &mut Message, trace: &Trace, step: &Step) {
    head(span, trace, &SpanId::new(rand::random()), Some(&trace.ids.span));
    span.text(5, step.stage.name());
    span.number(6, if step.stage == Stage::Execute { CLIENT } else { INTERNAL });
    times(span, trace, step.began, step.took);
    if step.stage == Stage::Execute {
        span.attribute(9, "db.system.name", Value::Text("postgresql"));
        if let Some(statement) = &trace.statement {
            span.attribute(9, "db.query.summary", Value::Text(statement.name()));
        }
    }
    flags(span, trace);
}

fn head(span: &mut Message, trace: &Trace, id: &SpanId, parent: Option<&SpanId>) {
    span.bytes(1, trace.ids.trace.bytes());
    span.bytes(2, id.bytes());
    if let Some(state) = &trace.ids.state {
        span.text(3, state);
    }
    if let Some(parent) = parent {
        span.bytes(4, parent.bytes());
    }
}

fn times(span: &mut Message, trace: &Trace, began: Instant, took: Duration) {
    let began = trace.began.0 + began.saturating_duration_since(trace.began.1);
    span.fixed64(7, nanoseconds(began));
    span.fixed64(8, nanoseconds(began + took));
}

fn flags(span: &mut Message, trace: &Trace) {
    span.fixed32(16, trace.ids.flags.bits().into());
}

fn nanoseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// The value of an attribute.
#[derive(Clone, Copy)]
enum Value<'v> {
    Text(&'v str),
    Number(u64),
}

/// A message that is being written. Fields with their default value are left out, as protobuf has it.
#[derive(Default)]
struct Message(Vec<u8>);

/// Wire types.
const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LENGTH: u32 = 2;
const FIXED32: u32 = 5;

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn tag(&mut self, field: u32, wire: u32) {
        self.varint(u64::from(field << 3 | wire));
    }

    fn number(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.tag(field, VARINT);
            self.varint(value);
        }
    }

    fn fixed64(&mut self, field: u32, value: u64) {
        self.tag(field, FIXED64);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn fixed32(&mut self, field: u32, value: u32) {
        self.tag(field, FIXED32);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.tag(field, LENGTH);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, field: u32, text: &str) {
        self.bytes(field, text.as_bytes());
    }

    fn message(&mut self, field: u32, write: impl FnOnce(&mut Message)) {
        let mut inner = Message::default();
        write(&mut inner);
        self.bytes(field, &inner.0);
    }

    /// A `KeyValue`.
    fn attribute(&mut self, field: u32, key: &str, value: Value<'_>) {
        self.message(field, |pair| {
            pair.text(1, key);
            pair.message(2, |any| match value {
                Value::Text(text) => any.text(1, text),
                Value::Number(number) => any.number(3, number),
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_written_as_protobuf_has_them() {
        let mut message = Message::default();
        message.number(1, 150);
        message.number(2, 0);
        message.text(2, "testing");
        message.message(3, |inner| inner.number(1, 150));
        message.fixed32(16, 1);
        let expected = b"\x08\x96\x01\x12\x07testing\x1a\x03\x08\x96\x01\x85\x01\x01\0\0\0";
        assert_eq!(message.0, expected);
    }
}
