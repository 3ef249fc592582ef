//! Sends traces to the collector of `observability.tracing`.
//!
//! edge (decides, records) -> bounded queue -> **here**: batches -> `otlp` (bytes) -> egress (POST). One task a
//! configuration; a reload that changes the section starts another one, and the old one sends what it still has.
//! Invariant: a collector that is slow, down or silent costs requests nothing: the queue fills up and traces are lost,
//! which `traces_dropped_total` counts. What is sent and why so: docs/adr/0011.

mod otlp;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ferrobase_edge::config::TracingSection;
use ferrobase_edge::metrics::Sample;
use ferrobase_edge::trace::{Queue, Trace, TraceCounts, Tracer};
use ferrobase_egress::{Authorities, Bounds, Client, Message};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use otlp::Resource;

/// Traces that may wait; some kilobytes each.
const ROOM: usize = 2048;
/// Traces in one message.
const BATCH: usize = 256;
/// How long a message waits to become larger.
const GATHER: Duration = Duration::from_secs(1);
/// Tries of one message, and the pause after the first that failed; it doubles.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);
/// The same trouble is said again after this.
const SAY_AGAIN: Duration = Duration::from_secs(60);
const CONTENT_TYPE: &str = "application/x-protobuf";
const PATH: &str = "/v1/traces";

/// The tracing of one server.
#[derive(Default)]
pub(crate) struct Traces {
    counts: Arc<TraceCounts>,
    finishing: watch::Sender<bool>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tracer: Option<Arc<Tracer>>,
    sending: Vec<JoinHandle<()>>,
}

impl Traces {
    /// The tracer of this section, where it traces anything: the one in force while the section stays the same.
    /// Must be called on a runtime.
    pub(crate) fn tracer(&self, section: &TracingSection) -> Option<Arc<Tracer>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let endpoint = section.endpoint.as_ref().filter(|_| section.enabled);
        if let (Some(tracer), Some(_)) = (&state.tracer, endpoint)
            && tracer.section() == section
        {
            return Some(Arc::clone(tracer));
        }
        state.sending.retain(|task| !task.is_finished());
        state.tracer = endpoint.map(|endpoint| {
            let (queue, receiver) = Queue::counting(ROOM, Arc::clone(&self.counts));
            let sender = Sender {
                url: url(endpoint),
                client: Client::for_named(
                    Bounds { total: Duration::from_secs(5), ..Bounds::default() },
                    Authorities::System,
                ),
                fields: fields(section),
                resource: Resource::of(&section.service_name),
                counts: Arc::clone(&self.counts),
                finishing: self.finishing.subscribe(),
                told: None,
            };
            state.sending.push(tokio::spawn(sender.run(receiver)));
            Arc::new(Tracer::new(section, queue))
        });
        state.tracer.clone()
    }

    /// Sends what is there. The caller bounds the wait.
    pub(crate) async fn finish(&self) {
        self.finishing.send_replace(true);
        let sending = std::mem::take(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner).sending);
        for task in sending {
            let _ = task.await;
        }
    }

    /// What became of traces.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        let (sent, no_room, refused) = self.counts.all();
        let dropped = |reason, count: u64| {
            let help = "Traces that nobody got: no room while they waited, or not taken by the collector";
            Sample::counter("traces_dropped_total", help, count as f64).label("reason", reason)
        };
        vec![
            Sample::counter("traces_sent_total", "Traces that the collector took", sent as f64),
            dropped("queue", no_room),
            dropped("collector", refused),
        ]
    }
}

/// Where traces are sent: the endpoint is a collector's base unless it says more.
fn url(endpoint: &str) -> String {
    let base = endpoint.trim_end_matches('/');
    if base.ends_with(PATH) { base.to_owned() } else { format!("{base}{PATH}") }
}

