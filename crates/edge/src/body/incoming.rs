//! A request's body under guard.
//!
//! Counts bytes against the route's limit, ends a body that stalls, remembers what went wrong (so that the edge can
//! answer rightly even when a room reported it otherwise), and reads the rest of a body that a room did not want: a
//! connection closed on unread data loses the answer before the caller has read it.
//! Invariant: reading on for that purpose is bounded in time, and in bytes unless the body is one that streams, whose
//! caller is often still sending when it is refused; it never answers `Expect: 100-continue`.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::{Instant, Sleep};

use super::BodyFault;

/// How much of an unwanted body is read so that the answer arrives, and for how long.
const REST_BYTES: u64 = 32 * 1024 * 1024;
const REST_TIME: Duration = Duration::from_secs(5);
const REST_STALL: Duration = Duration::from_secs(1);

/// Bounds of one body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyRules {
    /// Longest wait for the next bytes.
    pub(crate) stall: Duration,
    /// What is done with a rest that nobody wants.
    pub(crate) rest: Rest,
}

/// What is done with a rest that nobody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// It is read.
    Read,
    /// It is read when some of it came: before that the caller waits for `100 Continue` and sends nothing.
    ReadOnceBegun,
    /// It is left: on HTTP/2 one stream can be ended alone.
    Left,
}

/// What became of a body, readable while a room holds it.
#[derive(Clone, Debug)]
pub(crate) struct BodyWatch(Arc<State>);

#[derive(Debug)]
struct State {
    fault: AtomicU8,
    limit: AtomicU64,
    complete: AtomicBool,
    waiting: AtomicBool,
    abandoned: AtomicBool,
    streams: AtomicBool,
}

impl BodyWatch {
    /// Says that the body streams: its size is no reason not to read the rest for a while.
    pub(crate) fn set_streams(&self) {
        self.0.streams.store(true, Ordering::Relaxed);
    }

    /// Says that the rest need not be read: its caller is too slow anyway.
    pub(crate) fn abandon(&self) {
        self.0.abandoned.store(true, Ordering::Release);
    }

