//! How a browser is sent on when a flow is over: with the session, with a code for it, or with what went wrong.
//!
//! Tokens go into the fragment, which no server sees; errors go there too, and into the query for clients of PKCE and
//! servers (contract 2.4, 2.6). Addresses come from `redirect` only.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use crate::error::Error;
use crate::redirect::{with_fragment, with_query};
use crate::session::Tokens;

/// The address with a session in its fragment; after a proof, with what was proved (`type`).
pub(crate) fn with_session(to: &str, tokens: &Tokens, proved: Option<&str>) -> String {
    let (expires_at, expires_in) = (tokens.expires_at.to_string(), tokens.expires_in.to_string());
    let mut pairs = vec![
        ("access_token", tokens.access_token.as_str()),
        ("expires_at", &expires_at),
        ("expires_in", &expires_in),
        ("refresh_token", &tokens.refresh_token),
        ("sb", ""),
        ("token_type", "bearer"),
    ];
    pairs.extend(proved.map(|kind| ("type", kind)));
    pairs.extend(tokens.provider_token.as_deref().map(|token| ("provider_token", token)));
    pairs.extend(tokens.provider_refresh_token.as_deref().map(|token| ("provider_refresh_token", token)));
    with_fragment(to, &pairs)
}

/// The address with a code in its query.
pub(crate) fn with_code(to: &str, code: &str) -> String {
    with_query(to, &[("code", code)])
}

/// The address with a message, where something else is to be done first.
pub(crate) fn with_message(to: &str, message: &str, also_in_query: bool) -> String {
    let pairs = [("message", message)];
    let to = if also_in_query { with_query(to, &pairs) } else { to.to_owned() };
    let [message] = pairs;
    with_fragment(&to, &[message, ("sb", "")])
}

/// The address with what went wrong.
pub(crate) fn with_error(to: &str, error: &Error, also_in_query: bool) -> String {
    let (status, code, description) = error.told();
    let pairs = [("error", word(status)), ("error_code", code.as_ref()), ("error_description", description.as_str())];
    let to = if also_in_query { with_query(to, &pairs) } else { to.to_owned() };
    let [word, code, description] = pairs;
    with_fragment(&to, &[word, code, description, ("sb", "")])
}

/// OAuth's word for a failure (RFC 6749, 4.1.2.1).
fn word(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "unauthorized_client",
        403 | 422 => "access_denied",
        502..=504 => "temporarily_unavailable",
        500.. => "server_error",
        _ => "invalid_request",
    }
}

/// Sends the browser there; it keeps nothing of this answer and tells the next page nothing of this address.
pub(crate) fn go(status: StatusCode, to: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(to) else {
        return Error::internal("sending a browser on")("its address cannot be sent").into_response();
    };
    let mut response = status.into_response();
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, location);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
