//! Keys made ready for verifying: from a [`KeySet`] to decoding keys with the algorithms that each may be used with.
//!
//! Invariant: the key decides the algorithms, the token only picks one of them. An RSA key never checks an HMAC, a
//! public key is never a shared secret.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ferrobase_base::ports::{KeyMaterial, KeySet, VerificationKey};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

/// A key set, parsed once an epoch.
pub(super) struct SigningKeys {
    pub(super) epoch: u64,
    keys: Vec<SigningKey>,
}

/// One key with what it may be used for.
pub(super) struct SigningKey {
    kid: Option<String>,
    /// Whose tokens it signs; any issuer's without one.
    pub(super) issuer: Option<String>,
    /// Whether its tokens are ours.
    pub(super) is_own: bool,
    algorithms: &'static [Algorithm],
    pub(super) key: DecodingKey,
}

pub(super) const HMAC: &[Algorithm] = &[Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
const RSA: &[Algorithm] =
    &[Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512];
const P256: &[Algorithm] = &[Algorithm::ES256];
const P384: &[Algorithm] = &[Algorithm::ES384];
const ED25519: &[Algorithm] = &[Algorithm::EdDSA];
/// An RSA modulus of fewer bytes than this (2048 bits) can be factored by people who want to.
const SHORTEST_MODULUS: usize = 256;

impl SigningKeys {
    /// Parses every key; keys that cannot verify anything (encryption keys, unknown curves) are left out, with a
    /// warning once an epoch.
    pub(super) fn prepare(set: &KeySet) -> Self {
        let mut keys = Vec::with_capacity(set.keys.len());
        for key in &set.keys {
            match SigningKey::prepare(key) {
                Some(key) => keys.push(key),
                None => tracing::warn!(kid = key.kid.as_deref().unwrap_or("-"), "a key of the key set is not usable"),
            }
        }
        Self { epoch: set.epoch, keys }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether a token of this `kid` may be signed by a key that is not here: none is called so. Without a `kid` nobody
    /// can tell.
    pub(super) fn lacks(&self, kid: Option<&str>) -> bool {
        kid.is_none_or(|kid| !self.keys.iter().any(|key| key.kid.as_deref() == Some(kid)))
    }

    /// Keys to try for a token: those of its `kid`; without a match (or a `kid`) those that have none, or all.
    /// Only keys of the token's algorithm.
    pub(super) fn candidates(&self, kid: Option<&str>, algorithm: Algorithm) -> impl Iterator<Item = &SigningKey> {
        let named = kid.is_some_and(|kid| self.keys.iter().any(|key| key.kid.as_deref() == Some(kid)));
        self.keys.iter().filter(move |key| {
            let fits = match (kid, &key.kid) {
                (None, _) => true,
                (Some(_), None) => !named,
                (Some(kid), Some(own)) => kid == own,
            };
            fits && key.algorithms.contains(&algorithm)
        })
    }
}

impl SigningKey {
    /// Whether a key can verify anything.
    pub(super) fn is_usable(key: &VerificationKey) -> bool {
        Self::prepare(key).is_some()
    }

    fn prepare(key: &VerificationKey) -> Option<Self> {
        let (kid, issuer, is_own) = (key.kid.clone(), key.issuer.clone(), key.is_own);
        match &key.material {
            KeyMaterial::Hmac(secret) if secret.is_empty() => None,
            KeyMaterial::Hmac(secret) => {
                Some(Self { kid, issuer, is_own, algorithms: HMAC, key: DecodingKey::from_secret(secret) })
            }
            KeyMaterial::Jwk(jwk) => {
                let (algorithms, key) = read_jwk(jwk)?;
                let kid = kid.or_else(|| text(jwk, "kid").map(str::to_owned));
                Some(Self { kid, issuer, is_own, algorithms, key })
            }
        }
    }
}

/// Reads a JSON Web Key (RFC 7517, RFC 8037). `alg`, where present, narrows the algorithms to that one.
fn read_jwk(jwk: &Value) -> Option<(&'static [Algorithm], DecodingKey)> {
    if !verifies(jwk) {
        return None;
    }
    let (algorithms, key) = match text(jwk, "kty")? {
        "oct" => {
            let secret = bytes(jwk, "k").filter(|secret| !secret.is_empty())?;
            (HMAC, DecodingKey::from_secret(&secret))
        }
        "RSA" => {
            let modulus = bytes(jwk, "n").filter(|n| n.len() >= SHORTEST_MODULUS)?;
            (RSA, DecodingKey::from_rsa_raw_components(&modulus, &bytes(jwk, "e")?))
        }
        "EC" => {
            let algorithms = match text(jwk, "crv")? {
                "P-256" => P256,
                "P-384" => P384,
                _ => return None,
            };
            (algorithms, DecodingKey::from_ec_components(text(jwk, "x")?, text(jwk, "y")?).ok()?)
        }
        "OKP" if text(jwk, "crv") == Some("Ed25519") => {
            (ED25519, DecodingKey::from_ed_components(text(jwk, "x")?).ok()?)
        }
        _ => return None,
    };
    Some((narrow(algorithms, text(jwk, "alg"))?, key))
}

/// The secret of a symmetric key that may be used with HS256.
pub(super) fn hs256_secret(jwk: &Value) -> Option<Vec<u8>> {
    shared_secret(jwk).filter(|_| text(jwk, "alg").is_none_or(|alg| alg == "HS256"))
}

/// The secret of a symmetric key that verifies something.
pub(super) fn shared_secret(jwk: &Value) -> Option<Vec<u8>> {
    let is_meant = text(jwk, "kty") == Some("oct") && narrow(HMAC, text(jwk, "alg")).is_some();
    (is_meant && verifies(jwk)).then(|| bytes(jwk, "k")).flatten().filter(|secret| !secret.is_empty())
}

/// `use` and `key_ops`: a key for encryption verifies nothing.
fn verifies(jwk: &Value) -> bool {
    let used_for_signatures = jwk.get("use").is_none_or(|used| used.as_str() == Some("sig"));
    let operations = jwk.get("key_ops").and_then(Value::as_array);
    used_for_signatures
        && operations.is_none_or(|ops| ops.iter().any(|op| matches!(op.as_str(), Some("verify" | "sign"))))
}

fn narrow(algorithms: &'static [Algorithm], alg: Option<&str>) -> Option<&'static [Algorithm]> {
    let Some(alg) = alg else { return Some(algorithms) };
    let alg: Algorithm = alg.parse().ok()?;
    let at = algorithms.iter().position(|candidate| *candidate == alg)?;
    Some(&algorithms[at..=at])
}

fn text<'a>(jwk: &'a Value, name: &str) -> Option<&'a str> {
    jwk.get(name)?.as_str()
}

fn bytes(jwk: &Value, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text(jwk, name)?.trim_end_matches('=')).ok()
}
