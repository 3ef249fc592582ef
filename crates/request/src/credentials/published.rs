//! Documents that issuers publish: a JSON Web Key set, or an OpenID discovery document that names one.
//!
//! Pure: whoever fetched the bytes asks what they say. Only public keys are taken: a secret that anybody can fetch proves
//! nothing, and a private key in public means that somebody else has it.

use ferrobase_base::ports::{KeyMaterial, VerificationKey};
use serde_json::Value;

use super::configured::read_key_set;

/// Most keys of one set. Tokens without a `kid` are tried with each.
const MOST_KEYS: usize = 100;

/// Why a document is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishedError {
    /// Not JSON, or neither kind of document.
    #[error("the document is neither a JSON Web Key set nor an OpenID discovery document")]
    NoDocument,
    /// Discovery that does not say whose keys it names.
    #[error("the discovery document has no `issuer`")]
    NoIssuer,
    /// A set that no issuer would publish.
    #[error("the key set has more than {MOST_KEYS} keys")]
    TooManyKeys,
}

/// What a document says.
#[derive(Clone, Debug)]
pub enum Published {
    /// Keys, and for each that was left out the reason.
    Keys {
        /// Public keys.
        keys: Vec<VerificationKey>,
        /// `kid` (or `-`) and why the key does not count.
        ignored: Vec<(String, &'static str)>,
    },
    /// Where the keys are.
    Discovery {
        /// What tokens must name as `iss`.
        issuer: String,
        /// The address of the key set.
        jwks_uri: String,
    },
}

impl Published {
    /// Reads a document.
    ///
    /// # Errors
    /// It is neither a key set nor a discovery document.
    pub fn read(body: &[u8]) -> Result<Self, PublishedError> {
        let document: Value = serde_json::from_slice(body).map_err(|_| PublishedError::NoDocument)?;
        if let Some(jwks_uri) = document.get("jwks_uri").and_then(Value::as_str) {
            let issuer = document.get("issuer").and_then(Value::as_str).filter(|issuer| !issuer.is_empty());
            let issuer = issuer.ok_or(PublishedError::NoIssuer)?.to_owned();
            return Ok(Self::Discovery { issuer, jwks_uri: jwks_uri.to_owned() });
        }
        let found = read_key_set(&document).ok_or(PublishedError::NoDocument)?;
        if found.len() > MOST_KEYS {
            return Err(PublishedError::TooManyKeys);
        }
        let (mut keys, mut ignored) = (Vec::new(), Vec::new());
        for key in found {
            match objection(&key) {
                None => keys.push(key),
                Some(reason) => ignored.push((key.kid.unwrap_or_else(|| "-".to_owned()), reason)),
            }
        }
        Ok(Self::Keys { keys, ignored })
    }
}

fn objection(key: &VerificationKey) -> Option<&'static str> {
    let KeyMaterial::Jwk(jwk) = &key.material else { return None };
    match jwk.get("kty").and_then(Value::as_str) {
        None => Some("it has no type"),
        Some("oct") => Some("a shared secret that is published is no secret"),
        Some(_) if jwk.get("d").is_some() => Some("a private key that is published is no proof of anything"),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(document: &Value) -> Result<Published, PublishedError> {
        Published::read(document.to_string().as_bytes())
    }

    #[test]
    fn sec_06_only_public_keys_of_a_published_set_count() {
        let set = json!({"keys": [
            {"kty": "RSA", "kid": "a", "n": "x", "e": "AQAB"},
            {"kty": "oct", "kid": "b", "k": "c2VjcmV0"},
            {"kty": "EC", "kid": "c", "crv": "P-256", "x": "x", "y": "y", "d": "d"},
            {"kid": "d"},
        ]});
        let Ok(Published::Keys { keys, ignored }) = read(&set) else { panic!("no set") };
        assert_eq!(keys.iter().map(|key| key.kid.as_deref()).collect::<Vec<_>>(), [Some("a")]);
        assert_eq!(ignored.iter().map(|(kid, _)| kid.as_str()).collect::<Vec<_>>(), ["b", "c", "d"]);
    }

    #[test]
    fn discovery_names_issuer_and_set() {
        let document = json!({"issuer": "https://id.example/", "jwks_uri": "https://id.example/keys"});
        let Ok(Published::Discovery { issuer, jwks_uri }) = read(&document) else { panic!("no discovery") };
        assert_eq!((issuer.as_str(), jwks_uri.as_str()), ("https://id.example/", "https://id.example/keys"));
        assert_eq!(read(&json!({"jwks_uri": "https://id.example/keys"})).unwrap_err(), PublishedError::NoIssuer);
    }

    #[test]
    fn anything_else_is_refused() {
        for document in [json!(null), json!([]), json!({"keys": {}}), json!({"error": "x"}), json!("keys")] {
            assert_eq!(read(&document).unwrap_err(), PublishedError::NoDocument, "{document}");
        }
        assert_eq!(Published::read(b"<html>").unwrap_err(), PublishedError::NoDocument);
        let many = vec![json!({"kty": "RSA"}); MOST_KEYS + 1];
        assert_eq!(read(&json!({ "keys": many })).unwrap_err(), PublishedError::TooManyKeys);
        assert!(matches!(read(&json!({"keys": []})), Ok(Published::Keys { keys, .. }) if keys.is_empty()));
    }
}