    /// Sets the route's limit, which is known only after the body was put under guard. `None` is no limit.
    pub(crate) fn set_limit(&self, limit: Option<u64>) {
        self.0.limit.store(limit.unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The first thing that went wrong.
    pub(crate) fn fault(&self) -> Option<BodyFault> {
        match self.0.fault.load(Ordering::Acquire) {
            1 => Some(BodyFault::TooLarge(self.0.limit.load(Ordering::Relaxed))),
            2 => Some(BodyFault::TooSlow),
            3 => Some(BodyFault::Broken),
            _ => None,
        }
    }

    /// Whether the whole body came.
    #[cfg(test)]
    pub(crate) fn is_complete(&self) -> bool {
        self.0.complete.load(Ordering::Acquire)
    }

    /// Whether somebody is waiting for more of it: then it is the caller who is slow.
    pub(crate) fn is_waiting(&self) -> bool {
        self.0.waiting.load(Ordering::Acquire)
    }

    fn set(&self, fault: BodyFault) {
        let number = match fault {
            BodyFault::TooLarge(_) => 1,
            BodyFault::TooSlow => 2,
            BodyFault::Broken => 3,
        };
        self.0.fault.store(number, Ordering::Release);
    }
}

/// Puts a body under guard. A body that is empty stays as it is and has nothing to watch.
pub(crate) fn guard(body: Body, rules: BodyRules) -> (Body, Option<BodyWatch>) {
    if body.is_end_stream() {
        return (body, None);
    }
    let watch = BodyWatch(Arc::new(State {
        fault: AtomicU8::new(0),
        limit: AtomicU64::new(u64::MAX),
        complete: AtomicBool::new(false),
        waiting: AtomicBool::new(false),
        abandoned: AtomicBool::new(false),
        streams: AtomicBool::new(false),
    }));
    let guarded = Guarded { inner: Some(body), seen: 0, rules, stall: None, watch: watch.clone() };
    (Body::new(guarded), Some(watch))
}

struct Guarded {
    /// Gone once the body has ended, one way or another.
    inner: Option<Body>,
    seen: u64,
    rules: BodyRules,
    stall: Option<Pin<Box<Sleep>>>,
    watch: BodyWatch,
}

impl Guarded {
    fn take(&mut self, data: Bytes) -> Result<Frame<Bytes>, BodyFault> {
        self.stall = None;
        self.seen = self.seen.saturating_add(data.len() as u64);
        let limit = self.watch.0.limit.load(Ordering::Relaxed);
        if self.seen > limit { Err(self.fail(BodyFault::TooLarge(limit))) } else { Ok(Frame::data(data)) }
    }

    fn fail(&mut self, fault: BodyFault) -> BodyFault {
        self.watch.set(fault);
        match fault {
            BodyFault::TooLarge(_) => self.read_rest(),
            BodyFault::TooSlow | BodyFault::Broken => self.inner = None,
        }
        fault
    }

    fn poll_stall(&mut self, cx: &mut Context<'_>) -> bool {
        let wait = self.rules.stall;
        let stall = self.stall.get_or_insert_with(|| Box::pin(tokio::time::sleep(wait)));
        stall.as_mut().poll(cx).is_ready()
    }

    /// Hands what is left to a task that reads and forgets it.
    fn read_rest(&mut self) {
        let Some(body) = self.inner.take() else { return };
        let is_left = match self.rules.rest {
            Rest::Read => false,
            Rest::ReadOnceBegun => self.seen == 0,
            Rest::Left => true,
        };
        let unwanted = is_left || self.watch.0.abandoned.load(Ordering::Acquire);
        let most = if self.watch.0.streams.load(Ordering::Relaxed) { u64::MAX } else { REST_BYTES };
        if unwanted || body.size_hint().lower() > most {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(forget(body, most));
        }
    }
}

async fn forget(mut body: Body, mut left: u64) {
    let deadline = Instant::now() + REST_TIME;
    loop {
        let patience = deadline.min(Instant::now() + REST_STALL);
        let Ok(Some(Ok(frame))) = tokio::time::timeout_at(patience, body.frame()).await else { return };
        let size = frame.data_ref().map_or(0, |data| data.len() as u64);
        match left.checked_sub(size) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

impl HttpBody for Guarded {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let this = self.get_mut();
        let Some(body) = this.inner.as_mut() else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(cx);
        this.watch.0.waiting.store(polled.is_pending(), Ordering::Release);
        match polled {
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => Poll::Ready(Some(this.take(data))),
                Err(trailers) => Poll::Ready(Some(Ok(trailers))),
            },
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(this.fail(BodyFault::Broken)))),
            Poll::Ready(None) => {
                this.inner = None;
                this.watch.0.complete.store(true, Ordering::Release);
                Poll::Ready(None)
            }
            Poll::Pending if this.poll_stall(cx) => Poll::Ready(Some(Err(this.fail(BodyFault::TooSlow)))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if self.inner.as_ref().is_some_and(|body| !body.is_end_stream()) {
            self.read_rest();
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::StreamBody;

    use super::super::collect;
    use super::*;

    fn guarded(body: Body, limit: u64) -> (Body, BodyWatch) {
        let (body, watch) = guard(body, BodyRules { stall: Duration::from_millis(50), rest: Rest::Read });
        let watch = watch.unwrap();
        watch.set_limit(Some(limit));
        (body, watch)
    }

    fn chunks(list: Vec<Result<&'static str, std::io::Error>>) -> Body {
        let frames = list.into_iter().map(|chunk| chunk.map(|text| Frame::data(Bytes::from(text))));
        Body::new(StreamBody::new(futures_util::stream::iter(frames)))
    }

    #[tokio::test]
    async fn a_body_up_to_the_limit_passes_and_one_byte_more_does_not() {
        let (body, watch) = guarded(chunks(vec![Ok("12345"), Ok("67890")]), 10);
        assert_eq!(collect(body).await.unwrap(), "1234567890");
        assert!(watch.is_complete() && watch.fault().is_none());

        let (body, watch) = guarded(chunks(vec![Ok("12345"), Ok("678901")]), 10);
        assert_eq!(collect(body).await.unwrap_err().code, "FBE413");
        assert_eq!(watch.fault(), Some(BodyFault::TooLarge(10)));
    }

    #[tokio::test]
    async fn a_body_that_stalls_or_breaks_is_reported_as_such() {
        let silence = futures_util::stream::pending::<Result<Frame<Bytes>, std::io::Error>>();
        let (body, watch) = guarded(Body::new(StreamBody::new(silence)), 10);
        assert_eq!(collect(body).await.unwrap_err().code, "FBE408");
        assert_eq!(watch.fault(), Some(BodyFault::TooSlow));
        assert!(watch.is_waiting());

        let broken = chunks(vec![Ok("123"), Err(std::io::Error::other("reset"))]);
        let (body, watch) = guarded(broken, 10);
        assert_eq!(collect(body).await.unwrap_err().code, "FBE400");
        assert_eq!(watch.fault(), Some(BodyFault::Broken));
    }

    #[test]
    fn an_empty_body_is_not_wrapped() {
        let rules = BodyRules { stall: Duration::from_millis(50), rest: Rest::Read };
        assert!(guard(Body::empty(), rules).1.is_none());
    }
}
