//! A streamed answer under watch.
//!
//! An answer whose head is sent can no longer become an error. What still can go wrong (the deadline passes, the source
//! fails, the code panics) must be visible to the caller: the body ends with an error, so that HTTP/1 closes without
//! the last chunk and HTTP/2 resets the stream (security 29). The ending is reported once, for log and metrics.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

/// How an answer's body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All of it was handed over.
    Complete,
    /// It stopped early, for this reason.
    Cut(&'static str),
}

/// Why a streamed answer stops; only the connection sees it.
#[derive(Debug, thiserror::Error)]
enum Cut {
    #[error("the deadline passed while the answer was being sent")]
    Deadline,
    #[error("the source of the answer failed")]
    Source(#[source] axum::Error),
    #[error("the source of the answer panicked")]
    Panic,
}

/// Watches a body: ends it with an error at the deadline, and says how it ended. `report` runs exactly once.
///
/// The deadline is for a source that keeps its caller waiting. An answer that is complete leaves also when it was ready at
/// the last moment: cutting it would close the connection without a word. How long it may take for that is the
/// listener's business.
pub(crate) fn watch(body: Body, deadline: Option<Instant>, report: impl FnOnce(Ending) + Send + 'static) -> Body {
    let timer = deadline.map(|deadline| Box::pin(tokio::time::sleep_until(deadline)));
    Body::new(Watched { inner: body, timer, has_waited: false, report: Some(Box::new(report)) })
}

struct Watched {
    inner: Body,
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether the source had nothing to hand over at some time.
    has_waited: bool,
    report: Option<Box<dyn FnOnce(Ending) + Send>>,
}

impl Watched {
    fn end(&mut self, ending: Ending) {
        self.timer = None;
        if let Some(report) = self.report.take() {
            report(ending);
        }
    }

    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        self.timer.as_mut().is_some_and(|timer| timer.as_mut().poll(cx).is_ready())
    }

    fn poll_in_time(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if self.has_waited && self.is_late(cx) {
            return Poll::Ready(Some(Err(Cut::Deadline)));
        }
        let polled = self.poll_source(cx);
        if polled.is_pending() {
            self.has_waited = true;
            if self.is_late(cx) {
                return Poll::Ready(Some(Err(Cut::Deadline)));
            }
        }
        polled
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let inner = Pin::new(&mut self.inner);
        // A panic here would take the whole connection with it, on HTTP/2 with everybody else's streams.
        let polled: Result<_, Box<dyn Any + Send>> = catch_unwind(AssertUnwindSafe(|| inner.poll_frame(cx)));
        match polled {
            Ok(poll) => poll.map(|frame| frame.map(|frame| frame.map_err(Cut::Source))),
            Err(_) => Poll::Ready(Some(Err(Cut::Panic))),
        }
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        match this.poll_in_time(cx) {
            Poll::Ready(Some(Err(cut))) => {
                tracing::warn!(error = &cut as &dyn std::error::Error, "An answer was cut");
                this.end(Ending::Cut(match cut {
                    Cut::Deadline => "deadline",
                    Cut::Source(_) => "source",
                    Cut::Panic => "panic",
                }));
                Poll::Ready(Some(Err(cut.into())))
            }
            Poll::Ready(None) => {
                this.end(Ending::Complete);
                Poll::Ready(None)
            }
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(frame))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let ending = if self.inner.is_end_stream() { Ending::Complete } else { Ending::Cut("caller") };
        self.end(ending);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    fn watched(body: Body, deadline: Option<Instant>) -> (Body, mpsc::Receiver<Ending>) {
        let (send, receive) = mpsc::channel();
        (watch(body, deadline, move |ending| send.send(ending).unwrap()), receive)
    }

    #[tokio::test]
    async fn sec_29_a_stream_over_its_deadline_ends_with_an_error() {
        let first = futures_util::stream::iter([Ok::<_, std::io::Error>(Frame::data(Bytes::from("part")))]);
        let stream = futures_util::StreamExt::chain(first, futures_util::stream::pending());
        let deadline = Instant::now() + Duration::from_millis(30);
        let (mut body, ending) = watched(Body::new(StreamBody::new(stream)), Some(deadline));
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "part");
        assert!(body.frame().await.unwrap().is_err());
        assert_eq!(ending.recv().unwrap(), Ending::Cut("deadline"));
        drop(body);
        assert!(ending.recv().is_err(), "the ending is reported once");
    }

    #[tokio::test]
    async fn an_answer_that_is_ready_at_its_deadline_leaves_whole() {
        let pieces = ["all ", "of ", "it"].map(|piece| Ok::<_, std::io::Error>(Frame::data(Bytes::from(piece))));
        let pieces = Body::new(StreamBody::new(futures_util::stream::iter(pieces)));
        for complete in [Body::from("all of it"), pieces] {
            let (body, ending) = watched(complete, Some(Instant::now()));
            assert_eq!(body.collect().await.unwrap().to_bytes(), "all of it");
            assert_eq!(ending.recv().unwrap(), Ending::Complete);
        }
    }

    #[tokio::test]
    async fn a_panic_in_a_stream_is_an_error_of_that_stream() {
        struct Bomb;
        impl HttpBody for Bomb {
            type Data = Bytes;
            type Error = std::io::Error;
            fn poll_frame(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
                panic!("boom")
            }
        }
        let (mut body, ending) = watched(Body::new(Bomb), None);
        assert!(body.frame().await.unwrap().is_err());
        assert_eq!(ending.recv().unwrap(), Ending::Cut("panic"));
    }

    #[tokio::test]
    async fn a_complete_answer_and_one_that_nobody_reads() {
        let (body, ending) = watched(Body::from("all"), None);
        assert_eq!(body.collect().await.unwrap().to_bytes(), "all");
        assert_eq!(ending.recv().unwrap(), Ending::Complete);
        let (body, ending) = watched(Body::from("all"), None);
        drop(body);
        assert_eq!(ending.recv().unwrap(), Ending::Cut("caller"));
    }
}
