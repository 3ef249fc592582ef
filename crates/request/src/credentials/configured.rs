//! Keys from the configuration: a shared secret, a JSON Web Key, a key set, or a secret and a key set together.

use std::sync::Arc;

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use ferrobase_base::Secret;
use ferrobase_base::ports::{KeyMaterial, KeySet, KeySource, VerificationKey};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::signing_keys::{SigningKey, hs256_secret};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Fewest bytes of a shared secret: HS256 gives no more security than its key has (RFC 7518, 3.2).
pub const SHORTEST_SECRET: usize = 32;

/// Secrets that stand in documentation and example files, and therefore in every attacker's list.
const DEMO_SECRETS: &[&str] = &[
    "super-secret-jwt-token-with-at-least-32-characters-long",
    "your-super-secret-jwt-token-with-at-least-32-characters-long",
    "your-super-secret-jwt-key-min-32-characters-long",
    "your-super-secret-jwt-key-change-this-in-production",
    "reallyreallyreallyreallyverysafe",
    "secret_with_at_least_32_characters",
    "changemechangemechangemechangeme",
];

/// Why a configured key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyTextError {
    /// Too short for HS256.
    #[error("The JWT secret must be at least 32 characters long.")]
    TooShort,
    /// Said to be base64.
    #[error("the secret is not base64")]
    NotBase64,
    /// Neither a key nor a set of keys.
    #[error("the key set is not a JSON Web Key or an object with `keys`")]
    NotAKeySet,
    /// A secret that is a JSON Web Key or a set, in which nothing verifies: every token would be refused, and no word why.
    #[error("the JWT secret is a JSON Web Key or a set of them, and none can verify a token")]
    NoUsableKey,
    /// The same of a set of other issuers' keys.
    #[error("none of the keys of the set can verify a token")]
    NoUsableKeyInSet,
}

/// Why a shared secret must not protect a server that others can reach.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Fewer than 32 bytes.
    #[error("the secret has fewer than 32 bytes")]
    TooShort,
    /// It is in somebody's documentation.
    #[error("the secret is one that documentation shows, so everybody knows it")]
    Demo,
    /// Few different characters.
    #[error("the secret has fewer than 8 different characters")]
    Monotonous,
}

/// Whether a secret is fit for production (`serve` refuses to start otherwise).
pub fn check_secret(secret: &[u8]) -> Result<(), SecretError> {
    if secret.len() < SHORTEST_SECRET {
        return Err(SecretError::TooShort);
    }
    let text = String::from_utf8_lossy(secret).to_ascii_lowercase();
    if DEMO_SECRETS.contains(&text.trim()) {
        return Err(SecretError::Demo);
    }
    let mut seen = [false; 256];
    secret.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    if seen.iter().filter(|seen| **seen).count() < 8 {
        return Err(SecretError::Monotonous);
    }
    Ok(())
}

/// Keys that change only when the configuration does. The epoch is made from the keys, so that a reload which changes
/// nothing keeps verified tokens.
#[derive(Clone, Debug)]
pub struct ConfiguredKeys {
    set: Arc<KeySet>,
}

impl ConfiguredKeys {
    /// No keys: every token is refused with "Server lacks JWT secret".
    pub fn none() -> Self {
        Self::of(Vec::new())
    }

    /// From `jwt_secret` (a text secret, or a JWK or JWKS as JSON) and an additional key set.
    ///
    /// `is_base64` says that a text secret is base64 or base64url, as `jwt-secret-is-base64` of PostgREST.
    pub fn new(secret: Option<&Secret>, is_base64: bool, jwks: Option<&Value>) -> Result<Self, KeyTextError> {
        let mut keys = Vec::new();
        if let Some(secret) = secret {
            keys.extend(read_secret(secret, is_base64)?);
        }
        if let Some(jwks) = jwks {
            let found = read_key_set(jwks).ok_or(KeyTextError::NotAKeySet)?;
            if !found.iter().any(SigningKey::is_usable) {
                return Err(KeyTextError::NoUsableKeyInSet);
            }
            keys.extend(found);
        }
        Ok(Self::of(keys))
    }

