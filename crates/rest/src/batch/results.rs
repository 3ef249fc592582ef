//! What the operations of a batch answered, in order, and the one answer that is made of it.
//!
//! `[{"status", "headers", "body"}, ...]`. A body that is JSON stands there as PostgreSQL made it; any other text is a
//! JSON text, and bytes that are no text are in base64 under `"base64"`. An operation in whose place an alternative
//! ran says so with `"instead_of"`, the error.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::error::BatchError;
use super::reference::{Answers, Node};

/// The answers so far.
#[derive(Debug)]
pub(super) struct Results {
    nodes: Vec<Node>,
    texts: Vec<Box<RawValue>>,
    bytes: usize,
    most: usize,
}

/// One answer.
#[derive(Serialize)]
struct Answer<'a> {
    status: u16,
    headers: serde_json::Map<String, serde_json::Value>,
    body: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instead_of: Option<&'a RawValue>,
}

/// An operation that was done, or that failed and was allowed to.
pub(super) struct Done {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// The error of the operation whose place it took.
    pub(super) instead_of: Option<Bytes>,
}

impl Results {
    /// None yet; all together may have at most so many bytes.
    pub(super) fn new(most: usize) -> Self {
        Self { nodes: Vec::new(), texts: Vec::new(), bytes: 0, most }
    }

    /// Takes the next answer.
    pub(super) fn push(&mut self, done: &Done) -> Result<(), BatchError> {
        self.bytes = self.bytes.saturating_add(done.body.len());
        if self.bytes > self.most {
            return Err(BatchError::ResponseTooLarge { most: self.most });
        }
        let json = body_json(&done.body);
        let base64 = json.is_none() && !done.body.is_empty();
        let instead_of = done.instead_of.as_deref().and_then(|error| serde_json::from_slice(error).ok());
        let answer = Answer {
            status: done.status,
            headers: done
                .headers
                .keys()
                .map(|name| (name.as_str().to_owned(), joined(&done.headers, name).into()))
                .collect(),
            body: json.as_deref(),
            base64: base64.then(|| STANDARD.encode(&done.body)),
            instead_of,
        };
        // Texts and JSON: nothing in it can fail to serialise.
        let raw = to_raw_value(&answer).map_err(|error| BatchError::Malformed(error.to_string()))?;
        self.nodes.push(Node::new(raw.clone()));
        self.texts.push(raw);
        Ok(())
    }

    /// The answer to the batch.
    pub(super) fn into_body(self) -> Bytes {
        let mut body = Vec::with_capacity(self.bytes + self.texts.len() * 256);
        for (place, text) in self.texts.iter().enumerate() {
            body.push(if place == 0 { b'[' } else { b',' });
            body.extend_from_slice(text.get().as_bytes());
        }
        body.push(b']');
        body.into()
    }
}

impl Answers for Results {
    fn answer(&self, operation: usize) -> Option<&Node> {
        self.nodes.get(operation)
    }
}

/// All values of a field, as HTTP joins them.
fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    values.collect::<Vec<_>>().join(", ")
}

/// A body as JSON: itself, or as a text. Whether it is JSON is looked at, not believed: SQL code may call anything so.
fn body_json(body: &Bytes) -> Option<Box<RawValue>> {
    if body.is_empty() {
        return None;
    }
    let text = std::str::from_utf8(body).ok()?;
    serde_json::from_str::<Box<RawValue>>(text).ok().or_else(|| to_raw_value(text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_stand_in_order_and_within_the_bound() {
        let done = |body: &'static [u8]| Done {
            status: 200,
            headers: HeaderMap::new(),
            body: Bytes::from_static(body),
            instead_of: None,
        };
        let mut results = Results::new(10);
        for body in [&b"[1]"[..], b"", b"a,b", b"\xff"] {
            results.push(&done(body)).unwrap();
        }
        assert_eq!(results.push(&done(b"[12]")), Err(BatchError::ResponseTooLarge { most: 10 }));
        assert_eq!(
            results.into_body(),
            concat!(
                r#"[{"status":200,"headers":{},"body":[1]},{"status":200,"headers":{},"body":null},"#,
                r#"{"status":200,"headers":{},"body":"a,b"},{"status":200,"headers":{},"body":null,"base64":"/w=="}]"#
            )
        );
    }
}
