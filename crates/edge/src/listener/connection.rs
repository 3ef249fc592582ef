//! The life of one HTTP connection.
//!
//! Drives hyper, hands requests to the handler, and meanwhile looks at the clock and at the server's phase: a bad
//! connection is dropped, an unused one retired, and when the server closes every one finishes its request first; one that was
//! made a moment ago may still send it.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{Request, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::time::{Instant, Sleep};

use super::activity::{Activity, Behind, RequestGuard, Verdict};
use super::seldom::Seldom;
use super::stream::Streams;
use super::transport::{Observed, Transport};
use super::untaken::Untaken;
use super::{ConnectionLimits, Handler, Peer};
use crate::lifecycle::{Lifecycle, Phase};

/// Streams that one HTTP/2 connection may have open.
const STREAMS: u32 = 256;
/// Bytes that one stream may send before the room reads them.
const STREAM_WINDOW: u32 = 256 * 1024;
/// How long a connection that was told to end may take for it when nothing is under way.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long after it was made a connection may wait for its first request, where the server closes meanwhile: whoever connects
/// means to ask, and nobody told them to go elsewhere.
const FIRST: Duration = Duration::from_secs(1);

pub(super) struct Connection<S> {
    pub(super) handler: S,
    pub(super) peer: Peer,
    pub(super) limits: ConnectionLimits,
    pub(super) lifecycle: Lifecycle,
    pub(super) streams: Streams,
}

impl<S: Handler> Connection<S> {
    pub(super) async fn run(self, transport: Transport) {
        let activity = Activity::new();
        let io = TokioIo::new(Observed::new(transport, Arc::clone(&activity)));
        let builder = builder(&self.limits, self.streams.clone());
        let untaken = Arc::new(Untaken::default());
        let service = self.service(Arc::clone(&activity), Arc::clone(&untaken));
        let mut http = pin!(builder.serve_connection_with_upgrades(io, service));
        let mut closing = pin!(self.lifecycle.reached(Phase::Closing));
        let mut clock = tokio::time::interval(tick(&self.limits));
        let mut seldom = Seldom::default();
        let (mut retired_at, mut first) = (None, None);
        loop {
            let event = poll_fn(|cx| match (http.as_mut().poll(cx), &mut first) {
                (Poll::Ready(ended), _) => Poll::Ready(Event::Ended(ended.err())),
                (Poll::Pending, Some(first)) => first_or_never(&activity, first, cx),
                (Poll::Pending, None) => seldom.poll(cx, |cx| {
                    if retired_at.is_none() && closing.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(Event::Closing);
                    }
                    clock.poll_tick(cx).map(|_| Event::Tick)
                }),
            });
            let retires = match event.await {
                Event::Ended(error) => {
                    if let Some(error) = error {
                        tracing::debug!(error = &*error, "A connection ended with an error");
                    }
                    return;
                }
                Event::Closing => {
                    let left = activity.may_still_begin(FIRST);
                    first = left.map(|left| Box::pin(tokio::time::sleep(left)));
                    first.is_none()
                }
                Event::Tick => {
                    untaken.drop_stale(self.limits.stall);
                    match activity.verdict(&self.limits) {
                        Verdict::Cut(reason) => {
                            tracing::debug!(reason, "A connection was cut");
                            return;
                        }
                        Verdict::Retire => true,
                        Verdict::Keep => false,
                    }
                }
            };
            match retired_at {
                None if retires => {
                    http.as_mut().graceful_shutdown();
                    retired_at = Some(Instant::now());
                }
                // A peer that is gone never acknowledges the end.
                Some(since) if retires && since.elapsed() >= FAREWELL => return,
                None | Some(_) => {}
            }
        }
    }

    fn service(&self, activity: Arc<Activity>, untaken: Arc<Untaken>) -> HttpService<S> {
        HttpService { handler: self.handler.clone(), peer: self.peer, activity, untaken }
    }
}

/// What a connection waits for.
enum Event<E> {
    Ended(Option<E>),
    Closing,
    Tick,
}

/// Waits until the first request has come, or will not come any more.
fn first_or_never<E>(activity: &Activity, first: &mut Pin<Box<Sleep>>, cx: &mut Context<'_>) -> Poll<Event<E>> {
    let is_over = activity.may_still_begin(FIRST).is_none() || first.as_mut().poll(cx).is_ready();
    if is_over { Poll::Ready(Event::Closing) } else { Poll::Pending }
}

/// Often enough to notice each limit within a half of it.
fn tick(limits: &ConnectionLimits) -> Duration {
    (limits.head.min(limits.idle).min(limits.stall) / 2).max(Duration::from_millis(10))
}

fn builder(limits: &ConnectionLimits, streams: Streams) -> Builder<Streams> {
    let mut builder = Builder::new(streams);
    builder
        .http1()
        .timer(TokioTimer::new())
        // `activity` keeps the time of heads; hyper's own timer would also run between requests.
        .header_read_timeout(None)
        .max_buf_size(limits.head_bytes.max(8192));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        // What a caller may send ahead of a room that is not reading: bounds memory per connection.
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(4 * STREAM_WINDOW);
    builder
}

/// Gives hyper's requests to the handler.
struct HttpService<S> {
    handler: S,
    peer: Peer,
    activity: Arc<Activity>,
    untaken: Arc<Untaken>,
}

impl<S: Handler> hyper::service::Service<Request<Incoming>> for HttpService<S> {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let behind = behind(&request);
        let guard = self.activity.request(behind);
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(self.peer);
        let mut handler = self.handler.clone();
        let answer = handler.call(request);
        let untaken = (behind == Behind::Frames).then(|| Arc::clone(&self.untaken));
        Box::pin(async move {
            let Ok(mut response) = answer.await;
            name_status(&mut response);
            Ok(match untaken {
                Some(untaken) => untaken.watch(response, guard),
                None => hold(response, guard),
            })
        })
    }
}

/// A status that has no words of its own goes without, where hyper would write `<none>`.
fn name_status(response: &mut Response) {
    if response.status().canonical_reason().is_none() && response.extensions().get::<ReasonPhrase>().is_none() {
        response.extensions_mut().insert(ReasonPhrase::from_static(b""));
    }
}

/// What hyper will take from the connection behind this head. Only `Head` is a promise.
fn behind(request: &Request<Incoming>) -> Behind {
    if request.version() == Version::HTTP_2 {
        Behind::Frames
    } else if request.body().is_end_stream() && request.extensions().get::<OnUpgrade>().is_none() {
        Behind::Head
    } else {
        Behind::Opaque
    }
}

/// Keeps a request "under way" until its streamed body ends. A body that is in memory leaves without further ado.
fn hold(response: Response, guard: RequestGuard) -> Response {
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    response.map(|inner| Body::new(Held { inner, _guard: guard }))
}

struct Held {
    inner: Body,
    _guard: RequestGuard,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
