//! What the operations of a batch answered, in order, and the one answer that is made of it.
//!
//! `[{"status", "headers", "body"}, ...]`. What stands there follows from the media type of the answer, whatever is in it: JSON
//! as PostgreSQL made it, a text as a JSON text, anything else in base64 under `"base64"`. An operation in whose place an
//! alternative ran says so with `"instead_of"`, the error.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
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
        let json = body_json(&done.headers, &done.body);
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

/// A body as JSON: itself, or as a text; none where it is neither. The type says what it is, but is not believed: SQL code may
/// call anything so.
fn body_json(headers: &HeaderMap, body: &Bytes) -> Option<Box<RawValue>> {
    let text = std::str::from_utf8(body).ok().filter(|text| !text.is_empty())?;
    let media = headers.get(CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
    let name = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let (kind, form) = name.split_once('/').unwrap_or_default();
    let json = || serde_json::from_str::<Box<RawValue>>(text).ok();
    match form.rsplit_once('+').map_or(form, |(_, suffix)| suffix) {
        "json" => json().or_else(|| to_raw_value(text).ok()),
        "text" | "xml" | "yaml" | "x-ndjson" | "x-www-form-urlencoded" => to_raw_value(text).ok(),
        _ if kind == "text" => to_raw_value(text).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_stand_in_order_and_within_the_bound() {
        let done = |media: &'static str, body: &'static [u8]| Done {
            status: 200,
            headers: HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(media))]),
            body: Bytes::from_static(body),
            instead_of: None,
        };
        let mut results = Results::new(40);
        for (media, body) in [
            ("application/json; charset=utf-8", &b"[1]"[..]),
            ("application/json", b""),
            ("application/geo+JSON", b"{}"),
            ("application/json", b"a,b"),
            ("text/plain", b"null"),
            ("application/x-ndjson", b"{}\n"),
            ("application/vnd.pgrst.plan+text; for=\"application/json\"", b"1"),
            ("image/svg+xml", b"2"),
            ("application/octet-stream", b"123"),
            ("text/plain", b"\xff"),
        ] {
            results.push(&done(media, body)).unwrap();
        }
        assert_eq!(results.push(&done("text/csv", &[b'1'; 30])), Err(BatchError::ResponseTooLarge { most: 40 }));
        let answers: Vec<serde_json::Value> = serde_json::from_slice(&results.into_body()).unwrap();
        let bodies: Vec<_> = answers.iter().map(|answer| (answer["body"].to_string(), answer.get("base64"))).collect();
        let (bytes, odd) = (json!("MTIz"), json!("/w=="));
        let told = [
            ("[1]", None),
            ("null", None),
            ("{}", None),
            ("\"a,b\"", None),
            ("\"null\"", None),
            ("\"{}\\n\"", None),
            ("\"1\"", None),
            ("\"2\"", None),
            ("null", Some(&bytes)),
            ("null", Some(&odd)),
        ];
        assert_eq!(bodies, told.map(|(body, base64)| (body.to_owned(), base64)));
    }
}
