//! Makes the one [`RequestContext`] of a request and gives rooms their handle to it.
//!
//! Last step before a room is called: identity, id, address and deadline are known; what SQL may see of the head is
//! turned into text here. Rooms take a [`Caller`] as extractor.
//! Invariant: credentials and cookies stay out of what PostgreSQL gets to see and to log (security 28), except under
//! `ferrobase postgrest`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{FromRequestParts, Request};
use axum::response::Response;
use ferrobase_base::PublicError;
use ferrobase_request::{Authority, Credentials, Identity, Journal, RequestContext, Told, TraceFields, headers_json};
use http::header::COOKIE;
use http::request::Parts;
use http::{Extensions, HeaderMap, Uri};

use crate::credentials;
use crate::error;
use crate::metrics::{OTHER, known};
use crate::policy::AuthPolicy;
use crate::refusal;
use crate::request_id::RequestId;
use crate::settings::Settings;

/// The URI as the caller sent it, with mount and query, in the request's extensions: for links back to us.
#[derive(Clone, Debug)]
pub struct AsSent(pub Uri);

/// Who calls, as an extractor for handlers.
#[derive(Clone, Debug)]
pub struct Caller(pub Arc<RequestContext>);

impl Caller {
    /// Who makes this request.
    ///
    /// # Errors
    /// An answer that says that the server is to blame: only an open route of a server without an anonymous role has no
    /// caller.
    pub fn of(request: &Request) -> Result<Self, Response> {
        Self::found(request.extensions())
    }

    fn found(extensions: &Extensions) -> Result<Self, Response> {
        extensions.get::<Self>().cloned().ok_or_else(|| error::response(&refusal::internal()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        Self::found(&parts.extensions)
    }
}

/// Who is behind this request's credentials.
pub(crate) async fn identify(
    authority: &Authority,
    policy: AuthPolicy,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<Option<Identity>, PublicError> {
    if policy.verify {
        let mut credentials = credentials::extract(headers, uri, policy.key_in_query)?;
        if policy.tokens_are_the_rooms {
            credentials.bearer = credentials.bearer.take().filter(|bearer| credentials.is_key(bearer));
        }
        return Ok(Some(authority.identify(policy.gate, &credentials).await?));
    }
    let mut gate = policy.gate;
    gate.key_required = false;
    Ok(authority.authenticate(gate, &Credentials::default()).ok())
}

/// What the edge found out before it calls the room.
pub(crate) struct Found<'a> {
    pub(crate) identity: Identity,
    pub(crate) request_id: &'a RequestId,
    pub(crate) client_ip: Option<IpAddr>,
    pub(crate) arrived: Instant,
    pub(crate) deadline: Instant,
    /// Path inside the room: `request.path` is what PostgREST behind a gateway would see.
    pub(crate) path: &'a Arc<str>,
    pub(crate) trace: Option<Arc<TraceFields>>,
    pub(crate) journal: Journal,
}

/// The context of a request.
pub(crate) fn build(
    found: Found<'_>,
    method: &http::Method,
    headers: &HeaderMap,
    settings: &Settings,
) -> RequestContext {
    let forwards = settings.forwards_credentials;
    // SQL that calls others hands on what it finds among the fields: our span, where there is one.
    let trace = found.trace.clone().filter(|_| settings.tracer.is_some());
    let fields = headers.clone();
    // Cookies that are not handed on are none.
    let cookies = if forwards { Told::from(cookies_text(headers)) } else { Told::from("{}") };
    RequestContext {
        identity: found.identity,
        request_id: found.request_id.shared(),
        method: match known(method) {
            OTHER => method.as_str().to_owned().into(),
            name => name.into(),
        },
        path: Arc::clone(found.path),
        headers: Told::when_asked(move || fields_text(&fields, forwards, trace.as_deref())),
        cookies,
        client_ip: found.client_ip,
        arrived: found.arrived,
        deadline: found.deadline,
        trace: found.trace,
        journal: found.journal,
        freshness: settings.freshness.as_ref().map(|rules| Arc::new(rules.read(headers))),
    }
}

/// Fields whose value is no text are left out: they could not be put into JSON unchanged.
fn fields_text(headers: &HeaderMap, keep_credentials: bool, trace: Option<&TraceFields>) -> String {
    let fields = headers
        .iter()
        .filter(|(name, _)| !(keep_credentials && *name == COOKIE))
        .filter_map(|(name, value)| Some((name.as_str(), std::str::from_utf8(value.as_bytes()).ok()?)));
    let Some(trace) = trace else { return headers_json(fields, keep_credentials) };
    // What vendors added belongs to the parent that is handed on, and to no other.
    let others = fields.filter(|(name, _)| !["traceparent", "tracestate"].contains(name));
    let ours = [("traceparent", Some(trace.parent.as_str())), ("tracestate", trace.state.as_deref())];
    headers_json(others.chain(ours.into_iter().filter_map(|(name, value)| Some((name, value?)))), keep_credentials)
}

fn cookies_text(headers: &HeaderMap) -> String {
    let mut cookies = serde_json::Map::new();
    let values = headers.get_all(COOKIE).iter().filter_map(|value| std::str::from_utf8(value.as_bytes()).ok());
    for pair in values.flat_map(|value| value.split(';')) {
        if let Some((name, value)) = pair.split_once('=') {
            cookies.insert(name.trim().to_owned(), value.trim().trim_matches('"').into());
        }
    }
    serde_json::Value::Object(cookies).to_string()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers() -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", &b"Bearer canary"[..]),
            ("apikey", b"canary"),
            ("cookie", b"session=canary; theme=\"dark\""),
            ("x-custom", b"kept"),
            ("x-binary", b"\xff"),
        ] {
            headers.insert(name, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    #[test]
    fn sec_28_credentials_stay_out_of_what_sql_sees() {
        let text = fields_text(&headers(), false, None);
        assert!(!text.contains("canary") && text.contains(r#""x-custom":"kept""#), "{text}");
        assert!(!text.contains("x-binary"));
    }

    #[test]
    fn postgrest_mode_passes_them_on_and_cookies_apart() {
        let text = fields_text(&headers(), true, None);
        assert!(text.contains("Bearer canary") && !text.contains("cookie"), "{text}");
        assert_eq!(cookies_text(&headers()), r#"{"session":"canary","theme":"dark"}"#);
    }

    #[test]
    fn sql_finds_our_span_in_the_place_of_the_callers() {
        let mut headers = headers();
        headers.insert("traceparent", HeaderValue::from_static("theirs"));
        let ours = TraceFields { parent: "ours".to_owned(), state: None };
        let text = fields_text(&headers, false, Some(&ours));
        assert!(text.contains(r#""traceparent":"ours""#) && !text.contains("theirs"), "{text}");
        assert!(fields_text(&headers, false, None).contains("theirs"));
        headers.insert("tracestate", HeaderValue::from_static("vendor=1"));
        let text = fields_text(&headers, false, Some(&ours));
        assert!(!text.contains("tracestate"), "it belongs to a trace that is not handed on: {text}");
        let child = TraceFields { state: Some("vendor=2".to_owned()), ..ours };
        let text = fields_text(&headers, false, Some(&child));
        assert!(text.contains(r#""tracestate":"vendor=2""#) && !text.contains("vendor=1"), "{text}");
    }
}