    fn of(keys: Vec<VerificationKey>) -> Self {
        let epoch = epoch(&keys);
        Self { set: Arc::new(KeySet { epoch, keys }) }
    }

    /// The same with keys that a room signs with, which are tried first.
    #[must_use]
    pub fn signed_with(self, others: Vec<VerificationKey>) -> Self {
        Self::of(others.into_iter().chain(self.set.keys.iter().cloned()).collect())
    }

    /// These keys and others, as one set.
    pub(super) fn with(&self, others: &[VerificationKey]) -> KeySet {
        let keys: Vec<VerificationKey> = self.set.keys.iter().chain(others).cloned().collect();
        KeySet { epoch: epoch(&keys), keys }
    }

    /// The first shared secret of ours, as text or as a JWK for HS256, with which tokens, anon and service keys are made;
    /// `None` when there are only public keys and other issuers'.
    pub fn shared_secret(&self) -> Option<Vec<u8>> {
        self.set.keys.iter().filter(|key| key.is_own).find_map(|key| match &key.material {
            KeyMaterial::Hmac(secret) => Some(secret.clone()),
            KeyMaterial::Jwk(jwk) => hs256_secret(jwk),
        })
    }
}

impl KeySource for ConfiguredKeys {
    fn current(&self) -> Arc<KeySet> {
        Arc::clone(&self.set)
    }
}

fn read_secret(secret: &Secret, is_base64: bool) -> Result<Vec<VerificationKey>, KeyTextError> {
    let bytes = if is_base64 { decode_base64(secret.expose())? } else { secret.expose().as_bytes().to_vec() };
    if let Some(keys) = serde_json::from_slice::<Value>(&bytes).ok().as_ref().and_then(read_key_set) {
        if !keys.iter().any(SigningKey::is_usable) {
            return Err(KeyTextError::NoUsableKey);
        }
        return Ok(keys.into_iter().map(|key| VerificationKey { is_own: true, ..key }).collect());
    }
    if bytes.len() < SHORTEST_SECRET {
        return Err(KeyTextError::TooShort);
    }
    Ok(vec![VerificationKey { kid: None, issuer: None, is_own: true, material: KeyMaterial::Hmac(bytes) }])
}

/// Both alphabets are accepted, and `.` for `=` as some tools write it.
fn decode_base64(text: &str) -> Result<Vec<u8>, KeyTextError> {
    let text = text.trim().replace('_', "/").replace('-', "+").replace('.', "=");
    BASE64.decode(text).map_err(|_| KeyTextError::NotBase64)
}

/// A set of keys, or one key, all of another issuer; `None` when the value is neither.
pub(super) fn read_key_set(value: &Value) -> Option<Vec<VerificationKey>> {
    let single;
    let keys = match value.get("keys") {
        Some(keys) => keys.as_array()?,
        None => {
            value.get("kty")?;
            single = vec![value.clone()];
            &single
        }
    };
    Some(keys.iter().map(read_key).collect())
}

fn read_key(jwk: &Value) -> VerificationKey {
    let kid = jwk.get("kid").and_then(Value::as_str).map(str::to_owned);
    VerificationKey { kid, issuer: None, is_own: false, material: KeyMaterial::Jwk(jwk.clone()) }
}

