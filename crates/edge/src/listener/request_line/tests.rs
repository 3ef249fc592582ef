//! The filter alone: a table, every split, small readers, and when it must not act. Random traffic: `traffic`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use percent_encoding::percent_decode;

use super::super::activity::Behind;
use super::*;

mod traffic;

/// What the other end sends: one read gives at most one piece. When none is left, nothing comes.
struct Pieces(VecDeque<Vec<u8>>);

impl AsyncRead for Pieces {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(piece) = self.0.front_mut() else { return Poll::Pending };
        let now: Vec<u8> = piece.drain(..piece.len().min(buf.remaining())).collect();
        if piece.is_empty() {
            self.0.pop_front();
        }
        buf.put_slice(&now);
        Poll::Ready(Ok(()))
    }
}

/// A connection as the filter sees it, with a reader of some size.
struct Wire {
    lines: RequestLines,
    pieces: Pieces,
    activity: Arc<Activity>,
    capacity: usize,
}

impl Wire {
    fn new(capacity: usize) -> Self {
        let pieces = Pieces(VecDeque::new());
        Self { lines: RequestLines::new(), pieces, activity: Activity::new(), capacity }
    }

    fn send(&mut self, piece: &[u8]) {
        if !piece.is_empty() {
            self.pieces.0.push_back(piece.to_vec());
        }
    }

    /// One read.
    fn read(&mut self) -> Option<Vec<u8>> {
        let mut room = vec![0; self.capacity];
        let mut buf = ReadBuf::new(&mut room);
        let cx = &mut Context::from_waker(Waker::noop());
        match self.lines.poll_read(&mut self.pieces, &self.activity, cx, &mut buf) {
            Poll::Ready(Ok(())) => Some(buf.filled().to_vec()),
            Poll::Ready(Err(error)) => panic!("{error}"),
            Poll::Pending => None,
        }
    }

    /// Reads until nothing comes.
    fn read_all(&mut self) -> Vec<u8> {
        std::iter::from_fn(|| self.read()).flatten().collect()
    }

    /// Sends a head and answers it.
    fn exchange(&mut self, head: &[u8], behind: Behind) -> Vec<u8> {
        self.send(head);
        let seen = self.read_all();
        drop(self.activity.request(behind));
        seen
    }
}

/// The rule for the first bytes of a connection, without state.
fn rewritten(bytes: &[u8]) -> Vec<u8> {
    let letters = bytes.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    if !(1..=16).contains(&letters) || !bytes[letters..].starts_with(b" /") {
        return bytes.to_vec();
    }
    let end = bytes[letters + 1..].iter().position(|byte| b" \r\n".contains(byte));
    let end = end.map_or(bytes.len(), |end| letters + 1 + end);
    let mut out = Vec::new();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'"' | b'<' | b'>' | b'`' if at < end => out.extend(format!("%{byte:02X}").bytes()),
            _ => out.push(*byte),
        }
    }
    out
}

const TABLE: &[(&str, &str)] = &[
    (
        "GET /people?select=id,data->>name HTTP/1.1\r\nx-a: <\">`\r\n\r\n",
        "GET /people?select=id,data-%3E%3Ename HTTP/1.1\r\nx-a: <\">`\r\n\r\n",
    ),
    ("GET /a?b=in.(\"c,d\",\"e\") HTTP/1.1\r\n\r\n", "GET /a?b=in.(%22c,d%22,%22e%22) HTTP/1.1\r\n\r\n"),
    ("GET /`<\u{e9}>\"?`=\u{e9} HTTP/1.0\n\n", "GET /%60%3C\u{e9}%3E%22?%60=\u{e9} HTTP/1.0\n\n"),
    ("DELETE /a?b={|}^\\~[]'%22%3 HTTP/1.1\r\n\r\n", "DELETE /a?b={|}^\\~[]'%22%3 HTTP/1.1\r\n\r\n"),
    // A body right behind its head.
    ("PATCH /a?b->>c HTTP/1.1\r\n\r\n{\"a\":\"<>\"}", "PATCH /a?b-%3E%3Ec HTTP/1.1\r\n\r\n{\"a\":\"<>\"}"),
    // The longest method, and one that is longer.
    ("ABCDEFGHIJKLMNOP /< HTTP/1.1\r\n\r\n", "ABCDEFGHIJKLMNOP /%3C HTTP/1.1\r\n\r\n"),
    ("ABCDEFGHIJKLMNOPQ /< HTTP/1.1\r\n\r\n", "ABCDEFGHIJKLMNOPQ /< HTTP/1.1\r\n\r\n"),
    // Nothing that a request line of ours begins with.
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n<\">", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n<\">"),
    ("get /< HTTP/1.1\r\n\r\n", "get /< HTTP/1.1\r\n\r\n"),
    ("\r\nGET /< HTTP/1.1\r\n\r\n", "\r\nGET /< HTTP/1.1\r\n\r\n"),
    ("GET  /< HTTP/1.1\r\n\r\n", "GET  /< HTTP/1.1\r\n\r\n"),
    ("GET http://a\"<b/> HTTP/1.1\r\n\r\n", "GET http://a\"<b/> HTTP/1.1\r\n\r\n"),
    ("OPTIONS * HTTP/1.1\r\n\r\n<", "OPTIONS * HTTP/1.1\r\n\r\n<"),
    ("{\"not\":\"<http>\"}", "{\"not\":\"<http>\"}"),
    // The line ends at a space and at any end of line.
    ("GET /a < HTTP/1.1\r\n\r\n", "GET /a < HTTP/1.1\r\n\r\n"),
    ("GET /<\nx: < HTTP/1.1\r\n\r\n", "GET /%3C\nx: < HTTP/1.1\r\n\r\n"),
    ("GET /<\rx: < HTTP/1.1\r\n\r\n", "GET /%3C\rx: < HTTP/1.1\r\n\r\n"),
];

