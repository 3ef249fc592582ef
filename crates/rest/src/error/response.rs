//! An error as an answer: compact JSON `{code, details, hint, message}` and the fields around it.
//!
//! Last stage of every failed request. All four keys are always there. `Proxy-Status` names the code; an error that
//! asks for credentials says so in `WWW-Authenticate` unless it already does.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use ferrobase_base::{Kind, PublicError};
use http::{HeaderValue, header};
use serde::Serialize;

use crate::config::Verbosity;

/// The renderer that `edge` uses for failures before this room (RoutePolicy).
pub fn error_shape(error: &PublicError) -> Response {
    to_response(error, Verbosity::Verbose)
}

/// The answer for an error.
pub fn to_response(error: &PublicError, verbosity: Verbosity) -> Response {
    respond(error, body(error, verbosity))
}

/// The answer for an error of one operation of several: the error says which, counted from 0.
pub(crate) fn of_operation(error: &PublicError, verbosity: Verbosity, operation: usize) -> Response {
    respond(error, located(error, verbosity, Some(operation)))
}

fn respond(error: &PublicError, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    ferrobase_edge::error::decorate(&mut response, error);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    if let Ok(value) = HeaderValue::try_from(format!("PostgREST; error={}", error.code)) {
        headers.insert("proxy-status", value);
    }
    if error.kind == Kind::Unauthenticated && !headers.contains_key(header::WWW_AUTHENTICATE) {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// The body alone.
pub(crate) fn body(error: &PublicError, verbosity: Verbosity) -> Bytes {
    located(error, verbosity, None)
}

fn located(error: &PublicError, verbosity: Verbosity, operation: Option<usize>) -> Bytes {
    // Texts and JSON: nothing in it can fail to serialise.
    let json = match verbosity {
        Verbosity::Verbose => serde_json::to_vec(&Full {
            code: &error.code,
            details: error.details.as_ref(),
            hint: error.hint.as_deref(),
            message: &error.message,
            operation,
        }),
        Verbosity::Minimal => serde_json::to_vec(&Short { code: &error.code, message: &error.message, operation }),
    };
    json.unwrap_or_default().into()
}

#[derive(Serialize)]
struct Full<'a> {
    code: &'a str,
    details: Option<&'a serde_json::Value>,
    hint: Option<&'a str>,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<usize>,
}

/// What `verbosity: minimal` leaves.
#[derive(Serialize)]
struct Short<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<usize>,
}