fn epoch(keys: &[VerificationKey]) -> u64 {
    let mut hash = Sha256::new();
    for key in keys {
        hash.update(key.kid.as_deref().unwrap_or_default());
        hash.update([0]);
        hash.update(key.issuer.as_deref().unwrap_or_default());
        hash.update([u8::from(key.is_own)]);
        match &key.material {
            KeyMaterial::Hmac(secret) => hash.update(secret),
            KeyMaterial::Jwk(jwk) => hash.update(jwk.to_string()),
        }
        hash.update([0]);
    }
    let hash: [u8; 32] = hash.finalize().into();
    hash.iter().take(8).fold(0, |epoch, byte| epoch << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keys(secret: &str, is_base64: bool) -> Result<Vec<KeyMaterial>, KeyTextError> {
        let keys = ConfiguredKeys::new(Some(&Secret::new(secret)), is_base64, None)?;
        Ok(keys.current().keys.iter().map(|key| key.material.clone()).collect())
    }

    #[test]
    fn a_secret_is_text_base64_a_key_or_a_set() {
        let text = "0123456789abcdef0123456789abcdef";
        assert!(matches!(&keys(text, false).unwrap()[..], [KeyMaterial::Hmac(b)] if b == text.as_bytes()));
        for encoded in
            ["-_79MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "+/79MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE."]
        {
            assert!(matches!(&keys(encoded, true).unwrap()[..], [KeyMaterial::Hmac(b)] if b[..2] == [0xfb, 0xfe]));
        }
        let jwk = json!({"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"});
        assert_eq!(keys(&jwk.to_string(), false).unwrap().len(), 1);
        assert_eq!(keys(&json!({"keys": [jwk, jwk]}).to_string(), false).unwrap().len(), 2);
        let configured = ConfiguredKeys::new(Some(&Secret::new(jwk.to_string())), false, None).unwrap();
        assert_eq!(configured.shared_secret().map(|secret| secret.len()), Some(64), "a JWK signs as text does");
        let others = ConfiguredKeys::new(None, false, Some(&jwk)).unwrap();
        assert_eq!(others.shared_secret(), None, "nothing is signed with another issuer's key");
        assert_eq!(keys("short", false).unwrap_err(), KeyTextError::TooShort);
        assert_eq!(keys("not base64!!", true).unwrap_err(), KeyTextError::NotBase64);
    }

    #[test]
    fn keys_that_verify_nothing_are_refused_unless_another_does() {
        let good = json!({"kty": "oct", "k": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE"});
        let for_encryption = json!({"kty": "oct", "use": "enc", "k": good["k"]});
        for bad in [
            json!({"kty": "oct"}),
            json!({"kty": "oct", "k": ""}),
            json!({"keys": []}),
            json!({"keys": [for_encryption]}),
            for_encryption.clone(),
            json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"}),
            json!({"kty": "EC", "crv": "secp256k1", "x": "AQAB", "y": "AQAB"}),
        ] {
            assert_eq!(keys(&bad.to_string(), false).unwrap_err(), KeyTextError::NoUsableKey, "{bad}");
            let refused = ConfiguredKeys::new(None, false, Some(&bad)).unwrap_err();
            assert_eq!(refused, KeyTextError::NoUsableKeyInSet, "{bad}");
        }
        assert_eq!(keys(&json!({"keys": [for_encryption, good]}).to_string(), false).unwrap().len(), 2);
    }

    #[test]
    fn the_epoch_follows_the_keys() {
        let of = |secret: &str| ConfiguredKeys::new(Some(&Secret::new(secret)), false, None).unwrap().current().epoch;
        assert_eq!(of("0123456789abcdef0123456789abcdef"), of("0123456789abcdef0123456789abcdef"));
        assert_ne!(of("0123456789abcdef0123456789abcdef"), of("0123456789abcdef0123456789abcdeF"));
    }

    #[test]
    fn sec_27_demo_short_and_monotonous_secrets_are_refused() {
        assert_eq!(check_secret(b"short"), Err(SecretError::TooShort));
        assert_eq!(check_secret(DEMO_SECRETS[0].to_uppercase().as_bytes()), Err(SecretError::Demo));
        assert_eq!(check_secret(&[b'a'; 64]), Err(SecretError::Monotonous));
        assert_eq!(check_secret(b"G7pX2qLm9sVt4wYz8bNc3dKf6hJr1eQa"), Ok(()));
    }
}
