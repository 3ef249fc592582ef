//! Verifies an ID token (OpenID Connect Core, 3.1.3.7): signature, issuer, audience, times.
//!
//! The key decides about algorithms: each takes only those of its own type, shared secrets are no keys here, and members
//! of the header that bring or name keys (`jwk`, `jku`, `x5c`) are not even read. Nonces are the flows' matter.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// Clocks may differ by so many seconds.
const LEEWAY: i64 = 60;
/// Longest token that is looked at.
const LONGEST: usize = 16 * 1024;

/// Why a token proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IdTokenError {
    #[error("it is malformed")]
    Malformed,
    #[error("its algorithm is not taken")]
    Algorithm,
    #[error("it is signed with a key that the issuer does not publish")]
    UnknownKey,
    #[error("its signature is wrong")]
    Signature,
    #[error("it was issued by somebody else")]
    Issuer,
    #[error("Unacceptable audience in id_token")]
    Audience,
    #[error("it has expired, or is not valid yet")]
    Time,
    #[error("Missing sub claim in id_token")]
    Subject,
    #[error("it does not belong to the access token")]
    AccessToken,
}

/// A key that an issuer publishes.
pub(crate) struct IssuerKey {
    kid: Option<String>,
    algorithms: &'static [Algorithm],
    only: Option<String>,
    key: DecodingKey,
}

/// What a token must say.
pub(crate) struct Expected<'a> {
    pub(crate) issuer: &'a str,
    /// One of these.
    pub(crate) audiences: &'a [String],
    /// Seconds since the epoch.
    pub(crate) now: i64,
}

impl IssuerKey {
    /// Reads one key of a set; none when it is of no use for verifying.
    pub(crate) fn read(jwk: &Value) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        if jwk.get("d").is_some() || text("use").is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let algorithms: &[Algorithm] = match (text("kty")?, text("crv")) {
            ("RSA", _) => &[
                Algorithm::RS256,
                Algorithm::RS384,
                Algorithm::RS512,
                Algorithm::PS256,
                Algorithm::PS384,
                Algorithm::PS512,
            ],
            ("EC", Some("P-256")) => &[Algorithm::ES256],
            ("EC", Some("P-384")) => &[Algorithm::ES384],
            ("OKP", Some("Ed25519")) => &[Algorithm::EdDSA],
            _ => return None,
        };
        let parsed: Jwk = serde_json::from_value(jwk.clone()).ok()?;
        Some(Self {
            kid: text("kid").map(str::to_owned),
            algorithms,
            only: text("alg").map(str::to_owned),
            key: DecodingKey::from_jwk(&parsed).ok()?,
        })
    }

    fn takes(&self, algorithm: Algorithm, name: &str) -> bool {
        self.algorithms.contains(&algorithm) && self.only.as_deref().is_none_or(|only| only == name)
    }
}

