//! Compresses answers for callers that accept it: gzip, br or zstd, at the configured level.
//!
//! Choosing is ours, encoding is `tower-http`'s. Its own layer would not do: it never compresses an answer with a
//! `Content-Range`, which every list of the REST API has (in rows, not bytes), and it turns an unsatisfiable
//! `Accept-Encoding` into 406 after the room already did its work.
//! Invariant: event streams, answers that are encoded already, byte ranges and small answers leave as they are.

use std::convert::Infallible;
use std::future::{Future as _, Ready, ready};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::Response;
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body::Body as _;
use tower::{Service, ServiceExt};
use tower_http::CompressionLevel;
use tower_http::compression::predicate::Predicate;

use crate::vary;

/// Below this many bytes the fields and the work cost more than the body shrinks.
const SMALLEST: u64 = 860;

/// Compression as configured.
#[derive(Clone, Copy, Debug)]
pub struct Compression {
    level: u8,
}

/// An encoding that we can write, best first where a caller likes several equally: zstd costs least for its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Zstd,
    Brotli,
    Gzip,
}

impl Encoding {
    const ALL: [Self; 3] = [Self::Zstd, Self::Brotli, Self::Gzip];

    fn token(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }
}

impl Compression {
    /// Compresses at a level from 1 (fast) to 9 (small).
    pub fn new(level: u8) -> Self {
        Self { level: level.clamp(1, 9) }
    }

    /// How the caller wants the answer, if it is worth compressing; which then says that it depends on that.
    pub(crate) fn wanted(method: &Method, accept: Option<&HeaderValue>, response: &mut Response) -> Option<Encoding> {
        if !is_compressible(method, response) {
            return None;
        }
        vary::add(response.headers_mut(), &["Accept-Encoding"]);
        choose(accept?.to_str().ok()?)
    }

    /// The answer, compressed.
    pub(crate) async fn encode(self, encoding: Encoding, mut response: Response) -> Response {
        // `tower-http` would take rows for bytes.
        let content_range = response.headers_mut().remove(CONTENT_RANGE);
        let mut request = Request::new(());
        request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static(encoding.token()));
        let encoder = tower_http::compression::Compression::new(Answer(Some(response)))
            .quality(CompressionLevel::Precise(i32::from(self.level)))
            .compress_when(Always);
        let Ok(encoded) = encoder.oneshot(request).await;
        let mut encoded = encoded.map(|body| Body::new(Polite { body, is_others_turn: false }));
        if let Some(content_range) = content_range {
            encoded.headers_mut().insert(CONTENT_RANGE, content_range);
        }
        name_encoding(encoded.headers_mut(), encoding);
        encoded
    }
}

/// A body that lets others have the thread between its pieces: some kilobytes take a millisecond to compress, and whoever
/// writes the answer would go on as long as the caller reads.
struct Polite<B> {
    body: B,
    is_others_turn: bool,
}

impl<B: http_body::Body + Unpin> http_body::Body for Polite<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        if std::mem::take(&mut self.is_others_turn) {
            // Wakes us when the runtime has also looked at its sockets.
            let turn = pin!(tokio::task::yield_now()).poll(cx);
            debug_assert!(turn.is_pending(), "a first poll always yields");
            return Poll::Pending;
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.is_others_turn = matches!(polled, Poll::Ready(Some(_)));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

/// A strong tag stands for exact bytes (RFC 9110, 8.8.3.3): the compressed ones get a tag of their own, which names the
/// encoding at its end. Rooms that compare tags take that end off.
fn name_encoding(headers: &mut HeaderMap, encoding: Encoding) {
    let strong = |tag: &HeaderValue| tag.to_str().ok()?.strip_prefix('"')?.strip_suffix('"').map(str::to_owned);
    if let Some(opaque) = headers.get(ETAG).and_then(strong)
        && let Ok(tag) = HeaderValue::try_from(format!("\"{opaque}-{}\"", encoding.token()))
    {
        headers.insert(ETAG, tag);
    }
}

fn is_compressible(method: &Method, response: &Response) -> bool {
    let headers = response.headers();
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
    method != Method::HEAD
        && response.status() != StatusCode::SWITCHING_PROTOCOLS
        && !is_byte_range(headers)
        && !headers.contains_key(CONTENT_ENCODING)
        && !text(CACHE_CONTROL).contains("no-transform")
        && response.body().size_hint().upper().is_none_or(|size| size >= SMALLEST)
        && is_compressible_type(text(CONTENT_TYPE))
}

/// Text of every kind. Event streams must reach the reader event by event; pictures and archives are small already.
fn is_compressible_type(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().as_bytes();
    let is = |name: &str| kind.eq_ignore_ascii_case(name.as_bytes());
    let begins = |with: &str| kind.get(..with.len()).is_some_and(|part| part.eq_ignore_ascii_case(with.as_bytes()));
    let ends = |with: &str| {
        let start = kind.len().checked_sub(with.len());
        start.is_some_and(|start| kind[start..].eq_ignore_ascii_case(with.as_bytes()))
    };
    !is("text/event-stream")
        && (begins("text/") || ends("json") || ends("xml") || is("application/javascript") || is("application/wasm"))
}

/// The encoding that the caller likes best, by RFC 9110 12.5.3. `None`: send it as it is.
fn choose(accept: &str) -> Option<Encoding> {
    let mut best: Option<(Encoding, f32)> = None;
    for encoding in Encoding::ALL {
        let quality = quality_of(accept, encoding.token());
        if quality > 0.0 && best.is_none_or(|(_, most)| quality > most) {
            best = Some((encoding, quality));
        }
    }
    let identity = named_quality(accept, "identity").unwrap_or(0.0);
    best.filter(|(_, quality)| *quality >= identity).map(|(encoding, _)| encoding)
}

fn quality_of(accept: &str, token: &str) -> f32 {
    let alias = if token == "gzip" { named_quality(accept, "x-gzip") } else { None };
    named_quality(accept, token).or(alias).or_else(|| named_quality(accept, "*")).unwrap_or(0.0)
}

fn named_quality(accept: &str, token: &str) -> Option<f32> {
    accept.split(',').find_map(|entry| {
        let mut parts = entry.split(';');
        let name = parts.next()?.trim();
        if !name.eq_ignore_ascii_case(token) {
            return None;
        }
        let quality = parts.find_map(|part| {
            let (key, value) = part.split_once('=')?;
            key.trim().eq_ignore_ascii_case("q").then(|| value.trim().parse::<f32>().unwrap_or(0.0))
        });
        Some(quality.unwrap_or(1.0).clamp(0.0, 1.0))
    })
}

/// A service that gives the one answer it holds: how a finished answer gets into `tower-http`'s encoder.
struct Answer(Option<Response>);

impl Service<Request<()>> for Answer {
    type Response = Response;
    type Error = Infallible;
    type Future = Ready<Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(self.0.take().unwrap_or_default()))
    }
}

