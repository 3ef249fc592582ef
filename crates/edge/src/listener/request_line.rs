//! Lets people type what `http::Uri` refuses: `"`, `<`, `>` and a backtick in the target of a request.
//!
//! `curl "http://h/people?select=id,data->>name"` sends them raw, and PostgREST takes them. Between the socket and
//! hyper each becomes its percent encoding, only in the request line of HTTP/1, and only where one must begin: at the
//! start of a connection, or when all heads so far were answered and nothing can be behind them.
//! Invariant: no other byte changes. A body that grew would end late, and a proxy that shares the connection among
//! callers would take the rest for somebody's request. So a body, an upgrade, pipelining, HTTP/2 and whatever is
//! unexpected switch this off for the rest of the connection; such a target is then hyper's 400.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use super::activity::Activity;

#[cfg(test)]
mod tests;

/// Bytes of one read in which a request line may be. A third of hyper's smallest buffer: three times as much fits.
const READ: usize = 8192 / 3;
/// Longest method.
const METHOD: usize = 16;

/// Follows the bytes of one connection, from its first one on.
pub(super) struct RequestLines {
    stage: Stage,
    /// Heads that have ended.
    heads: usize,
    /// The end of an encoding for which the reader had no room: two bytes at most.
    spill: Vec<u8>,
}

/// Where the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Before a request line.
    Start,
    /// In the method, which had that many letters so far.
    Method(usize),
    /// At the target's first byte.
    Form,
    /// In a target that is a path.
    Target,
    /// In the rest of the head. `blank`: on an empty line, as far as one can see.
    Head { blank: bool },
    /// Nothing is looked at any more.
    Off,
}

impl RequestLines {
    pub(super) fn new() -> Self {
        Self { stage: Stage::Start, heads: 0, spill: Vec::new() }
    }

    /// Reads from `inner` what hyper is to see.
    pub(super) fn poll_read(
        &mut self,
        inner: &mut (impl AsyncRead + Unpin),
        activity: &Activity,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.spill.is_empty() {
            let rest = std::mem::take(&mut self.spill);
            self.write(&rest, buf);
            return Poll::Ready(Ok(()));
        }
        if self.is_due(activity) && buf.remaining() > 0 {
            let mut room = [0; READ];
            let most = (buf.remaining() / 3).clamp(1, READ);
            let mut raw = ReadBuf::new(&mut room[..most]);
            ready!(Pin::new(inner).poll_read(cx, &mut raw))?;
            self.copy(raw.filled(), buf);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let polled = Pin::new(inner).poll_read(cx, buf);
        self.pass(&buf.filled()[before..]);
        polled
    }

    /// Whether the next byte belongs to a request line. Our count of heads and hyper's must agree: then it has taken
    /// all that came, and nothing but a head can follow.
    fn is_due(&self, activity: &Activity) -> bool {
        match self.stage {
            Stage::Start => activity.expects_head(self.heads),
            _ => self.in_line(),
        }
    }

    fn in_line(&self) -> bool {
        matches!(self.stage, Stage::Start | Stage::Method(_) | Stage::Form | Stage::Target)
    }

    /// Copies bytes that begin in a request line, which may end among them.
    fn copy(&mut self, raw: &[u8], buf: &mut ReadBuf<'_>) {
        let (mut seen, mut written) = (0, 0);
        while seen < raw.len() && self.in_line() {
            if self.stage == Stage::Target {
                // Most of a target is passed on as it is.
                seen += raw[seen..].iter().position(|byte| is_special(*byte)).unwrap_or(raw.len() - seen);
                if seen == raw.len() {
                    break;
                }
            }
            if let Some(encoded) = self.step(raw[seen]) {
                self.write(&raw[written..seen], buf);
                self.write(encoded, buf);
                written = seen + 1;
            }
            seen += 1;
        }
        self.write(&raw[written..], buf);
        self.pass(&raw[seen..]);
    }

    /// Moves over one byte of a request line. Gives what to write in its place, if anything.
    fn step(&mut self, byte: u8) -> Option<&'static [u8]> {
        self.stage = match (self.stage, byte) {
            (Stage::Start, b'A'..=b'Z') => Stage::Method(1),
            (Stage::Method(length @ ..METHOD), b'A'..=b'Z') => Stage::Method(length + 1),
            (Stage::Method(_), b' ') => Stage::Form,
            // Not `*`, which HTTP/2's preface has here, nor a URL: an encoding could change whose host it names.
            (Stage::Form, b'/') => Stage::Target,
            (Stage::Target, b' ') => Stage::Head { blank: false },
            (Stage::Target, b'"') => return Some(b"%22"),
            (Stage::Target, b'<') => return Some(b"%3C"),
            (Stage::Target, b'>') => return Some(b"%3E"),
            (Stage::Target, b'`') => return Some(b"%60"),
            (Stage::Target, byte) if !is_special(byte) => Stage::Target,
            _ => Stage::Off,
        };
        None
    }

    /// Notes bytes that stay as they are. Behind a head there should be none until it is answered.
    fn pass(&mut self, mut bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let Stage::Head { mut blank } = self.stage else {
            self.stage = Stage::Off;
            return;
        };
        // An empty line ends the head, with or without carriage return: as hyper's parser has it.
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            blank = blank && is_blank(&bytes[..end]);
            bytes = &bytes[end + 1..];
            if blank {
                self.heads += 1;
                self.stage = if bytes.is_empty() { Stage::Start } else { Stage::Off };
                return;
            }
            blank = true;
        }
        self.stage = Stage::Head { blank: blank && is_blank(bytes) };
    }

    fn write(&mut self, bytes: &[u8], buf: &mut ReadBuf<'_>) {
        let (now, later) = bytes.split_at(bytes.len().min(buf.remaining()));
        buf.put_slice(now);
        self.spill.extend_from_slice(later);
    }
}

/// What is not passed on in a target, or ends it.
fn is_special(byte: u8) -> bool {
    matches!(byte, b' ' | b'"' | b'<' | b'>' | b'`' | b'\r' | b'\n')
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| *byte == b'\r')
}
