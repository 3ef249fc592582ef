//! JSON bodies. Unknown fields are ignored, `null` is the same as absent, and an absent body is an empty object.

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorCode, Result};

/// Longest body (contract 0.1).
pub const BODY_LIMIT: u64 = 1024 * 1024;

/// A body of this type, in a request or in an answer. Optional fields of a request's are `Option`s.
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => {
                let mut response = Response::new(Body::from(body));
                response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
                response
            }
            Err(error) => Error::internal("writing an answer")(error).into_response(),
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self> {
        // The edge counts the bytes; when it cut the body off, it says why in the place of this error.
        let unreadable = |_| Error::bad_request(ErrorCode::BadJson, "Could not read request body");
        let bytes = to_bytes(request.into_body(), BODY_LIMIT as usize).await.map_err(unreadable)?;
        let text: &[u8] = if bytes.iter().all(u8::is_ascii_whitespace) { b"{}" } else { &bytes };
        serde_json::from_slice(text).map(Self).map_err(|error| {
            // Where it went wrong, without what stands there: the message may be logged, the body holds passwords.
            let place = format!("line {}, column {}", error.line(), error.column());
            Error::bad_request(ErrorCode::BadJson, format!("Could not parse request body as JSON: {place}"))
        })
    }
}
