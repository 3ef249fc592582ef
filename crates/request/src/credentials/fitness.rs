//! Whether configured keys can be used, and whether they should be: what `serve` says before it starts.

use ferrobase_base::ports::{KeyMaterial, KeySource, VerificationKey};

use super::configured::{ConfiguredKeys, SecretError, check_secret};
use super::signing_keys::{SigningKey, shared_secret};

impl ConfiguredKeys {
    /// Whether a token could be verified with any of them.
    pub fn can_verify(&self) -> bool {
        self.current().keys.iter().any(SigningKey::is_usable)
    }

    /// Keys that verify nothing, by place and `kid`.
    pub fn unusable(&self) -> Vec<String> {
        let set = self.current();
        let unusable = set.keys.iter().enumerate().filter(|(_, key)| !SigningKey::is_usable(key));
        unusable.map(|(at, key)| name(at, key)).collect()
    }

    /// Shared secrets that must not protect a server that others can reach.
    pub fn unfit(&self) -> Vec<(String, SecretError)> {
        let set = self.current();
        let judged = set.keys.iter().enumerate().filter_map(|(at, key)| {
            let secret = match &key.material {
                KeyMaterial::Hmac(secret) => secret.clone(),
                KeyMaterial::Jwk(jwk) => shared_secret(jwk)?,
            };
            Some((name(at, key), check_secret(&secret).err()?))
        });
        judged.collect()
    }
}

fn name(at: usize, key: &VerificationKey) -> String {
    let kid = key.kid.as_ref().map(|kid| format!(" (kid {kid:?})"));
    format!("key {}{}", at + 1, kid.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn keys(set: &Value) -> ConfiguredKeys {
        ConfiguredKeys::new(None, false, Some(set)).unwrap()
    }

    #[test]
    fn keys_that_verify_nothing_are_named() {
        let rsa = json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"});
        let for_encryption = json!({"kty": "oct", "k": "RzdwWDJxTG05c1Z0NHdZejhiTmMzZEtmNmhKcjFlUWE", "use": "enc"});
        let good = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        let odd = [json!({"kty": "oct", "k": ""}), json!({"kid": "r", "kty": "RSA"}), rsa, for_encryption];
        let all = [odd.as_slice(), std::slice::from_ref(&good)].concat();
        let set = keys(&json!({"keys": all}));
        assert!(set.can_verify());
        assert_eq!(set.unusable(), ["key 1", "key 2 (kid \"r\")", "key 3", "key 4"]);
        for set in [json!({"keys": odd}), json!({"keys": []})] {
            assert!(ConfiguredKeys::new(None, false, Some(&set)).is_err(), "{set}");
        }
        let good = keys(&good);
        assert!(good.can_verify() && good.unusable().is_empty() && good.unfit().is_empty());
    }

    #[test]
    fn sec_27_shared_secrets_in_key_sets_are_judged_as_any() {
        let demo = "eW91ci1zdXBlci1zZWNyZXQtand0LXRva2VuLXdpdGgtYXQtbGVhc3QtMzItY2hhcmFjdGVycy1sb25n";
        let fit = "RzdwWDJxTG05c1Z0NHdZejhiTmMzZEtmNmhKcjFlUWE";
        let set = keys(&json!({"keys": [
            {"kty": "oct", "k": "YQ"},
            {"kty": "oct", "k": demo, "kid": "d", "alg": "HS512"},
            {"kty": "oct", "k": fit},
            {"kty": "oct", "k": "YQ", "use": "enc"},
        ]}));
        let expected =
            [("key 1".to_owned(), SecretError::TooShort), ("key 2 (kid \"d\")".to_owned(), SecretError::Demo)];
        assert_eq!(set.unfit(), expected);
    }
}
