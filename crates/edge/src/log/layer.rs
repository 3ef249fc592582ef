//! Turns `tracing` events into lines of our format.
//!
//! Written here because the stock JSON formatter nests fields, shouts levels and allocates spans; ours writes flat
//! keys and adds the id of the request that the task is serving.

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::format::{Line, Style};
use super::sink::Sink;
use crate::request_id;

pub(super) struct LineLayer {
    sink: Arc<Sink>,
    style: Style,
}

impl LineLayer {
    pub(super) fn new(sink: Arc<Sink>, style: Style) -> Self {
        Self { sink, style }
    }
}

impl<S: Subscriber> Layer<S> for LineLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message::default();
        event.record(&mut message);
        let metadata = event.metadata();
        let mut line = Line::start(self.style, *metadata.level(), &message.0);
        // PostgREST's lines are sentences that people search for: nothing of ours is added to them.
        let is_ours = self.style != Style::Apache;
        if is_ours {
            line.text("target", metadata.target());
        }
        let mut fields = Fields { line, has_request_id: false };
        event.record(&mut fields);
        if is_ours
            && !fields.has_request_id
            && let Some(id) = request_id::current()
        {
            fields.line.text("request_id", id.as_str());
        }
        self.sink.line(&fields.line.finish());
    }
}

/// Picks the message, which comes first whatever its place among the fields.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.0, "{value:?}");
        }
    }
}

struct Fields {
    line: Line,
    has_request_id: bool,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() != "message" {
            self.record_str(field, &format!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            return;
        }
        self.has_request_id |= field.name() == "request_id";
        self.line.text(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.line.raw(field.name(), format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.line.raw(field.name(), format_args!("{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.line.raw(field.name(), format_args!("{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no infinities; as text they stay readable.
        if value.is_finite() {
            self.line.raw(field.name(), format_args!("{value}"));
        } else {
            self.line.text(field.name(), &value.to_string());
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.line.text(field.name(), &ferrobase_base::error::causes(value));
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::Mutex;

    use tracing_subscriber::layer::SubscriberExt;

    use super::super::sink::Target;
    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn events_become_flat_lines() {
        let memory = Memory::default();
        let sink = Arc::new(Sink::new(Target::Writer(Box::new(memory.clone()))));
        let subscriber = tracing_subscriber::registry().with(LineLayer::new(Arc::clone(&sink), Style::Json));
        tracing::subscriber::with_default(subscriber, || {
            let error: Box<dyn std::error::Error> = "refused".into();
            tracing::warn!(port = 5432, up = false, error = &*error, share = 0.5, "Lost {}", "it");
        });
        sink.flush();
        let text = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["message"], "Lost it");
        assert_eq!(value["port"], 5432);
        assert_eq!(value["up"], false);
        assert_eq!(value["error"], "refused");
        assert_eq!(value["share"], 0.5);
        assert_eq!(value["level"], "warn");
    }
}
