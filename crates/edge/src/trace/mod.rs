//! Traces: which requests are traced, and what is told about them.
//!
//! [`Tracer::begin`] reads what the caller sends (`parent`), decides (`sampler`) and makes the ids; when the request is
//! over, what its journal holds is put into a bounded queue (`queue`), whose other end belongs to whoever sends traces.
//! Invariant: nothing here waits. A queue that is full loses the trace, and counts it.
//! Invariant: of what a caller sends a trace holds the path, the request's id and `tracestate`: no query, no other field,
//! no value.
//! What is sent and how: adr/0011.

mod parent;
mod queue;
mod sampler;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use ferrobase_base::config::Cidr;
use ferrobase_request::TraceFields;
use ferrobase_request::journal::{Statement, Step};
use http::HeaderMap;
use rand::RngExt as _;

pub use parent::{Flags, Parent, SpanId, TraceId};
pub use queue::{Queue, TraceCounts};
pub use sampler::{Allowance, Sampler};

use crate::config::TracingSection;

/// A request that was traced.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The span of the request itself.
    pub ids: Ids,
    /// When it began, on the clock and for comparison with the steps.
    pub began: (SystemTime, Instant),
    /// When it ended.
    pub ended: Instant,
    /// The method, `_OTHER` for one that is not known.
    pub method: &'static str,
    /// Where its room is.
    pub route: Arc<str>,
    /// Its path as sent.
    pub path: String,
    /// The status of its answer; none when the caller left before there was one.
    pub status: Option<u16>,
    /// The request's id.
    pub request_id: String,
    /// The database role.
    pub role: Option<String>,
    /// What was run.
    pub statement: Option<Arc<Statement>>,
    /// Where the time went.
    pub steps: Vec<Step>,
}

/// Which trace a request belongs to, and its place there.
#[derive(Clone, Debug)]
pub struct Ids {
    /// The trace.
    pub trace: TraceId,
    /// The request's span.
    pub span: SpanId,
    /// The caller's span.
    pub parent: Option<SpanId>,
    /// As they are handed on.
    pub flags: Flags,
    /// The caller's `tracestate`.
    pub state: Option<String>,
}

/// What was decided when a request arrived.
#[derive(Clone, Debug, Default)]
pub struct Begun {
    /// The request's place in a trace, when it is traced.
    pub ids: Option<Box<Ids>>,
    /// What calls made for the request carry.
    pub fields: Option<Arc<TraceFields>>,
}

/// Decides about requests and takes the traces of those that are over.
#[derive(Debug)]
pub struct Tracer {
    section: TracingSection,
    sampler: Sampler,
    allowance: Allowance,
    queue: Queue,
}

impl Tracer {
    /// A tracer for this section, and where its traces go.
    pub fn new(section: &TracingSection, queue: Queue) -> Self {
        Self {
            section: section.clone(),
            sampler: Sampler::new(section.sample_rate.as_f64()),
            allowance: Allowance::new(section.caller_sampled_per_second),
            queue,
        }
    }

    /// What it was made for.
    pub fn section(&self) -> &TracingSection {
        &self.section
    }

    /// Decides about a request. The caller's word counts when it comes from a proxy of ours; of others who ask for
    /// traces a few each second are heard, because what they ask for costs the operator something.
    pub fn begin(&self, headers: &HeaderMap, peer: Option<IpAddr>, trusted: &[Cidr]) -> Begun {
        let parent = Parent::read(headers);
        let is_ours = || peer.is_some_and(|peer| trusted.iter().any(|network| network.contains(peer.to_canonical())));
        let sampled = match &parent {
            Some(parent) if !parent.flags.is_sampled() => false,
            Some(_) => is_ours() || self.allowance.take(Instant::now()) || self.sampler.next(),
            None => self.sampler.next(),
        };
        if !sampled {
            // Whoever records nothing hands on what it was given.
            return Begun { ids: None, fields: parent.map(|parent| Arc::new(parent.fields())) };
        }
        let mut random = rand::rng();
        let span = SpanId::new(random.random());
        let ids = match parent {
            Some(parent) => Ids {
                trace: parent.trace,
                span,
                parent: Some(parent.span),
                flags: parent.flags.sampled(),
                state: parent.state,
            },
            None => Ids {
                trace: TraceId::new(random.random()),
                span,
                parent: None,
                flags: Flags::RANDOM.sampled(),
                state: None,
            },
        };
        let fields = Some(Arc::new(TraceFields {
            parent: parent::format(&ids.trace, &ids.span, ids.flags),
            state: ids.state.clone(),
        }));
        Begun { ids: Some(Box::new(ids)), fields }
    }

    /// Takes a trace of a request that is over.
    pub fn end(&self, trace: Trace) {
        self.queue.put(trace);
    }
}

/// What a server that traces nothing hands on: what it was given.
pub(crate) fn passed_on(headers: &HeaderMap) -> Option<Arc<TraceFields>> {
    Parent::read(headers).map(|parent| Arc::new(parent.fields()))
}

#[cfg(test)]
mod tests {
    use ferrobase_base::config::{Atom, Ratio};

    use super::*;

    fn tracer(rate: Ratio, allowed: u32) -> Tracer {
        let section =
            TracingSection { sample_rate: rate, caller_sampled_per_second: allowed, ..TracingSection::default() };
        Tracer::new(&section, Queue::new(8).0)
    }

    fn asking(flags: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let parent = format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}");
        headers.insert("traceparent", parent.parse().unwrap());
        headers.insert("tracestate", "vendor=1".parse().unwrap());
        headers
    }

    #[test]
    fn a_traced_request_is_a_child_of_its_caller() {
        let begun = tracer(Ratio::ALL, 10).begin(&asking("01"), None, &[]);
        let ids = begun.ids.unwrap();
        assert_eq!(ids.trace.to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(ids.parent.unwrap().to_string(), "b7ad6b7169203331");
        let fields = begun.fields.unwrap();
        assert_eq!(fields.parent, format!("00-{}-{}-01", ids.trace, ids.span));
        assert_eq!(fields.state.as_deref(), Some("vendor=1"));
    }

    #[test]
    fn who_asks_for_no_trace_gets_none_and_its_fields_go_on_unchanged() {
        let begun = tracer(Ratio::ALL, 10).begin(&asking("00"), None, &[]);
        assert!(begun.ids.is_none());
        assert!(begun.fields.unwrap().parent.ends_with("-b7ad6b7169203331-00"));
        let alone = tracer(Ratio::parse("0").unwrap(), 10).begin(&HeaderMap::new(), None, &[]);
        assert!(alone.ids.is_none() && alone.fields.is_none());
    }

    #[test]
    fn strangers_force_few_traces_and_proxies_of_ours_as_many_as_they_like() {
        let tracer = tracer(Ratio::parse("0").unwrap(), 3);
        let trusted = [Cidr::parse("10.0.0.0/8").unwrap()];
        let forced = |peer: &str| {
            let peer = peer.parse().ok();
            (0..100).filter(|_| tracer.begin(&asking("01"), peer, &trusted).ids.is_some()).count()
        };
        assert!((3..=6).contains(&forced("203.0.113.9")), "a second may end meanwhile");
        assert_eq!(forced("10.1.2.3"), 100);
    }
}
