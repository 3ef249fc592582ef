//! Answers that an HTTP/2 caller does not take: dropped after a while, stream by stream, and their streams reset.
//!
//! On HTTP/1 a caller who reads nothing blocks the socket, which `activity` sees. On HTTP/2 it only leaves the window of a
//! stream closed: the socket is free, hyper does not even ask for the body, so no deadline within the body is looked at,
//! and what the body holds (memory, a connection to the database) would be held for ever. So bodies are kept where the
//! connection's clock can reach them (security 29).
//! Invariant: only the stream that is not taken ends; others on its connection may be other people's, behind a proxy.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::Response;
use bytes::{Buf, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::activity::RequestGuard;
use super::stream::End;

/// Most bytes that are handed over at once: hyper takes a piece whole as soon as there is room for a byte of it.
const PIECE: usize = 16 * 1024;
/// Streams that are remembered before those that ended are looked for.
const FEW: usize = 64;

/// The answers of one connection.
#[derive(Default)]
pub(super) struct Untaken(Mutex<Vec<Weak<Mutex<Answer>>>>);

/// An answer's body was dropped because nobody took it.
#[derive(Debug, thiserror::Error)]
#[error("the caller did not take its answer")]
struct NotTaken;

struct Answer {
    body: Option<Body>,
    /// The rest of a piece that was too large.
    rest: Bytes,
    /// Since when the next piece could be asked for; `None` while its source is the one to be waited for.
    ready_since: Option<Instant>,
    /// "Under way" until all of it was taken.
    guard: Option<RequestGuard>,
    /// Ends its stream.
    end: End,
}

impl Untaken {
    /// Keeps the answer's body in reach.
    pub(super) fn watch(&self, response: Response, guard: RequestGuard) -> Response {
        if response.body().is_end_stream() {
            return response;
        }
        response.map(|body| {
            let answer = Arc::new(Mutex::new(Answer {
                body: Some(body),
                rest: Bytes::new(),
                ready_since: Some(Instant::now()),
                guard: Some(guard),
                end: End::of_current(),
            }));
            let mut answers = lock(&self.0);
            if answers.len() >= FEW && answers.len() == answers.capacity() {
                answers.retain(|answer| answer.strong_count() > 0);
            }
            answers.push(Arc::downgrade(&answer));
            Body::new(Watched(answer))
        })
    }

    /// Drops the answers of which nothing was taken for so long.
    pub(super) fn drop_stale(&self, limit: Duration) {
        let mut stale = Vec::new();
        lock(&self.0).retain(|answer| {
            let Some(answer) = answer.upgrade() else { return false };
            // Whoever holds it is taking it.
            let mut answer = match answer.try_lock() {
                Ok(answer) => answer,
                Err(TryLockError::Poisoned(answer)) => answer.into_inner(),
                Err(TryLockError::WouldBlock) => return true,
            };
            let is_stale = answer.ready_since.is_some_and(|since| since.elapsed() >= limit);
            if is_stale {
                answer.rest = Bytes::new();
                answer.end.now();
                stale.push((answer.body.take(), answer.guard.take()));
            }
            !is_stale
        });
        if !stale.is_empty() {
            tracing::debug!(answers = stale.len(), "Answers were dropped because their caller does not take them");
        }
    }
}

/// Nothing under these locks panics half-way, except a body, which is then of no use anyway.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Watched(Arc<Mutex<Answer>>);

impl Answer {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(self.next_piece())));
        }
        let Some(body) = &mut self.body else { return Poll::Ready(Some(Err(axum::Error::new(NotTaken)))) };
        let polled = std::task::ready!(Pin::new(body).poll_frame(cx));
        Poll::Ready(match polled {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    self.rest = data;
                    Some(Ok(self.next_piece()))
                }
                Err(trailers) => Some(Ok(trailers)),
            },
            end => end,
        })
    }

    fn next_piece(&mut self) -> Frame<Bytes> {
        if self.rest.len() <= PIECE {
            return Frame::data(std::mem::take(&mut self.rest));
        }
        // A copy: what lies with the connection must not keep the whole answer alive.
        let piece = Bytes::copy_from_slice(&self.rest[..PIECE]);
        self.rest.advance(PIECE);
        Frame::data(piece)
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut answer = lock(&self.0);
        let polled = answer.poll(cx);
        answer.ready_since = polled.is_ready().then(Instant::now);
        polled
    }

    fn is_end_stream(&self) -> bool {
        let answer = lock(&self.0);
        answer.rest.is_empty() && answer.body.as_ref().is_some_and(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let answer = lock(&self.0);
        let inner = answer.body.as_ref().map(HttpBody::size_hint).unwrap_or_default();
        let rest = answer.rest.len() as u64;
        let mut hint = SizeHint::new();
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(inner.lower() + rest);
        hint
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::super::activity::{Activity, Behind};
    use super::*;

    #[tokio::test]
    async fn an_answer_passes_whole_and_in_pieces() {
        let untaken = Untaken::default();
        let all: Vec<u8> = (0..3 * PIECE + 5).map(|byte| byte as u8).collect();
        let activity = Activity::new();
        let response = untaken.watch(Response::new(Body::from(all.clone())), activity.request(Behind::Frames));
        assert_eq!(response.body().size_hint().exact(), Some(all.len() as u64));
        let mut body = response.into_body();
        let mut taken = Vec::new();
        while let Some(frame) = body.frame().await {
            let data = frame.unwrap().into_data().unwrap();
            assert!(data.len() <= PIECE);
            taken.extend_from_slice(&data);
            assert_eq!(body.size_hint().exact(), Some((all.len() - taken.len()) as u64));
            untaken.drop_stale(Duration::from_secs(5));
        }
        assert!(taken == all && body.is_end_stream());
    }

    #[tokio::test]
    async fn what_is_not_taken_is_dropped_and_later_an_error() {
        let untaken = Untaken::default();
        let source = Arc::new(());
        let held = Arc::clone(&source);
        let stream =
            futures_util::stream::unfold(held, |held| async { Some((Ok::<_, axum::Error>(Bytes::from("x")), held)) });
        let activity = Activity::new();
        let response = untaken.watch(Response::new(Body::from_stream(stream)), activity.request(Behind::Frames));
        let mut body = response.into_body();
        assert!(body.frame().await.unwrap().is_ok());
        untaken.drop_stale(Duration::from_secs(5));
        assert!(body.frame().await.unwrap().is_ok());
        untaken.drop_stale(Duration::ZERO);
        assert_eq!(Arc::strong_count(&source), 1, "its source is free");
        assert!(body.frame().await.unwrap().is_err());
    }

    #[tokio::test]
    async fn a_source_that_takes_its_time_is_not_the_callers_fault() {
        let untaken = Untaken::default();
        let stream = futures_util::stream::pending::<Result<Bytes, axum::Error>>();
        let activity = Activity::new();
        let response = untaken.watch(Response::new(Body::from_stream(stream)), activity.request(Behind::Frames));
        let mut body = response.into_body();
        assert!(futures_util::poll!(body.frame()).is_pending());
        untaken.drop_stale(Duration::ZERO);
        assert!(futures_util::poll!(body.frame()).is_pending());
    }

    #[tokio::test]
    async fn answers_that_ended_are_forgotten() {
        let untaken = Untaken::default();
        let activity = Activity::new();
        for _ in 0..10 * FEW {
            drop(untaken.watch(Response::new(Body::from("x")), activity.request(Behind::Frames)));
        }
        assert!(lock(&untaken.0).len() <= 2 * FEW);
    }
}
