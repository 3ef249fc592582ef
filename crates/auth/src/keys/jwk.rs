//! One private JSON Web Key (RFC 7517, 7518, 8037): what signs, and its public half.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use super::{KeySetError, der};

/// A key of the set.
#[derive(Clone)]
pub(crate) struct PrivateKey {
    pub(crate) kid: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) encoding: EncodingKey,
    /// The key without its private part, for verifying; a shared secret as it is.
    pub(super) verifying: Value,
    pub(super) signs: bool,
}

impl PrivateKey {
    pub(super) fn read(place: usize, jwk: &Value) -> Result<Self, KeySetError> {
        let kid = text(jwk, "kid").filter(|kid| !kid.is_empty()).ok_or(KeySetError::Kid(place))?;
        let unusable = |reason| KeySetError::Key { kid: kid.to_owned(), reason };
        let material = match text(jwk, "kty") {
            Some("EC") => ec(jwk),
            Some("RSA") => rsa(jwk),
            Some("OKP") => ed25519(jwk),
            Some("oct") => secret(jwk),
            _ => Err("`kty` is EC, RSA, OKP or oct"),
        };
        let (algorithm, encoding, public) = material.map_err(unusable)?;
        if text(jwk, "alg").is_some_and(|alg| alg != name(algorithm)) {
            return Err(unusable("`alg` is not the algorithm of such a key"));
        }
        let mut verifying = public;
        verifying["kid"] = kid.into();
        verifying["alg"] = name(algorithm).into();
        verifying["use"] = "sig".into();
        verifying["key_ops"] = json!(["verify"]);
        verifying["ext"] = true.into();
        let operations = jwk.get("key_ops").and_then(Value::as_array);
        let signs = operations.is_some_and(|ops| ops.iter().any(|op| op.as_str() == Some("sign")));
        Ok(Self { kid: kid.to_owned(), algorithm, encoding, verifying, signs })
    }

    pub(super) fn is_secret(&self) -> bool {
        self.algorithm == Algorithm::HS256
    }
}

type Material = Result<(Algorithm, EncodingKey, Value), &'static str>;

fn ec(jwk: &Value) -> Material {
    if text(jwk, "crv") != Some("P-256") {
        return Err("`crv` must be P-256");
    }
    let private: [u8; 32] = fixed(jwk, "d").ok_or("`d` must be 32 bytes in base64url")?;
    let (x, y) = text(jwk, "x").zip(text(jwk, "y")).ok_or("`x` and `y` are missing")?;
    let public = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y});
    Ok((Algorithm::ES256, EncodingKey::from_ec_der(&der::p256(&private)), public))
}

fn ed25519(jwk: &Value) -> Material {
    if text(jwk, "crv") != Some("Ed25519") {
        return Err("`crv` must be Ed25519");
    }
    let private: [u8; 32] = fixed(jwk, "d").ok_or("`d` must be 32 bytes in base64url")?;
    let x = text(jwk, "x").ok_or("`x` is missing")?;
    let public = json!({"kty": "OKP", "crv": "Ed25519", "x": x});
    Ok((Algorithm::EdDSA, EncodingKey::from_ed_der(&der::ed25519(&private)), public))
}

fn rsa(jwk: &Value) -> Material {
    let mut numbers = Vec::new();
    for name in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] {
        numbers.push(bytes(jwk, name).ok_or("one of n, e, d, p, q, dp, dq and qi is missing")?);
    }
    if numbers[0].len() < 256 {
        return Err("the modulus has fewer than 2048 bits");
    }
    let public = json!({"kty": "RSA", "n": text(jwk, "n"), "e": text(jwk, "e")});
    Ok((Algorithm::RS256, EncodingKey::from_rsa_der(&der::rsa(&numbers)), public))
}

fn secret(jwk: &Value) -> Material {
    let secret = bytes(jwk, "k").filter(|secret| secret.len() >= 32).ok_or("`k` must be at least 32 bytes")?;
    let key = json!({"kty": "oct", "k": text(jwk, "k")});
    Ok((Algorithm::HS256, EncodingKey::from_secret(&secret), key))
}

pub(super) fn name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::ES256 => "ES256",
        Algorithm::EdDSA => "EdDSA",
        Algorithm::RS256 => "RS256",
        _ => "HS256",
    }
}

fn text<'a>(jwk: &'a Value, name: &str) -> Option<&'a str> {
    jwk.get(name)?.as_str()
}

fn bytes(jwk: &Value, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text(jwk, name)?.trim_end_matches('=')).ok()
}

fn fixed<const N: usize>(jwk: &Value, name: &str) -> Option<[u8; N]> {
    bytes(jwk, name)?.try_into().ok()
}
