//! Tokens as clients would send them, signed with the secret that test applications use.

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

/// The HS256 secret of test applications.
pub const SECRET: &str = "a test secret that is long enough to be accepted anywhere";

/// A token with exactly these claims.
pub fn with_claims(claims: &Value) -> String {
    encode(&Header::default(), claims, &EncodingKey::from_secret(SECRET.as_bytes())).expect("claims are valid JSON")
}

/// A token of the role `authenticated` for a user, valid for an hour.
pub fn of_user(sub: &str) -> String {
    with_claims(&json!({ "role": "authenticated", "sub": sub, "exp": now() + 3600 }))
}

/// A token of a role without a user, valid for an hour.
pub fn of_role(role: &str) -> String {
    with_claims(&json!({ "role": role, "exp": now() + 3600 }))
}

/// Seconds since the epoch.
pub fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs())
}