/// Whether to compress was decided before.
#[derive(Clone, Copy, Debug)]
struct Always;

impl Predicate for Always {
    fn should_compress<B: http_body::Body>(&self, _: &http::Response<B>) -> bool {
        true
    }
}

/// Whether the answer is a part of a representation in bytes, which only makes sense uncompressed.
fn is_byte_range(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_RANGE).is_some_and(|range| range.as_bytes().starts_with(b"bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn others_have_their_turn_between_the_pieces_of_a_large_answer() {
        let rows: String = (0..200_000).map(|n| format!("{{\"number\":{}}},", n * 7919 % 100_003)).collect();
        let mut response = Response::builder().header(CONTENT_TYPE, "application/json").body(Body::from(rows)).unwrap();
        let accept = HeaderValue::from_static("gzip");
        let encoding = Compression::wanted(&Method::GET, Some(&accept), &mut response).expect("it is worth it");
        let answer = Compression::new(6).encode(encoding, response).await;
        let turns = std::rc::Rc::new(std::cell::Cell::new(0));
        let counted = turns.clone();
        let tasks = tokio::task::LocalSet::new();
        tasks.spawn_local(async move {
            loop {
                counted.set(counted.get() + 1);
                tokio::task::yield_now().await;
            }
        });
        let body = tasks.run_until(axum::body::to_bytes(answer.into_body(), usize::MAX)).await.unwrap();
        assert!(body.len() > 100_000, "{}", body.len());
        assert!(turns.get() > 10, "{}", turns.get());
    }

    #[test]
    fn encodings_are_chosen_by_quality_then_by_cost() {
        assert_eq!(choose("gzip, deflate, br, zstd"), Some(Encoding::Zstd));
        assert_eq!(choose("gzip, deflate, br"), Some(Encoding::Brotli));
        assert_eq!(choose("gzip"), Some(Encoding::Gzip));
        assert_eq!(choose("x-gzip"), Some(Encoding::Gzip));
        assert_eq!(choose("zstd;q=0.5, gzip;q=0.9"), Some(Encoding::Gzip));
        assert_eq!(choose("*"), Some(Encoding::Zstd));
        assert_eq!(choose("zstd;q=0, *"), Some(Encoding::Brotli));
        for none in ["", "identity", "deflate", "gzip;q=0", "identity, gzip;q=0.5", "gzip;q=nonsense"] {
            assert_eq!(choose(none), None, "{none}");
        }
    }

    #[test]
    fn a_strong_tag_names_the_encoding_and_a_weak_one_need_not() {
        for (before, after) in [("\"a\"", "\"a-gzip\""), ("W/\"a\"", "W/\"a\"")] {
            let mut headers = HeaderMap::from_iter([(ETAG, HeaderValue::from_static(before))]);
            name_encoding(&mut headers, Encoding::Gzip);
            assert_eq!(headers[ETAG], after);
        }
    }

    #[test]
    fn only_text_is_worth_it() {
        for good in [
            "application/json; charset=utf-8",
            "Text/CSV",
            "application/vnd.pgrst.object+JSON",
            "image/svg+xml",
            "application/x-ndjson",
        ] {
            assert!(is_compressible_type(good), "{good}");
        }
        for bad in ["text/Event-Stream", "image/png", "application/octet-stream", "application/zip", ""] {
            assert!(!is_compressible_type(bad), "{bad}");
        }
    }
}
