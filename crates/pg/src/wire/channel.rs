//! Moves protocol messages through a socket, with all state in the value: a dropped future loses nothing.
//!
//! One buffer each way. Writing and reading progress together ([`Channel::fill`]), since a server that is blocked on
//! sending rows does not read the rest of a large request. A message that does not fit into the read buffer gets a
//! buffer of its own and is never copied again.
//! Invariant: a length field is believed only up to the channel's bound.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Body, Message, tag};
use crate::connect::stream::Stream;
use crate::error::Error;

/// Size of the read buffer; PostgreSQL flushes its own in steps of 8 kB.
const INPUT: usize = 16 * 1024;
/// A write buffer that grew beyond this is given back after the request.
const KEEP_OUTPUT: usize = 64 * 1024;
/// Largest message that is not a row: error texts, notices, descriptions.
const MAX_OTHER: usize = 16 * 1024 * 1024;

/// A message that is being collected in its own buffer.
struct Large {
    tag: u8,
    body: Vec<u8>,
    filled: usize,
}

/// A socket with its two buffers.
pub(crate) struct Channel {
    stream: Stream,
    input: Box<[u8]>,
    start: usize,
    end: usize,
    large: Option<Large>,
    /// Messages to send: callers append, then call [`Channel::fill`] or [`Channel::flush`].
    pub(crate) output: Vec<u8>,
    sent: usize,
    unflushed: bool,
    /// Largest row.
    max_row: usize,
}

impl Channel {
    pub(crate) fn new(stream: Stream, max_row: usize) -> Self {
        Self {
            stream,
            input: vec![0; INPUT].into_boxed_slice(),
            start: 0,
            end: 0,
            large: None,
            output: Vec::with_capacity(4096),
            sent: 0,
            unflushed: false,
            max_row,
        }
    }

    /// The next complete message, without waiting; `None` when more must be read.
    pub(crate) fn message(&mut self) -> Result<Option<Message<'_>>, Error> {
        if let Some(large) = self.large.take_if(|large| large.filled == large.body.len()) {
            return Ok(Some(Message { tag: large.tag, body: Body::Owned(Bytes::from(large.body)) }));
        }
        if self.large.is_some() {
            return Ok(None);
        }
        let available = &self.input[self.start..self.end];
        let Some((header, rest)) = available.split_first_chunk::<5>() else { return Ok(None) };
        let tag = header[0];
        let length = self.body_length(tag, u32::from_be_bytes([header[1], header[2], header[3], header[4]]))?;
        if rest.len() < length {
            if length + 5 > INPUT {
                self.begin_large(tag, length);
            }
            return Ok(None);
        }
        let body = self.start + 5;
        self.start = body + length;
        Ok(Some(Message { tag, body: Body::Shared(&self.input[body..body + length]) }))
    }

    /// The body of the next message, if that is a row and is here; [`Self::message`] has all others, and what is wrong.
    pub(crate) fn row(&mut self) -> Option<&[u8]> {
        let (header, rest) = self.input[self.start..self.end].split_first_chunk::<5>()?;
        let [tag::DATA_ROW, length @ ..] = *header else { return None };
        let length = usize::try_from(u32::from_be_bytes(length)).ok()?.checked_sub(4)?;
        if length > rest.len().min(self.max_row) {
            return None;
        }
        let body = self.start + header.len();
        self.start = body + length;
        Some(&self.input[body..self.start])
    }

    fn body_length(&self, tag: u8, length: u32) -> Result<usize, Error> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let Some(body) = length.checked_sub(4) else {
            return Err(Error::Protocol("a message is shorter than its header"));
        };
        match tag {
            tag::DATA_ROW | tag::COPY_DATA if body > self.max_row => Err(Error::ReplyTooLarge { limit: self.max_row }),
            tag::DATA_ROW | tag::COPY_DATA => Ok(body),
            _ if body > MAX_OTHER => Err(Error::Protocol("a message is longer than any that belongs here")),
            _ => Ok(body),
        }
    }

    fn begin_large(&mut self, tag: u8, length: usize) {
        let mut body = vec![0; length];
        let there = &self.input[self.start + 5..self.end];
        body[..there.len()].copy_from_slice(there);
        let filled = there.len();
        self.start = 0;
        self.end = 0;
        self.large = Some(Large { tag, body, filled });
    }

    /// Sends what is left to send and reads at least one byte, whichever comes first.
    pub(crate) async fn fill(&mut self) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_fill(cx)).await
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wrote = self.poll_send(cx);
        let read = self.poll_read(cx)?;
        match (read, wrote) {
            (Poll::Ready(0), Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
            (Poll::Ready(0), _) => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            (Poll::Ready(_), _) => Poll::Ready(Ok(())),
            // A server that closes says why first: keep waiting for that, the end of the stream will come.
            (Poll::Pending, _) => Poll::Pending,
        }
    }

    /// Sends everything, reading nothing.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_send(cx)).await
    }

    /// Whether everything appended so far left for the socket.
    pub(crate) fn is_sent(&self) -> bool {
        self.output.is_empty() && !self.unflushed
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.output.len() {
            let n = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.output[self.sent..]))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += n;
            self.unflushed = true;
        }
        if !self.output.is_empty() {
            self.output.clear();
            self.output.shrink_to(KEEP_OUTPUT);
            self.sent = 0;
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> io::Result<Poll<usize>> {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        } else if self.end == self.input.len() {
            self.input.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let (target, place) = match &mut self.large {
            Some(large) => (&mut large.body[large.filled..], &mut large.filled),
            None => (&mut self.input[self.end..], &mut self.end),
        };
        let mut buffer = ReadBuf::new(target);
        match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
            Poll::Pending => Ok(Poll::Pending),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(())) => {
                let n = buffer.filled().len();
                *place += n;
                Ok(Poll::Ready(n))
            }
        }
    }

    /// Reads what has arrived already, without waiting: `false` when the server closed the connection.
    pub(crate) fn read_available(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        !matches!(self.poll_read(&mut cx), Ok(Poll::Ready(0)) | Err(_))
    }

    /// Has the present runtime watch the socket. Nothing may be under way.
    pub(crate) fn watch_here(&mut self) -> io::Result<()> {
        self.stream.watch_here()
    }

    /// Says goodbye if that is possible without waiting; the server then does not log a lost client.
    pub(crate) fn say_goodbye(&mut self) {
        if self.is_sent() {
            let mut cx = Context::from_waker(Waker::noop());
            let _ = Pin::new(&mut self.stream).poll_write(&mut cx, super::write::TERMINATE);
            let _ = Pin::new(&mut self.stream).poll_flush(&mut cx);
        }
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel").field("unread", &(self.end - self.start)).finish_non_exhaustive()
    }
}
