//! Random traffic through the filter, taken by a reader that frames it as hyper does: nothing loses its meaning, and
//! no body becomes a request.

use std::sync::Arc;

use percent_encoding::percent_decode;
use proptest::collection::vec;
use proptest::prelude::*;

use super::super::super::activity::{Activity, Behind, RequestGuard};
use super::{Wire, rewritten};

/// Any bytes, with those often that mean something here.
fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    let special = proptest::sample::select(b"\"<>` /\r\n\r\n\r\nGETPOST%2:*".to_vec());
    vec(prop_oneof![3 => special, 1 => any::<u8>()], 0..most)
}

/// A request with what it has behind its head.
#[derive(Clone, Debug)]
struct Sent {
    target: Vec<u8>,
    field: Vec<u8>,
    body: Vec<u8>,
}

fn sent(with_body: bool) -> impl Strategy<Value = Sent> {
    let target = bytes(30).prop_map(|mut bytes| {
        bytes.retain(|byte| !b" \r\n".contains(byte));
        bytes.insert(0, b'/');
        bytes
    });
    let field = bytes(20).prop_map(|mut bytes| {
        bytes.retain(|byte| !b"\r\n".contains(byte));
        bytes
    });
    let request = bytes(60).prop_map(|bytes| [b"GET /<", &*bytes].concat());
    let body = match with_body {
        true => prop_oneof![Just(Vec::new()), bytes(60), request].boxed(),
        false => Just(Vec::new()).boxed(),
    };
    (target, field, body).prop_map(|(target, field, body)| Sent { target, field, body })
}

impl Sent {
    fn head(&self) -> Vec<u8> {
        let length = format!("\r\nlength:{}\r\n\r\n", self.body.len());
        [b"GET ", &*self.target, b" HTTP/1.1\r\nx: ", &self.field, length.as_bytes()].concat()
    }
}

/// Frames a connection as hyper does. The last request is under way until somebody says otherwise.
#[derive(Default)]
struct Reader {
    bytes: Vec<u8>,
    under_way: Option<RequestGuard>,
    /// The head whose body is awaited, and how long that is.
    awaited: Option<(Vec<u8>, usize)>,
    requests: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Reader {
    fn take(&mut self, bytes: &[u8], activity: &Arc<Activity>) {
        self.bytes.extend_from_slice(bytes);
        loop {
            if self.awaited.is_none() {
                let Some(end) = self.bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return };
                let head: Vec<u8> = self.bytes.drain(..end + 4).collect();
                let length = head.rsplit(|byte| *byte == b':').next().unwrap();
                let length = String::from_utf8_lossy(length).trim().parse().unwrap();
                self.under_way = Some(activity.request(if length == 0 { Behind::Head } else { Behind::Opaque }));
                self.awaited = Some((head, length));
            }
            let Some((head, length)) = self.awaited.take_if(|(_, length)| *length <= self.bytes.len()) else { return };
            self.requests.push((head, self.bytes.drain(..length).collect()));
        }
    }
}

/// How a caller writes.
#[derive(Clone, Copy, Debug)]
enum Manner {
    /// Waits for each answer.
    Patient,
    /// Waits too, and writes heads and bodies apart.
    Apart,
    /// Writes everything as it comes.
    Hasty,
}

/// What arrives of these requests, cut into pieces of these sizes.
fn talk(requests: &[Sent], cuts: &[usize], capacity: usize, manner: Manner) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut wire = Wire::new(capacity);
    let mut reader = Reader::default();
    let mut cuts = cuts.iter().cycle();
    let mut say = |reader: &mut Reader, mut bytes: &[u8]| {
        while !bytes.is_empty() {
            let (piece, later) = bytes.split_at(bytes.len().min(*cuts.next().unwrap()));
            wire.send(piece);
            bytes = later;
            while let Some(seen) = wire.read() {
                reader.take(&seen, &wire.activity);
            }
        }
    };
    let whole = |request: &Sent| [request.head(), request.body.clone()].concat();
    match manner {
        Manner::Hasty => say(&mut reader, &requests.iter().flat_map(whole).collect::<Vec<_>>()),
        Manner::Patient => requests.iter().for_each(|request| {
            say(&mut reader, &whole(request));
            reader.under_way = None;
        }),
        Manner::Apart => requests.iter().for_each(|request| {
            say(&mut reader, &request.head());
            // As a room that answers before it has seen the body.
            reader.under_way = None;
            say(&mut reader, &request.body);
        }),
    }
    assert!(reader.bytes.is_empty() && reader.awaited.is_none(), "bytes are left over or missing");
    reader.requests
}

fn target_of(head: &[u8]) -> &[u8] {
    head.split(|byte| *byte == b' ').nth(1).unwrap()
}

proptest! {
    #[test]
    fn any_bytes_at_the_start_follow_the_rule(
        method in prop_oneof![Just(&b"GET /"[..]), Just(&b"PO"[..]), Just(&b""[..])],
        rest in bytes(80),
        cuts in vec(1_usize..9, 1..9),
        capacity in 1_usize..30,
    ) {
        let sent = [method, &rest].concat();
        let mut wire = Wire::new(capacity);
        let mut pieces = cuts.iter().cycle();
        let mut left = &sent[..];
        while !left.is_empty() {
            let (piece, later) = left.split_at(left.len().min(*pieces.next().unwrap()));
            wire.send(piece);
            left = later;
        }
        let seen = wire.read_all();
        let expected = rewritten(&sent);
        prop_assert_eq!(&seen, &expected);
        prop_assert!(percent_decode(&seen).eq(percent_decode(&sent)));
    }

    #[test]
    fn requests_without_bodies_arrive_with_the_same_meaning(
        requests in vec(sent(false), 1..6),
        cuts in vec(1_usize..40, 1..9),
        capacity in 1_usize..40,
    ) {
        let seen = talk(&requests, &cuts, capacity, Manner::Patient);
        prop_assert_eq!(seen.len(), requests.len());
        for (request, (head, _)) in requests.iter().zip(&seen) {
            let target = target_of(head);
            prop_assert!(!target.iter().any(|byte| b"\"<>`".contains(byte)), "all are encoded: {:?}", target);
            prop_assert!(percent_decode(target).eq(percent_decode(&request.target)));
            prop_assert_eq!(head, &rewritten(&request.head()));
        }
    }

    #[test]
    fn sec_no_traffic_loses_its_framing(
        requests in vec(sent(true), 1..8),
        cuts in vec(1_usize..90, 1..9),
        capacity in 1_usize..60,
        manner in prop_oneof![Just(Manner::Patient), Just(Manner::Apart), Just(Manner::Hasty)],
    ) {
        let seen = talk(&requests, &cuts, capacity, manner);
        prop_assert_eq!(seen.len(), requests.len());
        let mut body_before = false;
        for (request, (head, body)) in requests.iter().zip(&seen) {
            prop_assert_eq!(body, &request.body);
            let raw = request.head();
            prop_assert!(*head == raw || *head == rewritten(&raw));
            prop_assert!(!body_before || *head == raw, "off after a body");
            body_before |= !body.is_empty();
        }
        prop_assert_eq!(&seen[0].0, &rewritten(&seen[0].0), "the first one is always taken");
    }
}
