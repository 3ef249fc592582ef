//! What a caller may be told when something fails.
//!
//! Each room has its own `thiserror` enum and converts it into a [`PublicError`]; the private cause stays in the
//! source chain of the room's error and is logged once, where it is handled. [`Kind`] knows no HTTP: `edge` owns the
//! one table from kind to status.
//! Invariant: a `PublicError` carries nothing that an anonymous caller must not read.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde_json::Value;

/// The class of a failure, in words that every protocol of ours can translate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// More than one thing answers to the request; the details list them (REST: ambiguous relationship or function).
    Ambiguous,
    /// The request is malformed or asks for something that cannot be.
    Invalid,
    /// No valid proof of identity, or none at all where one is needed.
    Unauthenticated,
    /// Known caller, not allowed.
    Forbidden,
    /// No such thing, or none that this caller may know of.
    NotFound,
    /// The thing exists but does not support this verb.
    MethodNotAllowed,
    /// No representation that the caller accepts.
    NotAcceptable,
    /// The caller was too slow to send the request.
    RequestTimeout,
    /// The state of the data refuses the change (duplicate, still referenced).
    Conflict,
    /// A condition that the caller set does not hold (`If-Match`).
    PreconditionFailed,
    /// The body is over its bound.
    BodyTooLarge,
    /// The URL is over its bound.
    UrlTooLong,
    /// The header block is over its bound.
    HeadersTooLarge,
    /// The body is of a type that nothing here reads.
    UnsupportedMediaType,
    /// The requested range does not exist.
    RangeNotSatisfiable,
    /// The caller asked too often; `retry_after` says when to come back.
    TooManyRequests,
    /// A bug or a broken dependency; the log has the cause.
    Internal,
    /// Asked for something that is known and not built.
    NotImplemented,
    /// The database or a pool cannot take the request now; `retry_after` says when to come back.
    Unavailable,
    /// A deadline passed while waiting for someone else.
    Timeout,
    /// SQL code chose the status itself (`RAISE` with SQLSTATE `PTxyz` or `PGRST`), 200 to 599.
    Raised(u16),
}

/// An error and its causes in one line, for the one place that logs it. Many errors quote their cause, and wrappers
/// repeat it whole: what the line says already is not said again.
pub fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line
}

/// A failure as its caller sees it. Displayed as `CODE: message`.
#[derive(Clone, Debug, PartialEq)]
pub struct PublicError {
    /// The class, from which a protocol takes its status.
    pub kind: Kind,
    /// Stable, documented code: ours, PostgREST's (`PGRST...`) or a SQLSTATE.
    pub code: Cow<'static, str>,
    /// One sentence for the caller.
    pub message: String,
    /// What exactly was wrong; text or, where the protocol says so, a JSON list.
    pub details: Option<Value>,
    /// What the caller can do about it.
    pub hint: Option<String>,
    /// When asking again makes sense.
    pub retry_after: Option<Duration>,
    /// Response fields that belong to the failure itself (`WWW-Authenticate`, fields chosen by SQL code).
    pub headers: Vec<(String, String)>,
    /// The words beside the status, where SQL code chose them.
    pub reason: Option<String>,
}

impl PublicError {
    /// An error with no details, hint or headers.
    pub fn new(kind: Kind, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: code.into(),
            message: message.into(),
            details: None,
            hint: None,
            retry_after: None,
            headers: Vec::new(),
            reason: None,
        }
    }

    /// Adds text details.
    #[must_use]
    pub fn details(mut self, details: impl Into<String>) -> Self {
        self.details = Some(Value::String(details.into()));
        self
    }

    /// Adds details that are a JSON value.
    #[must_use]
    pub fn details_json(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says when asking again makes sense.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Adds a response field.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

impl fmt::Display for PublicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for PublicError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Nested {
        text: &'static str,
        source: Option<Box<Nested>>,
    }

    #[test]
    fn a_cause_is_said_once() {
        let chain = ["rows ended early", "rows ended early", "cannot read: no such file", "no such file", "ENOENT"];
        let nested = chain.into_iter().rev().fold(None, |source, text| Some(Box::new(Nested { text, source })));
        let error = nested.unwrap();
        assert_eq!(causes(&*error), "rows ended early: cannot read: no such file: ENOENT");
    }
}