fn fields(section: &TracingSection) -> HeaderMap {
    let mut fields = HeaderMap::new();
    let secret = section.authorization.as_ref().and_then(|secret| HeaderValue::try_from(secret.expose()).ok());
    if let Some(mut value) = secret {
        value.set_sensitive(true);
        fields.insert(AUTHORIZATION, value);
    }
    fields
}

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error(transparent)]
    Call(#[from] ferrobase_egress::Error),
    #[error("the collector answers with status {0}")]
    Status(u16),
}

impl SendError {
    /// Whether the collector may take it later (OTLP names the statuses).
    fn may_pass(&self) -> bool {
        match self {
            Self::Call(error) => !matches!(error, ferrobase_egress::Error::Refused { .. }),
            Self::Status(status) => matches!(status, 429 | 502 | 503 | 504),
        }
    }
}

/// What the sending task owns.
struct Sender {
    url: String,
    client: Client,
    fields: HeaderMap,
    resource: Resource,
    counts: Arc<TraceCounts>,
    finishing: watch::Receiver<bool>,
    /// When trouble was said last.
    told: Option<Instant>,
}

impl Sender {
    async fn run(mut self, mut receiver: Receiver<Trace>) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let is_open = tokio::select! {
                received = receiver.recv_many(&mut batch, BATCH) => received > 0,
                () = finishing(&mut self.finishing) => false,
            };
            if !is_open {
                break;
            }
            self.gather(&mut receiver, &mut batch).await;
            self.send(&batch).await;
            batch.clear();
        }
        // Whoever still traces after this traces for nobody.
        receiver.close();
        while receiver.recv_many(&mut batch, BATCH).await > 0 {
            self.send(&batch).await;
            batch.clear();
        }
    }

    /// Waits for more, for a moment.
    async fn gather(&mut self, receiver: &mut Receiver<Trace>, batch: &mut Vec<Trace>) {
        let until = tokio::time::Instant::now() + GATHER;
        while batch.len() < BATCH {
            let room = BATCH - batch.len();
            let came = tokio::select! {
                came = receiver.recv_many(batch, room) => came,
                () = tokio::time::sleep_until(until) => return,
                () = finishing(&mut self.finishing) => return,
            };
            if came == 0 {
                return;
            }
        }
    }

    async fn send(&mut self, traces: &[Trace]) {
        let body = bytes::Bytes::from(otlp::encode(&self.resource, traces));
        let mut pause = PAUSE;
        for attempt in 1.. {
            let error = match self.post(body.clone()).await {
                Ok(()) => return self.counts.sent(traces.len()),
                Err(error) => error,
            };
            let is_last = attempt == TRIES || !error.may_pass() || *self.finishing.borrow();
            if is_last {
                self.counts.refused(traces.len());
                return self.tell(&error, traces.len());
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = finishing(&mut self.finishing) => {}
            }
            pause *= 2;
        }
    }

    async fn post(&self, body: bytes::Bytes) -> Result<(), SendError> {
        let message = Message { content_type: CONTENT_TYPE, fields: self.fields.clone(), body };
        let answer = self.client.post(&self.url, message).await?;
        if answer.status.is_success() { Ok(()) } else { Err(SendError::Status(answer.status.as_u16())) }
    }

    fn tell(&mut self, error: &SendError, traces: usize) {
        if self.told.is_none_or(|told| told.elapsed() >= SAY_AGAIN) {
            self.told = Some(Instant::now());
            tracing::warn!(traces, error = error as &dyn std::error::Error, "traces could not be sent");
        }
    }
}

/// Waits until the server ends.
async fn finishing(receiver: &mut watch::Receiver<bool>) {
    // Without the server there is nobody left to trace for.
    let _ = receiver.wait_for(|finishing| *finishing).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_the_base_of_a_collector_or_the_whole_address() {
        assert_eq!(url("http://localhost:4318"), "http://localhost:4318/v1/traces");
        assert_eq!(url("https://c.example/otlp/"), "https://c.example/otlp/v1/traces");
        assert_eq!(url("http://localhost:4318/v1/traces"), "http://localhost:4318/v1/traces");
    }
}
