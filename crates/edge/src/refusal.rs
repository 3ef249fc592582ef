//! The failures that the edge itself answers with, and their stable codes.
//!
//! A code is `FBE` and the status, so that a log line or a support message can be read without a table. Rooms answer
//! with their own codes; these say that a request never reached a room, or that the room did not end in time.
//! Invariant: texts are constant apart from configured bounds; nothing that the caller sent is repeated.

use std::time::Duration;

use ferrobase_base::{Kind, PublicError};

/// The request's head or body is not HTTP that can be answered.
pub fn malformed(details: &'static str) -> PublicError {
    PublicError::new(Kind::Invalid, "FBE400", "The request is malformed").details(details)
}

/// `dev` or `/debug` was called under another machine's name, or by another machine's page.
pub fn foreign(field: &'static str) -> PublicError {
    PublicError::new(Kind::Forbidden, "FBE403", format!("This {field} is not allowed here")).hint(
        "`ferrobase dev` and /debug answer pages of this machine only; set server.public_url to serve under a name",
    )
}

/// No room is mounted at this path.
pub fn no_such_path() -> PublicError {
    PublicError::new(Kind::NotFound, "FBE404", "Nothing is served at this path")
        .hint("The REST API is at /rest/v1/<table>, functions at /rest/v1/rpc/<function>")
}

/// The request's body came too slowly.
pub fn body_too_slow() -> PublicError {
    PublicError::new(Kind::RequestTimeout, "FBE408", "The request body did not arrive in time")
}

/// The request's body is larger than the route takes.
pub fn body_too_large(limit: u64) -> PublicError {
    PublicError::new(Kind::BodyTooLarge, "FBE413", "The request body is too large")
        .details(format!("The limit here is {limit} bytes"))
}

/// The body is compressed or otherwise coded, which nothing here decodes.
pub fn content_coding() -> PublicError {
    PublicError::new(Kind::UnsupportedMediaType, "FBE415", "The request body is coded in a way that is not read")
        .details("Content-Encoding is `identity` here, or left out")
        .header("accept-encoding", "identity")
}

/// The body is coded for its way in a manner that is not undone here.
pub fn transfer_coding() -> PublicError {
    PublicError::new(Kind::NotImplemented, "FBE501", "The transfer coding of the request body is not supported")
        .details("`chunked` is the only one")
}

/// The request target is longer than the server takes.
pub fn url_too_long(limit: usize) -> PublicError {
    PublicError::new(Kind::UrlTooLong, "FBE414", "The URL is too long")
        .details(format!("The limit is {limit} bytes"))
        .hint("Long filters and arguments can be sent in the body: call a function with POST")
}

/// The header block is larger than the server takes.
pub fn headers_too_large(limit: usize) -> PublicError {
    PublicError::new(Kind::HeadersTooLarge, "FBE431", "The request header is too large")
        .details(format!("The limit is {limit} bytes"))
}

/// The caller used up its quota of this minute.
pub fn too_many_requests(wait: Duration) -> PublicError {
    PublicError::new(Kind::TooManyRequests, "FBE429", "Too many requests").retry_after(wait)
}

/// The room panicked. The log has the place and this request's id.
pub fn internal() -> PublicError {
    PublicError::new(Kind::Internal, "FBE500", "The server failed to answer this request")
}

/// The room did not answer before the deadline.
pub fn timed_out(limit: Duration) -> PublicError {
    PublicError::new(Kind::Timeout, "FBE504", "The request took too long")
        .details(format!("The limit is {} ms", limit.as_millis()))
}
