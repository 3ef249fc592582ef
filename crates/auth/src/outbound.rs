//! How this room calls out: to providers of sign-in. `app` hands in the client that guards where calls may go.
//!
//! Invariant: everything that leaves goes through [`Outbound`]; no redirect is followed with credentials.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::de::DeserializeOwned;

/// Longest time of most calls. The room answers within ten seconds; two calls must fit into that.
const LONGEST: Duration = Duration::from_secs(4);

/// A call to somewhere else.
#[derive(Clone, Debug)]
pub struct Call {
    /// Where.
    pub url: String,
    /// Fields of the head; `Authorization` among them.
    pub fields: HeaderMap,
    /// With a body it is a POST.
    pub body: Option<(&'static str, Bytes)>,
    /// How long it may take, the answer included.
    pub longest: Duration,
}

impl Default for Call {
    fn default() -> Self {
        Self { url: String::new(), fields: HeaderMap::new(), body: None, longest: LONGEST }
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The body, bounded by who made the call.
    pub body: Bytes,
    /// What it says about coming again (`Retry-After` in seconds).
    pub retry_after: Option<Duration>,
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct CallError(pub Box<dyn std::error::Error + Send + Sync>);

/// The answer to come.
pub type Calling<'a> = Pin<Box<dyn Future<Output = Result<Reply, CallError>> + Send + 'a>>;

/// Makes calls.
pub trait Outbound: Send + Sync {
    /// Makes one.
    fn call(&self, call: Call) -> Calling<'_>;
}

/// Calls nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoOutbound;

impl Outbound for NoOutbound {
    fn call(&self, _call: Call) -> Calling<'_> {
        Box::pin(async { Err(CallError("calls to other servers are not possible here".into())) })
    }
}

impl Call {
    /// Asks for JSON.
    pub(crate) fn get(url: &str) -> Self {
        Self { url: url.to_owned(), ..Self::default() }.with("accept", "application/json")
    }

    /// Posts a form and asks for JSON.
    pub(crate) fn form(url: &str, pairs: &[(&str, &str)]) -> Self {
        let body = crate::query::query(pairs.iter().copied());
        let body = Some(("application/x-www-form-urlencoded", Bytes::from(body)));
        Self { body, ..Self::get(url) }
    }

    /// The same with another field; one that cannot be sent is left out.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.fields.insert(HeaderName::from_static(name), value);
        }
        self
    }
}

impl Reply {
    /// The body, if the call went well and it is JSON of this form.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Option<T> {
        self.status.is_success().then(|| serde_json::from_slice(&self.body).ok())?
    }
}
