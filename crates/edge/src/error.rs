//! The one table from a failure's kind to an HTTP status, and the JSON body in which failures leave.
//!
//! Last stage of every failed request: room error -> [`PublicError`] -> **status, fields and body**. Rooms with their
//! own protocol give [`crate::policy::RoutePolicy::error_shape`] another renderer; the status table is always this one.
//! Invariant: only what the `PublicError` holds is written; causes are logged where they were handled, never here.
//! The edge's own failures and their codes: `refusal.rs`.

use std::borrow::Cow;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use ferrobase_base::{Kind, PublicError};
use http::{HeaderName, HeaderValue, StatusCode, header};
use hyper::ext::ReasonPhrase;
use serde::Serialize;

/// Longest words beside a status.
const REASON_BYTES: usize = 256;

/// Renders a failure for one protocol. A plain function, so that a policy stays `Copy` data.
pub type ErrorShape = fn(&PublicError) -> Response;

/// The code of a failure, left in the response's extensions for the request log.
#[derive(Clone, Debug)]
pub struct ErrorCode(pub Cow<'static, str>);

/// The status of a kind. A status that SQL code chose and HTTP does not know becomes 500.
pub fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Ambiguous => StatusCode::MULTIPLE_CHOICES,
        Kind::Invalid => StatusCode::BAD_REQUEST,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Kind::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
        Kind::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        Kind::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::UrlTooLong => StatusCode::URI_TOO_LONG,
        Kind::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Kind::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Kind::RangeNotSatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
        Kind::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        Kind::NotImplemented => StatusCode::NOT_IMPLEMENTED,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Kind::Raised(chosen) => StatusCode::from_u16(chosen).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        // `Kind` may grow; a kind that this table does not know yet is a bug of ours.
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// `{code, details, hint, message}` with the kind's status: the shape of REST and of everything without its own.
/// All four keys are always there, null when empty, because clients read them without looking.
pub fn response(error: &PublicError) -> Response {
    let body = ErrorBody {
        code: &error.code,
        details: error.details.as_ref(),
        hint: error.hint.as_deref(),
        message: &error.message,
    };
    // The value is made of strings and JSON: there is nothing that could fail to serialise.
    let body = serde_json::to_vec(&body).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    decorate(&mut response, error);
    response
}

/// Sets what every shape shares: the status, `Retry-After`, the error's own fields and the code for the log.
pub fn decorate(response: &mut Response, error: &PublicError) {
    *response.status_mut() = status(error.kind);
    if let Some(reason) = error.reason.as_deref().and_then(reason) {
        response.extensions_mut().insert(reason);
    }
    if let Some(wait) = error.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, whole_seconds(wait));
    }
    for (name, value) in &error.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response.extensions_mut().insert(ErrorCode(error.code.clone()));
}

/// Words of SQL code for the status line of HTTP/1. What cannot stand in it, or would fill it, is left out.
fn reason(text: &str) -> Option<ReasonPhrase> {
    ReasonPhrase::try_from(text.as_bytes()).ok().filter(|_| text.len() <= REASON_BYTES)
}

/// Rounded up: who comes back after that many seconds finds the wait over.
fn whole_seconds(wait: Duration) -> HeaderValue {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    HeaderValue::from(seconds.max(1))
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    code: &'a str,
    details: Option<&'a serde_json::Value>,
    hint: Option<&'a str>,
    message: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_status() {
        let table = [
            (Kind::Ambiguous, 300),
            (Kind::Invalid, 400),
            (Kind::Unauthenticated, 401),
            (Kind::Forbidden, 403),
            (Kind::NotFound, 404),
            (Kind::MethodNotAllowed, 405),
            (Kind::NotAcceptable, 406),
            (Kind::RequestTimeout, 408),
            (Kind::Conflict, 409),
            (Kind::PreconditionFailed, 412),
            (Kind::BodyTooLarge, 413),
            (Kind::UrlTooLong, 414),
            (Kind::UnsupportedMediaType, 415),
            (Kind::RangeNotSatisfiable, 416),
            (Kind::TooManyRequests, 429),
            (Kind::HeadersTooLarge, 431),
            (Kind::Internal, 500),
            (Kind::NotImplemented, 501),
            (Kind::Unavailable, 503),
            (Kind::Timeout, 504),
            (Kind::Raised(402), 402),
            (Kind::Raised(12), 500),
        ];
        for (kind, expected) in table {
            assert_eq!(status(kind).as_u16(), expected, "{kind:?}");
        }
    }

    #[tokio::test]
    async fn the_body_has_all_four_keys_and_the_fields_of_the_error() {
        let error = PublicError::new(Kind::Unavailable, "FBE503", "busy")
            .retry_after(Duration::from_millis(1200))
            .header("proxy-status", "ferrobase; error=FBE503")
            .header("not a name", "dropped");
        let response = response(&error);
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "2");
        assert_eq!(response.headers()["proxy-status"], "ferrobase; error=FBE503");
        let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
        assert_eq!(body, r#"{"code":"FBE503","details":null,"hint":null,"message":"busy"}"#);
    }
}
