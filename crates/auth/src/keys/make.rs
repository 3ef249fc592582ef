//! New signing keys, and the changes that turn a set of them: standby, then the one that signs, then retired.
//!
//! A set is the JSON of `auth.signing_keys`. Who changes a file reloads the server afterwards.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{KeySetError, SigningKeys};

/// A set as it is kept: private keys, as JSON.
#[derive(Clone, Default, PartialEq)]
pub struct KeyFile(Vec<Value>);

/// One key as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ListedKey {
    /// Its name in tokens.
    pub kid: String,
    /// What it signs with.
    pub alg: String,
    /// Whether it signs now; others verify.
    pub signs: bool,
}

impl KeyFile {
    /// A set with one new key, which signs.
    pub fn generate() -> Self {
        Self(vec![new_key(true)])
    }

    /// A set of these keys.
    pub(super) fn of(keys: Vec<Value>) -> Self {
        Self(keys)
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a key.
    pub(super) fn add(&mut self, key: Value) {
        self.0.push(key);
    }

    /// The keys for use; none of a set that the server would not take.
    pub fn keys(&self) -> SigningKeys {
        SigningKeys::read(&self.json()).unwrap_or_default()
    }

    /// Reads a set that the server would take.
    ///
    /// # Errors
    /// A set that is malformed or ambiguous about which key signs.
    pub fn read(set: &Value) -> Result<Self, KeySetError> {
        SigningKeys::read(set)?;
        let listed = set.get("keys").unwrap_or(set).as_array();
        Ok(Self(listed.cloned().unwrap_or_default()))
    }

    /// Adds a new key that verifies only, so that others know it before it signs; gives its name.
    pub fn add_standby(&mut self) -> String {
        let key = new_key(false);
        let kid = kid(&key).to_owned();
        self.0.push(key);
        kid
    }

    /// The key of this name signs from now on, else the newest that does not sign; gives its name. `None` when there is none.
    pub fn rotate(&mut self, wanted: Option<&str>) -> Option<String> {
        let is_wanted = |key: &&Value| wanted.map_or_else(|| !signs(key), |wanted| kid(key) == wanted);
        let next = self.0.iter().rev().find(is_wanted).map(|key| kid(key).to_owned())?;
        for key in &mut self.0 {
            *key = with_sign(key.take(), false);
            if kid(key) == next {
                *key = with_sign(key.take(), true);
            }
        }
        Some(next)
    }

    /// Takes a key away: its tokens are not believed any more. `false` when it signs, or is not there.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|key| signs(key) || kid(key) != name);
        self.0.len() < before
    }

    /// The keys without what is secret.
    pub fn list(&self) -> Vec<ListedKey> {
        let text = |key: &Value, name: &str| key[name].as_str().unwrap_or_default().to_owned();
        let listed = |key: &Value| ListedKey { kid: text(key, "kid"), alg: text(key, "alg"), signs: signs(key) };
        self.0.iter().map(listed).collect()
    }

    /// As `auth.signing_keys` takes it, private parts included.
    pub fn json(&self) -> Value {
        json!({ "keys": self.0 })
    }
}

/// ES256: what clients verify without further libraries.
fn new_key(signs: bool) -> Value {
    let secret = loop {
        // Not every 256 bits are a key, but nearly all are.
        if let Ok(secret) = p256::SecretKey::from_slice(&rand::random::<[u8; 32]>()) {
            break secret;
        }
    };
    key_of(&secret, &uuid::Uuid::now_v7().to_string(), signs)
}

/// A private key as JSON.
pub(super) fn key_of(secret: &p256::SecretKey, kid: &str, signs: bool) -> Value {
    let point = p256::EncodedPoint::from(secret.public_key());
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let part = |part: Option<&p256::FieldBytes>| part.map(|part| text(part)).unwrap_or_default();
    let key = json!({
        "kty": "EC",
        "crv": "P-256",
        "alg": "ES256",
        "kid": kid,
        "x": part(point.x()),
        "y": part(point.y()),
        "d": text(&secret.to_bytes()),
    });
    with_sign(key, signs)
}

fn with_sign(mut key: Value, signs: bool) -> Value {
    key["key_ops"] = if signs { json!(["sign", "verify"]) } else { json!(["verify"]) };
    key
}

fn signs(key: &Value) -> bool {
    key["key_ops"].as_array().is_some_and(|operations| operations.iter().any(|operation| operation == "sign"))
}

fn kid(key: &Value) -> &str {
    key["kid"].as_str().unwrap_or_default()
}

impl std::fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.list()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_turns_without_a_moment_in_which_the_server_refuses_it() {
        let mut file = KeyFile::generate();
        let first = file.list()[0].kid.clone();
        let next = file.add_standby();
        let read = |file: &KeyFile| KeyFile::read(&file.json()).map(|read| read.list());
        assert!(read(&file).unwrap()[0].signs && !read(&file).unwrap()[1].signs);
        assert!(!file.remove(&first), "it signs");
        assert_eq!(file.rotate(None), Some(next.clone()));
        assert!(!read(&file).unwrap()[0].signs && read(&file).unwrap()[1].signs);
        // Back again, by name.
        assert_eq!(file.rotate(Some(&first)), Some(first.clone()));
        assert_eq!(file.rotate(Some("unknown")), None);
        assert!(read(&file).is_ok(), "an unknown name changes nothing");
        assert!(file.remove(&next) && !file.remove(&next));
        assert_eq!(file.rotate(None), None, "there is no other");
        assert_eq!(read(&file).unwrap().len(), 1);
        let public = SigningKeys::read(&file.json()).unwrap().public_set().to_string();
        assert!(public.contains(&first) && !public.contains("\"d\""), "{public}");
    }
}
