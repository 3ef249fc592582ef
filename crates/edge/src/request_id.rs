//! The name of one request: in the answer, in every log line about it, and in SQL as `request.id`.
//!
//! A caller's own `X-Request-Id` is kept when it is short and plain, so that one id follows a call through several
//! systems; anything else is replaced by a UUID of version 7.
//! Invariant: an id holds only characters that need no escaping in a header, a log line or a shell.

use std::future::Future;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The field in which ids come and go.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const LONGEST: usize = 128;

/// The id of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The caller's id if it is usable, otherwise a new one.
    pub fn of(headers: &HeaderMap) -> Self {
        match headers.get(REQUEST_ID).map(HeaderValue::as_bytes) {
            Some(text) if is_plain(text) => Self(String::from_utf8_lossy(text).into()),
            _ => Self((&*uuid::Uuid::now_v7().hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer())).into()),
        }
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its text, shared.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// Its text as a response field.
    pub fn header(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(&*self.0).ok()
    }
}

fn is_plain(text: &[u8]) -> bool {
    !text.is_empty()
        && text.len() <= LONGEST
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(byte))
}

tokio::task_local! {
    static CURRENT: RequestId;
}

/// Runs a request so that log lines written meanwhile carry its id. For logs only: code that needs the id takes it
/// from the request context.
pub(crate) async fn scope<F: Future>(id: RequestId, run: F) -> F::Output {
    CURRENT.scope(id, run).await
}

/// The id of the request that this task is serving, for the log.
pub(crate) fn current() -> Option<RequestId> {
    CURRENT.try_with(Clone::clone).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_for(value: &[u8]) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_bytes(value).unwrap());
        RequestId::of(&headers).as_str().to_owned()
    }

    #[test]
    fn plain_ids_are_kept_and_others_replaced() {
        assert_eq!(id_for(b"req-123"), "req-123");
        assert_eq!(id_for(b"Root=1-67891233-abcdef012345678912345678"), "Root=1-67891233-abcdef012345678912345678");
        for bad in [&b""[..], b"a b", b"\"", b"caf\xc3\xa9", &[b'a'; 129]] {
            let id = id_for(bad);
            assert_eq!(id.len(), 36, "{id}");
        }
        let fresh = RequestId::of(&HeaderMap::new());
        assert_eq!(uuid::Uuid::parse_str(fresh.as_str()).unwrap().get_version_num(), 7);
    }
}
