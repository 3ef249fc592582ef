//! Anon and service keys, and tokens for tests: made from the shared secret, stored nowhere.
//!
//! A key is an HS256 JWT `{iss, role, iat, exp}` that is good for ten years, as Supabase's clients know it. Rotating
//! the secret is what revokes it. `ferrobase keys` prints these.

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Map, Value, json};

use crate::credentials::RolePath;

/// Issuer in our keys.
pub const ISSUER: &str = "ferrobase";
/// The role of the anon key.
pub const ANON: &str = "anon";
/// The role of the service key, which passes row-level security.
pub const SERVICE: &str = "service_role";

const DAY: i64 = 24 * 60 * 60;
const YEAR: i64 = 365 * DAY;
/// How long a key is good.
const LIFETIME: i64 = 10 * YEAR;

/// A key could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot sign a token: {0}")]
pub struct SigningError(#[source] jsonwebtoken::errors::Error);

/// The two keys of a project.
#[derive(Clone, PartialEq, Eq)]
pub struct ProjectKeys {
    /// For browsers and apps; its role sees what row-level security shows it.
    pub anon: String,
    /// For servers only; passes row-level security.
    pub service: String,
}

/// The project's keys, with their role where `role_claim` looks for it, too. `now` is in seconds since the epoch; keys made from the same secret on the same day are the
/// same text, so that printing them twice does not look like two keys.
pub fn project_keys(secret: &[u8], role_claim: &RolePath, now: i64) -> Result<ProjectKeys, SigningError> {
    let issued = now - now.rem_euclid(DAY);
    let key = |role: &str| {
        let claims = json!({"iss": ISSUER, "role": role, "iat": issued, "exp": issued + LIFETIME});
        sign(secret, role_claim, claims.as_object().cloned().unwrap_or_default())
    };
    Ok(ProjectKeys { anon: key(ANON)?, service: key(SERVICE)? })
}

/// What a test token says.
#[derive(Clone, Debug, Default)]
pub struct TokenRequest {
    /// The role; without one the token counts as anonymous.
    pub role: Option<String>,
    /// The user.
    pub sub: Option<String>,
    /// Whom it is for (`auth.jwt_audience`); `None` for that of tokens of an installation without a setting.
    pub audience: Option<String>,
    /// Seconds until it ends; `None` for an hour.
    pub lifetime: Option<i64>,
    /// Where the role has to be, besides `role` (`auth.jwt_role_claim`).
    pub role_claim: RolePath,
    /// Further claims, which win over the ones above.
    pub claims: Map<String, Value>,
}

/// A token as an application would get it at sign-in (`ferrobase keys token`).
pub fn token(secret: &[u8], request: &TokenRequest, now: i64) -> Result<String, SigningError> {
    let mut claims = Map::new();
    claims.insert("iss".to_owned(), ISSUER.into());
    claims.insert("aud".to_owned(), request.audience.as_deref().unwrap_or("authenticated").into());
    claims.insert("iat".to_owned(), now.into());
    claims.insert("exp".to_owned(), (now + request.lifetime.unwrap_or(60 * 60)).into());
    if let Some(role) = &request.role {
        claims.insert("role".to_owned(), role.as_str().into());
    }
    if let Some(sub) = &request.sub {
        claims.insert("sub".to_owned(), sub.as_str().into());
    }
    claims.extend(request.claims.clone());
    sign(secret, &request.role_claim, claims)
}

fn sign(secret: &[u8], role_claim: &RolePath, mut claims: Map<String, Value>) -> Result<String, SigningError> {
    role_claim.place(&mut claims);
    encode(&Header::default(), &claims, &EncodingKey::from_secret(secret)).map_err(SigningError)
}
