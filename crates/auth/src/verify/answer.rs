//! Redirects: whoever followed a link lands at the application, with a session, a code or the reason why not.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use crate::error::Error;
use crate::redirect::{with_fragment, with_query};
use crate::session::Tokens;

pub(super) fn session(place: &str, tokens: &Tokens, kind: &str) -> Response {
    let (expires_at, expires_in) = (tokens.expires_at.to_string(), tokens.expires_in.to_string());
    see_other(&with_fragment(
        place,
        &[
            ("access_token", &tokens.access_token),
            ("expires_at", &expires_at),
            ("expires_in", &expires_in),
            ("refresh_token", &tokens.refresh_token),
            ("sb", ""),
            ("token_type", "bearer"),
            ("type", kind),
        ],
    ))
}

pub(super) fn code(place: &str, code: &str) -> Response {
    see_other(&with_query(place, &[("code", code)]))
}

pub(super) fn first_of_two(place: &str, message: &str, is_pkce: bool) -> Response {
    let in_query = if is_pkce { with_query(place, &[("message", message)]) } else { place.to_owned() };
    see_other(&with_fragment(&in_query, &[("message", message), ("sb", "")]))
}

pub(super) fn failure(place: &str, error: &Error, is_pkce: bool) -> Response {
    let (status, code, message) = error.told();
    let word = match status.as_u16() {
        400 => "invalid_request",
        401 => "unauthorized_client",
        403 => "access_denied",
        503 => "temporarily_unavailable",
        500..=599 => "server_error",
        _ => "invalid_request",
    };
    if status.is_server_error() {
        tracing::error!(error = ferrobase_base::error::causes(error), "a link could not be followed");
    }
    let values = [("error", word), ("error_code", code.as_str()), ("error_description", message.as_str())];
    let in_query = if is_pkce { with_query(place, &values) } else { place.to_owned() };
    let [error, code, message] = values;
    see_other(&with_fragment(&in_query, &[error, code, message, ("sb", "")]))
}

/// The address holds tokens: nobody keeps it, and no page is told where its visitor comes from.
fn see_other(place: &str) -> Response {
    let Ok(location) = HeaderValue::try_from(place) else {
        return Error::internal("redirecting")("an address that is no field value").into_response();
    };
    let fields = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (StatusCode::SEE_OTHER, fields).into_response()
}