/// The parts of a token's head that count.
#[derive(serde::Deserialize)]
struct Head {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

/// The claims of a token that one of the keys signed for us.
///
/// # Errors
/// Why it proves nothing; [`IdTokenError::UnknownKey`] when other keys might.
pub(crate) fn verify(
    token: &str,
    keys: &[IssuerKey],
    expected: &Expected<'_>,
) -> Result<Map<String, Value>, IdTokenError> {
    let claims = signed_claims(token, keys)?;
    check(&claims, expected)?;
    Ok(claims)
}

/// Whether a token could be one, before anybody is asked for keys.
///
/// # Errors
/// Why no key can make it good.
pub(crate) fn check_form(token: &str) -> Result<(), IdTokenError> {
    match signed_claims(token, &[]) {
        Ok(_) | Err(IdTokenError::UnknownKey) => Ok(()),
        Err(error) => Err(error),
    }
}

fn signed_claims(token: &str, keys: &[IssuerKey]) -> Result<Map<String, Value>, IdTokenError> {
    let malformed = || IdTokenError::Malformed;
    if token.len() > LONGEST {
        return Err(malformed());
    }
    let (signed, signature) = token.rsplit_once('.').ok_or_else(malformed)?;
    let (head, payload) = signed.split_once('.').filter(|(_, payload)| !payload.contains('.')).ok_or_else(malformed)?;
    let head: Head = json(head)?;
    if head.crit.is_some() {
        return Err(malformed());
    }
    let algorithm: Algorithm = head.alg.parse().map_err(|_| IdTokenError::Algorithm)?;
    if matches!(algorithm, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512) {
        return Err(IdTokenError::Algorithm);
    }
    // A token without a name for its key is tried with each that takes its algorithm.
    let is_meant = |key: &&IssuerKey| head.kid.is_none() || key.kid == head.kid;
    let mut meant = keys.iter().filter(is_meant).peekable();
    if meant.peek().is_none() {
        return Err(IdTokenError::UnknownKey);
    }
    let fitting: Vec<_> = meant.filter(|key| key.takes(algorithm, &head.alg)).collect();
    if fitting.is_empty() {
        return Err(IdTokenError::Algorithm);
    }
    let is_signed = |key: &&IssuerKey| {
        matches!(jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &key.key, algorithm), Ok(true))
    };
    if !fitting.into_iter().any(|key| is_signed(&key)) {
        return Err(IdTokenError::Signature);
    }
    json(payload)
}

fn json<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, IdTokenError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| IdTokenError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| IdTokenError::Malformed)
}

fn check(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<(), IdTokenError> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if !text("iss").is_some_and(|issuer| is_issuer(issuer, expected.issuer, text("tid"))) {
        return Err(IdTokenError::Issuer);
    }
    let is_ours = |audience: &str| expected.audiences.iter().any(|ours| ours == audience);
    match claims.get("aud") {
        Some(Value::String(audience)) if is_ours(audience) => {}
        Some(Value::Array(several)) if several.iter().filter_map(Value::as_str).any(is_ours) => {
            // Among several it must say which of them it was made for.
            if several.len() > 1 && !text("azp").is_some_and(is_ours) {
                return Err(IdTokenError::Audience);
            }
        }
        _ => return Err(IdTokenError::Audience),
    }
    let seconds = |name: &str| claims.get(name).and_then(Value::as_f64).map(|seconds| seconds as i64);
    let is_over = seconds("exp").is_none_or(|end| end + LEEWAY < expected.now);
    let is_early = ["nbf", "iat"].iter().any(|name| seconds(name).is_some_and(|begin| begin - LEEWAY > expected.now));
    if is_over || is_early {
        return Err(IdTokenError::Time);
    }
    text("sub").filter(|subject| !subject.is_empty()).map(drop).ok_or(IdTokenError::Subject)
}

/// Exactly the issuer; where it is one for all tenants, the tenant's that the token names.
fn is_issuer(issuer: &str, expected: &str, tenant: Option<&str>) -> bool {
    if !expected.contains("{tenantid}") {
        return issuer == expected;
    }
    tenant
        .and_then(|tenant| uuid::Uuid::parse_str(tenant).ok().map(|_| tenant))
        .is_some_and(|tenant| issuer == expected.replace("{tenantid}", tenant))
}

/// Whether `at_hash`, if there is one, is this access token's (3.1.3.6).
///
/// # Errors
/// It is another's.
pub(crate) fn check_access_token(
    token: &str,
    claims: &Map<String, Value>,
    access_token: &str,
) -> Result<(), IdTokenError> {
    let Some(expected) = claims.get("at_hash").and_then(Value::as_str) else { return Ok(()) };
    let head: Head = json(token.split('.').next().unwrap_or_default())?;
    let hash = match head.alg.get(2..) {
        Some("384") => Sha384::digest(access_token).to_vec(),
        Some("512") => Sha512::digest(access_token).to_vec(),
        _ if head.alg == "EdDSA" => Sha512::digest(access_token).to_vec(),
        _ => Sha256::digest(access_token).to_vec(),
    };
    let ours = URL_SAFE_NO_PAD.encode(&hash[..hash.len() / 2]);
    if ours == expected { Ok(()) } else { Err(IdTokenError::AccessToken) }
}
