//! Signs claims with the key in force.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::Value;

use super::SigningKeys;

/// A token could not be signed.
#[derive(Debug, thiserror::Error)]
#[error("cannot sign a token: {0}")]
pub struct SignError(#[source] jsonwebtoken::errors::Error);

/// What signs access tokens.
#[derive(Clone)]
pub struct Signer {
    header: Header,
    key: EncodingKey,
}

impl Signer {
    /// The signing key of the set, else the shared secret; none when there is neither.
    pub fn new(keys: &SigningKeys, secret: Option<&[u8]>) -> Option<Self> {
        if let Some(key) = keys.signing() {
            let header = Header { kid: Some(key.kid.clone()), ..Header::new(key.algorithm) };
            return Some(Self { header, key: key.encoding.clone() });
        }
        secret.map(|secret| Self { header: Header::new(Algorithm::HS256), key: EncodingKey::from_secret(secret) })
    }

    /// Whether others can verify what it signs, by the published keys.
    pub(crate) fn is_asymmetric(&self) -> bool {
        self.header.alg != Algorithm::HS256
    }

    /// Name of the algorithm.
    pub(crate) fn algorithm(&self) -> &'static str {
        super::jwk::name(self.header.alg)
    }

    /// A token with these claims.
    ///
    /// # Errors
    /// A key that the signing library refuses.
    pub fn sign(&self, claims: &Value) -> Result<String, SignError> {
        encode(&self.header, claims, &self.key).map_err(SignError)
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("alg", &self.header.alg).field("kid", &self.header.kid).finish_non_exhaustive()
    }
}
