//! GraphiQL for browsers, from this server and no other.
//!
//! The files in `assets` come from npm by `scripts/build-graphiql`, which checks what it got. Their addresses have their
//! contents' hash in them, so that a browser may keep them.
//! Invariant: the page loads nothing from another host, and its content security policy says so.

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};

use crate::request;

#[path = "../assets/files.rs"]
mod files;

/// Where its files are, below the room.
pub(crate) const PATH: &str = "/graphiql";

/// A file of the page, compressed.
struct Asset {
    name: &'static str,
    media: &'static str,
    gzip: &'static [u8],
}

const PAGE: &str = include_str!("../assets/page.html");
/// Styles that elements carry themselves are how its text editor places its lines.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self' data:; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Whether a browser that was led here asks for something to look at.
pub(crate) fn is_asked_for(method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    let asks = uri.query().is_some_and(|query| {
        form_urlencoded::parse(query.as_bytes())
            .any(|(name, _)| matches!(&*name, "query" | "extensions" | "documentId"))
    });
    *method == Method::GET && !asks && request::wants_page(headers)
}

/// The page. `key` is what it sends until somebody writes another one.
pub(crate) fn page(key: Option<&str>) -> Response {
    let headers = key.map_or_else(|| serde_json::json!({}), |key| serde_json::json!({ "apikey": key }));
    // In a data block of HTML only this sequence has a meaning.
    let headers = headers.to_string().replace('<', "\\u003c");
    let mut response = Response::new(Body::from(PAGE.replace("{{headers}}", &headers)));
    set(
        &mut response,
        &[
            (CONTENT_TYPE, "text/html; charset=utf-8"),
            (CONTENT_SECURITY_POLICY, POLICY),
            (CACHE_CONTROL, "private, no-store"),
        ],
    );
    response
}

/// One of its files.
pub(crate) fn asset(name: &str) -> Option<Response> {
    let asset = files::FILES.iter().find(|asset| asset.name == name)?;
    let mut response = Response::new(Body::from(asset.gzip));
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(asset.gzip.len()));
    set(
        &mut response,
        &[
            (CONTENT_TYPE, asset.media),
            (CONTENT_ENCODING, "gzip"),
            (CACHE_CONTROL, "public, max-age=31536000, immutable"),
        ],
    );
    Some(response)
}

fn set(response: &mut Response, fields: &[(http::HeaderName, &'static str)]) {
    for (name, value) in fields {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
}
