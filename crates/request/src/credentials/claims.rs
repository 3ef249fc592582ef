//! The claims that make a genuine token valid here and now: `exp`, `nbf`, `iat`, `aud` (RFC 7519, 4.1).
//!
//! `null` counts as absent. Clocks may differ by [`SKEW`] seconds. A claim of the wrong type is an error and never
//! ignored, because a token that says when it ends must end.

use serde_json::{Map, Value};

/// Seconds by which our clock and the issuer's may differ.
pub(super) const SKEW: i64 = 30;

/// Why a genuine token is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimsError {
    /// `exp` has passed.
    #[error("JWT expired")]
    Expired,
    /// `nbf` has not come.
    #[error("JWT not yet valid")]
    NotYetValid,
    /// `iat` has not come.
    #[error("JWT issued at future")]
    IssuedInFuture,
    /// `aud` names others only.
    #[error("JWT not in audience")]
    NotInAudience,
    /// `iss` is not whose key signed it.
    #[error("JWT not from the issuer of its key")]
    WrongIssuer,
    /// The payload is not a JSON object.
    #[error("Parsing claims failed")]
    Unreadable,
    /// A time is not a number.
    #[error("The JWT '{claim}' claim must be a number")]
    NotANumber {
        /// `exp`, `nbf` or `iat`.
        claim: &'static str,
    },
    /// `aud` is something else.
    #[error("The JWT 'aud' claim must be a string or an array of strings")]
    BadAudience,
}

/// What must be looked at again at every use of a verified token; everything else cannot change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Times {
    /// `exp`, seconds since the epoch.
    pub(super) expires: Option<i64>,
    not_before: Option<i64>,
    issued: Option<i64>,
}

impl Times {
    pub(super) fn of(claims: &Map<String, Value>) -> Result<Self, ClaimsError> {
        Ok(Self { expires: time(claims, "exp")?, not_before: time(claims, "nbf")?, issued: time(claims, "iat")? })
    }

    pub(super) fn check(&self, now: i64) -> Result<(), ClaimsError> {
        if self.expires.is_some_and(|at| at < now.saturating_sub(SKEW)) {
            return Err(ClaimsError::Expired);
        }
        let soon = now.saturating_add(SKEW);
        if self.not_before.is_some_and(|at| at > soon) {
            return Err(ClaimsError::NotYetValid);
        }
        if self.issued.is_some_and(|at| at > soon) {
            return Err(ClaimsError::IssuedInFuture);
        }
        Ok(())
    }
}

/// Checks `aud`: absent and empty lists are for everybody, and without a configured audience every token is for us.
pub(super) fn check_audience(claims: &Map<String, Value>, expected: Option<&str>) -> Result<(), ClaimsError> {
    let is_ours = |audience: &str| expected.is_none_or(|expected| expected == audience);
    let accepted = match claims.get("aud") {
        None | Some(Value::Null) => true,
        Some(Value::String(audience)) => is_ours(audience),
        Some(Value::Array(audiences)) => {
            let audiences = audiences.iter().map(Value::as_str).collect::<Option<Vec<_>>>();
            let audiences = audiences.ok_or(ClaimsError::BadAudience)?;
            audiences.is_empty() || audiences.into_iter().any(is_ours)
        }
        Some(_) => return Err(ClaimsError::BadAudience),
    };
    if accepted { Ok(()) } else { Err(ClaimsError::NotInAudience) }
}

/// Checks `iss` where the key that signed the token belongs to one issuer; compared as text, as OpenID demands.
pub(super) fn check_issuer(claims: &Map<String, Value>, expected: Option<&str>) -> Result<(), ClaimsError> {
    match expected {
        Some(expected) if claims.get("iss").and_then(Value::as_str) != Some(expected) => Err(ClaimsError::WrongIssuer),
        _ => Ok(()),
    }
}

fn time(claims: &Map<String, Value>, claim: &'static str) -> Result<Option<i64>, ClaimsError> {
    match claims.get(claim) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => {
            // NumericDate may have a fraction; `as` saturates, so an absurd year stays absurd instead of wrapping.
            Ok(Some(number.as_i64().unwrap_or_else(|| number.as_f64().map_or(i64::MAX, |n| n.floor() as i64))))
        }
        Some(_) => Err(ClaimsError::NotANumber { claim }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn check(claims: &Value, audience: Option<&str>) -> Result<(), ClaimsError> {
        let claims = claims.as_object().unwrap();
        Times::of(claims)?.check(NOW)?;
        check_audience(claims, audience)
    }

    #[test]
    fn times_have_thirty_seconds_of_skew() {
        assert_eq!(check(&json!({"exp": NOW - 30, "nbf": NOW + 30, "iat": NOW + 30}), None), Ok(()));
        assert_eq!(check(&json!({"exp": NOW - 31}), None), Err(ClaimsError::Expired));
        assert_eq!(check(&json!({"nbf": NOW + 31}), None), Err(ClaimsError::NotYetValid));
        assert_eq!(check(&json!({"iat": NOW + 31}), None), Err(ClaimsError::IssuedInFuture));
        assert_eq!(check(&json!({"exp": NOW as f64 - 40.5}), None), Err(ClaimsError::Expired));
        assert_eq!(check(&json!({"exp": 1e300, "nbf": -1e300}), None), Ok(()));
    }

    #[test]
    fn wrong_types_are_errors_and_null_is_absent() {
        for claim in ["exp", "nbf", "iat"] {
            assert_eq!(check(&json!({claim: "soon"}), None), Err(ClaimsError::NotANumber { claim }));
            assert_eq!(check(&json!({ claim: null }), None), Ok(()));
        }
        for aud in [json!({"a": 1}), json!(1), json!([{"a": 1}, "us"]), json!(["us", null])] {
            assert_eq!(check(&json!({ "aud": aud }), Some("us")), Err(ClaimsError::BadAudience));
            assert_eq!(check(&json!({ "aud": aud }), None), Err(ClaimsError::BadAudience));
        }
    }

    #[test]
    fn audience_is_a_string_a_list_or_absent() {
        for ours in [json!("us"), json!(["us"]), json!(["them", "us"]), json!([]), json!(null)] {
            assert_eq!(check(&json!({ "aud": ours }), Some("us")), Ok(()), "{ours}");
        }
        for theirs in [json!("them"), json!(""), json!(["them"]), json!(["them", "others"])] {
            assert_eq!(check(&json!({ "aud": theirs }), Some("us")), Err(ClaimsError::NotInAudience), "{theirs}");
            assert_eq!(check(&json!({ "aud": theirs }), None), Ok(()), "{theirs}");
        }
        assert_eq!(check(&json!({}), Some("us")), Ok(()));
    }
}