#[test]
fn targets_become_legal_and_nothing_else_changes_wherever_the_bytes_are_split() {
    for (sent, seen) in TABLE {
        assert_eq!(rewritten(sent.as_bytes()), seen.as_bytes(), "the table and the rule disagree");
        for split in 0..=sent.len() {
            for capacity in [1, 2, 3, 4, 24, 8192] {
                let mut wire = Wire::new(capacity);
                wire.send(&sent.as_bytes()[..split]);
                wire.send(&sent.as_bytes()[split..]);
                assert_eq!(String::from_utf8(wire.read_all()).unwrap(), *seen, "{split} {capacity}");
            }
        }
    }
}

#[test]
fn whatever_may_stand_in_a_target_is_taken_by_the_http_library() {
    for byte in (0x21..=0x7e).filter(|byte| *byte != b'#') {
        for place in ["/a", "/a?b="] {
            let sent = format!("GET {place}{} HTTP/1.1\r\n\r\n", char::from(byte));
            let mut wire = Wire::new(8192);
            wire.send(sent.as_bytes());
            let seen = String::from_utf8(wire.read_all()).unwrap();
            let target = seen.split(' ').nth(1).unwrap();
            let uri: http::Uri = target.parse().unwrap_or_else(|error| panic!("{target}: {error}"));
            let query = if byte == b'?' { None } else { uri.query().map(str::to_owned) };
            let last = query.unwrap_or_else(|| uri.path_and_query().unwrap().to_string());
            assert!(percent_decode(last.as_bytes()).last() == Some(byte), "{target}");
        }
    }
}

#[test]
fn one_read_grows_threefold_at_most_and_at_most_two_bytes_wait() {
    let mut wire = Wire::new(100);
    wire.send(format!("GET /{}", "<".repeat(500)).as_bytes());
    while let Some(seen) = wire.read() {
        assert!(!seen.is_empty() && seen.len() <= 100);
        assert_eq!(wire.lines.spill, b"");
    }
    wire.capacity = 1;
    wire.send(b"<<");
    assert_eq!(wire.read().unwrap(), b"%");
    assert_eq!(wire.lines.spill, b"3C");
    assert_eq!(wire.read_all(), b"3C%3C");
}

const RAW: &[u8] = b"GET /< HTTP/1.1\r\n\r\n";
const ENCODED: &[u8] = b"GET /%3C HTTP/1.1\r\n\r\n";

#[test]
fn later_requests_are_taken_too_while_none_of_them_has_a_body() {
    let mut wire = Wire::new(8192);
    for _ in 0..3 {
        assert_eq!(wire.exchange(RAW, Behind::Head), ENCODED);
    }
    assert_eq!(wire.exchange(RAW, Behind::Opaque), ENCODED, "the one with a body still has its own head");
    assert_eq!(wire.exchange(RAW, Behind::Head), RAW);
    assert_eq!(wire.exchange(RAW, Behind::Head), RAW);
    assert_eq!(wire.lines.stage, Stage::Off);
}

#[test]
fn sec_bytes_that_come_before_the_answer_are_never_taken_for_a_request_line() {
    let mut wire = Wire::new(8192);
    wire.send(RAW);
    assert_eq!(wire.read_all(), ENCODED);
    // Nobody has taken the head yet: this could be its body.
    wire.send(RAW);
    assert_eq!(wire.read_all(), RAW);

    let mut wire = Wire::new(8192);
    wire.send(RAW);
    assert_eq!(wire.read_all(), ENCODED);
    let under_way = wire.activity.request(Behind::Head);
    wire.send(&RAW[..5]);
    assert_eq!(wire.read_all(), &RAW[..5]);
    drop(under_way);
    wire.send(&RAW[5..]);
    assert_eq!(wire.read_all(), &RAW[5..], "half a line does not count either");

    let mut wire = Wire::new(8192);
    assert_eq!(wire.exchange(&[RAW, RAW].concat(), Behind::Head), [ENCODED, RAW].concat());
    drop(wire.activity.request(Behind::Head));
    assert_eq!(wire.exchange(RAW, Behind::Head), RAW, "who pipelines is left alone");
}

#[test]
fn sec_the_end_of_a_head_is_where_hyper_sees_it() {
    for (head, complete) in [
        ("GET / HTTP/1.1\n\n", true),
        ("GET / HTTP/1.1\r\n\n", true),
        ("GET / HTTP/1.1\na: b\n\r\n", true),
        ("GET / HTTP/1.1\r\na: b\r\n", false),
        ("GET / HTTP/1.1\r\na: b\r\n\r", false),
        ("GET / HTTP/1.1\r\na: b\r\n \r\n", false),
    ] {
        let mut wire = Wire::new(8192);
        wire.send(head.as_bytes());
        wire.read_all();
        assert_eq!(wire.lines.stage == Stage::Start, complete, "{head:?}");
    }
}
