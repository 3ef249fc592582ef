//! The keys that sign access tokens: one signs, others still verify (or verify already, before they sign).
//!
//! Read from a JWK set (`auth.signing_keys`); exactly one key has `sign` among its `key_ops`. Rotation is a change of that
//! file: first the new key is added with `verify` only, then the two swap, and the old one goes when its last token has
//! expired. Without such a set the shared secret signs (HS256).
//! Invariant: a private part never leaves through [`SigningKeys::public_set`] or [`SigningKeys::verification_keys`].

mod der;
mod jwk;
mod make;
mod signer;
pub mod stored;

use ferrobase_base::ports::{KeyMaterial, VerificationKey};
use serde_json::{Value, json};

pub use make::{KeyFile, ListedKey};
pub use signer::{SignError, Signer};

use jwk::PrivateKey;

/// Why a set of signing keys cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Neither a list of keys nor an object with one.
    #[error("signing keys are a JWK set: a list of keys, or an object with `keys`")]
    NotASet,
    /// No key signs, or more than one does.
    #[error("exactly one key must have `sign` in its `key_ops`; {0} have")]
    Signing(usize),
    /// Keys are told apart by their `kid`.
    #[error("key {0} has no `kid`, or one that another key has")]
    Kid(usize),
    /// A key that cannot sign.
    #[error("key {kid} cannot be used: {reason}")]
    Key {
        /// Its name.
        kid: String,
        /// What it lacks.
        reason: &'static str,
    },
}

/// A set of keys, ready for use.
#[derive(Clone, Default)]
pub struct SigningKeys {
    keys: Vec<PrivateKey>,
}

impl SigningKeys {
    /// Reads a JWK set with private keys.
    ///
    /// # Errors
    /// A set that is malformed or ambiguous about which key signs.
    pub fn read(set: &Value) -> Result<Self, KeySetError> {
        let listed = set.get("keys").unwrap_or(set).as_array().ok_or(KeySetError::NotASet)?;
        let keys = listed.iter().enumerate().map(|(place, jwk)| PrivateKey::read(place, jwk));
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        let signing = keys.iter().filter(|key| key.signs).count();
        if signing != 1 {
            return Err(KeySetError::Signing(signing));
        }
        for (place, key) in keys.iter().enumerate() {
            if keys[..place].iter().any(|other| other.kid == key.kid) {
                return Err(KeySetError::Kid(place));
            }
        }
        Ok(Self { keys })
    }

    /// These keys, and others that verify too: which key signs is said here, and by the others only where nothing is.
    #[must_use]
    pub fn beside(mut self, others: Self) -> Self {
        let is_alone = self.signing().is_none();
        for mut key in others.keys {
            if self.keys.iter().all(|known| known.kid != key.kid) {
                key.signs &= is_alone;
                self.keys.push(key);
            }
        }
        self
    }

    /// The key that signs; none in an empty set.
    pub(crate) fn signing(&self) -> Option<&PrivateKey> {
        self.keys.iter().find(|key| key.signs)
    }

    /// What verifies tokens that these keys sign.
    pub fn verification_keys(&self) -> Vec<VerificationKey> {
        let key = |key: &PrivateKey| VerificationKey {
            kid: Some(key.kid.clone()),
            issuer: None,
            is_own: true,
            material: KeyMaterial::Jwk(key.verifying.clone()),
        };
        self.keys.iter().map(key).collect()
    }

    /// `/.well-known/jwks.json`: public keys only; shared secrets are never listed.
    pub fn public_set(&self) -> Value {
        let keys: Vec<_> = self.keys.iter().filter(|key| !key.is_secret()).map(|key| key.verifying.clone()).collect();
        json!({ "keys": keys })
    }
}

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| &key.kid)).finish()
    }
}

#[cfg(test)]
mod tests;
