//! Answers and bodies that pass through without being held: NDJSON out, NDJSON and large csv in.
//!
//! The same stages as every request; only *execute* differs. `outgoing` hands rows on while their transaction is open
//! (docs/adr/0005), `incoming` puts rows into a staging table and inserts from there as the caller (docs/adr/0006).
//! Invariant: what is held does not grow with the number of rows, in either direction.
//! Read on: docs/guide/streaming.md, `ferrobase_request::{lines, load}`.

mod incoming;
mod intake;
pub(crate) mod outgoing;

use ferrobase_edge::Streams;
use http::request::Parts;
use http::{Method, header};

use crate::media::MediaType;

/// Which requests stream, for the edge's bounds. The incoming half is binding; whether an answer streams is settled
/// when its type is negotiated.
pub(crate) fn streams(parts: &Parts, body_limit: Option<u64>) -> Streams {
    let is_post = parts.method == Method::POST;
    let names_lines = |field: &http::HeaderValue| field.to_str().is_ok_and(|text| text.contains("ndjson"));
    Streams {
        incoming: is_post && !parts.uri.path().contains("/rpc/") && is_streamed(parts, body_limit),
        outgoing: (is_post || parts.method == Method::GET)
            && parts.headers.get(header::ACCEPT).is_some_and(names_lines),
    }
}

/// NDJSON always; csv when it is, or may be, larger than an ordinary body.
fn is_streamed(parts: &Parts, body_limit: Option<u64>) -> bool {
    let text = |name| parts.headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let Some(content_type) = text(header::CONTENT_TYPE) else { return false };
    match MediaType::parse(content_type) {
        MediaType::Csv => {
            let length = text(header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
            length.is_none_or(|length| body_limit.is_some_and(|limit| length > limit))
        }
        other => other.is_ndjson(),
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn what_streams() {
        let of = |line: &str, fields: &[(&str, &str)]| {
            let (method, path) = line.split_once(' ').unwrap();
            let mut request = Request::builder().method(method).uri(path);
            for (name, value) in fields {
                request = request.header(*name, *value);
            }
            let Streams { incoming, outgoing } = streams(&request.body(()).unwrap().into_parts().0, Some(100));
            (incoming, outgoing)
        };
        let ndjson = ("content-type", "application/x-ndjson; charset=utf-8");
        let csv = ("content-type", "text/csv");
        assert_eq!(of("POST /rest/v1/t", &[ndjson]), (true, false));
        assert_eq!(of("POST /rest/v1/t", &[csv, ("content-length", "101")]), (true, false));
        assert_eq!(of("POST /rest/v1/t", &[csv]), (true, false));
        for (line, fields) in [
            ("POST /rest/v1/t", vec![csv, ("content-length", "100")]),
            ("POST /rest/v1/t", vec![("content-type", "application/json")]),
            ("POST /rest/v1/t", vec![]),
            ("PATCH /rest/v1/t", vec![ndjson]),
            ("POST /rest/v1/rpc/f", vec![ndjson]),
        ] {
            assert_eq!(of(line, &fields), (false, false), "{line} {fields:?}");
        }
        let accept = ("accept", "application/x-ndjson");
        assert_eq!(of("GET /rest/v1/t", &[accept]), (false, true));
        assert_eq!(of("POST /rest/v1/rpc/f", &[accept]), (false, true));
        assert_eq!(of("DELETE /rest/v1/t", &[accept]), (false, false));
    }
}
