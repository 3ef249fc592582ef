//! One request and its answer: what is remembered about it, and everything that happens after a room answered.
//!
//! Invariant: `Exchange::drop` is the only way a request leaves without an answer (the caller went away): it is logged
//! and counted as 499. Every other ending passes through `run`.
//! Read on: `report` (what is remembered of a request).

use std::future::Future;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::Response;
use ferrobase_request::{Journal, TraceFields};
use futures_util::FutureExt;
use http::header::{ACCEPT_ENCODING, HeaderName, ORIGIN, REFERER, USER_AGENT};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body::Body as _;

use super::Inner;
use crate::body::{self, Ending};
use crate::client_ip::client_ip;
use crate::compression::Compression;
use crate::context::Caller;
use crate::error::ErrorCode;
use crate::listener::Peer;
use crate::log::Visit;
use crate::metrics::Counted;
use crate::policy::{CorsOwner, RoutePolicy, Streams};
use crate::rate_limit::Verdict;
use crate::refusal;
use crate::request_id::{self, REQUEST_ID, RequestId};
use crate::settings::Settings;
use crate::timing;
use crate::trace::{self, Begun, Ids};

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
/// nginx's number for a caller that left before the answer.
pub(super) const CALLER_LEFT: u16 = 499;

/// What is known about a request while it is answered. Stages fill it in as they find out.
pub(super) struct Exchange {
    pub(super) app: Arc<Inner>,
    pub(super) settings: Arc<Settings>,
    pub(super) arrived: Instant,
    pub(super) request_id: RequestId,
    pub(super) client_ip: Option<IpAddr>,
    pub(super) policy: RoutePolicy,
    /// Which of the rooms has it, once that is known.
    pub(super) room: Option<usize>,
    pub(super) caller: Option<Caller>,
    pub(super) verdict: Option<Verdict>,
    pub(super) journal: Journal,
    /// Its place in a trace, when it is traced.
    pub(super) ids: Option<Box<Ids>>,
    /// What calls made for it carry, until the context has it.
    pub(super) trace_fields: Option<Arc<TraceFields>>,
    pub(super) timeout: Option<Duration>,
    pub(super) streams: Streams,
    pub(super) method: Method,
    pub(super) uri: Uri,
    origin: Option<HeaderValue>,
    accept_encoding: Option<HeaderValue>,
    trace: Option<HeaderValue>,
    pub(super) visit: Option<Visit>,
    pub(super) length: Option<u64>,
    pub(super) is_preflight: bool,
    pub(super) reported: bool,
    _counted: Counted,
}

/// Answers one request, whatever it does. What is large is boxed, because all that is around it is moved.
pub(super) fn serve(app: Arc<Inner>, request: Request<Body>) -> impl Future<Output = Response> + Send {
    let exchange = Box::new(Exchange::begin(app, &request));
    let id = exchange.request_id.clone();
    request_id::scope(id, Box::pin(exchange.run(request)))
}

impl Exchange {
    fn begin(app: Arc<Inner>, request: &Request<Body>) -> Self {
        let settings = app.settings.load_full();
        let headers = request.headers();
        let peer = request.extensions().get::<Peer>().and_then(|peer| peer.address);
        let begun = match &settings.tracer {
            Some(tracer) => tracer.begin(headers, peer, &settings.trusted_proxies),
            None => Begun { ids: None, fields: trace::passed_on(headers) },
        };
        Self {
            arrived: Instant::now(),
            request_id: RequestId::of(headers),
            client_ip: client_ip(peer, headers, &settings.trusted_proxies),
            policy: RoutePolicy::default(),
            room: None,
            caller: None,
            verdict: None,
            journal: Journal::new(app.statements.clone(), begun.ids.is_some()),
            ids: begun.ids,
            trace_fields: begun.fields,
            timeout: None,
            streams: Streams::default(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            origin: headers.get(ORIGIN).cloned(),
            accept_encoding: headers.get(ACCEPT_ENCODING).cloned(),
            trace: settings.trace_header.as_ref().and_then(|name| headers.get(name)).cloned(),
            visit: app.access.as_ref().filter(|access| access.wants_visit()).map(|_| Visit {
                client: peer,
                version: request.version(),
                referer: headers.get(REFERER).cloned(),
                user_agent: headers.get(USER_AGENT).cloned(),
            }),
            length: None,
            is_preflight: false,
            reported: false,
            _counted: app.metrics.in_flight(),
            settings,
            app,
        }
    }

    async fn run(mut self: Box<Self>, request: Request<Body>) -> Response {
        let outcome = AssertUnwindSafe(self.answer(request)).catch_unwind().await;
        let mut response = match outcome {
            Ok(Ok(response)) => response,
            Ok(Err(refusal)) => (self.policy.error_shape)(&refusal),
            Err(_panic) => {
                self.app.metrics.panicked();
                tracing::error!(method = %self.method, path = self.uri.path(), "A request panicked");
                (self.policy.error_shape)(&refusal::internal())
            }
        };
        if let (true, Some(compression)) = (self.policy.compress, self.settings.compression)
            && let Some(encoding) = Compression::wanted(&self.method, self.accept_encoding.as_ref(), &mut response)
        {
            response = Box::pin(compression.encode(encoding, response)).await;
        }
        self.write_fields(&mut response);
        self.observe(response)
    }

    fn write_fields(&self, response: &mut Response) {
        let headers = response.headers_mut();
        if self.policy.cors == CorsOwner::Edge {
            self.settings.cors.decorate(self.origin.as_ref(), headers);
        }
        self.settings.headers.decorate(headers);
        if let Some(verdict) = &self.verdict {
            verdict.write(headers);
        }
        if let (Some(rules), Some(caller)) = (&self.settings.freshness, &self.caller) {
            rules.write(&caller.0, headers);
        }
        if self.settings.server_timing
            && let Some(timing) = timing::field(&self.journal.times(), self.settings.stage_names)
        {
            headers.insert(SERVER_TIMING, timing);
        }
        if let (Some(name), Some(value)) = (&self.settings.trace_header, &self.trace) {
            headers.insert(name.clone(), value.clone());
        }
        if let Some(id) = self.request_id.header() {
            headers.insert(REQUEST_ID, id);
        }
    }

    /// Reports the request now, or when its streamed body ends.
    fn observe(mut self: Box<Self>, mut response: Response) -> Response {
        let status = response.status();
        let code = response.extensions_mut().remove::<ErrorCode>();
        self.length = response.body().size_hint().exact();
        let is_stream = self.length.is_none() && status != StatusCode::SWITCHING_PROTOCOLS;
        if !is_stream || self.method == Method::HEAD {
            self.report(status.as_u16(), code.as_ref(), false);
            return response;
        }
        let deadline = self.timeout.map(|timeout| (self.arrived + timeout).into());
        response.map(|streamed| {
            body::watch(streamed, deadline, move |ending| {
                self.report(status.as_u16(), code.as_ref(), ending != Ending::Complete);
            })
        })
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.reported {
            self.report(CALLER_LEFT, None, true);
        }
    }
}
