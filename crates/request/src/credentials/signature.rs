//! From a token's text to claims that one of our keys signed (RFC 7515, compact form).
//!
//! Knows nothing of times, audiences and roles. Header members that would bring a key or fetch one (`jwk`, `jku`,
//! `x5c`, `x5u`) are not even read; `crit` is refused, because we understand no extension.

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use jsonwebtoken::Algorithm;
use jsonwebtoken::crypto::verify;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::claims::{ClaimsError, check_issuer};
use super::error::AuthError;
use super::signing_keys::{HMAC, SigningKey, SigningKeys};

/// Some issuers pad although the RFC says not to; that changes nothing about what was signed.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a text is not a token of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// `Bearer` with nothing after it.
    #[error("Empty JWT is sent in Authorization header")]
    Empty,
    /// Not `header.payload.signature`.
    #[error("Expected 3 parts in JWT; got {parts}")]
    Parts {
        /// How many there are.
        parts: usize,
    },
    /// A part is not base64url, or the header is not JSON.
    #[error("JWT cryptographic operation failed")]
    Unreadable,
    /// `alg` is `none`.
    #[error("Wrong or unsupported encoding algorithm")]
    Unsigned,
    /// An `alg` that nothing here verifies.
    #[error("Wrong or unsupported encoding algorithm")]
    UnknownAlgorithm,
    /// No key of the token's `kid` and `alg`.
    #[error("No suitable key or wrong key type")]
    NoSuitableKey,
    /// None of the keys made this signature.
    #[error("No suitable key or wrong key type")]
    WrongSignature,
    /// The header demands an extension (`crit`).
    #[error("Unsupported token type")]
    Extended,
}

impl TokenError {
    /// The second sentence that PostgREST's clients see.
    pub(super) fn details(&self) -> Option<&'static str> {
        match self {
            Self::Unsigned => Some("JWT is unsecured but expected 'alg' was not 'none'"),
            Self::UnknownAlgorithm => Some("The 'alg' of the JWT is not supported"),
            Self::NoSuitableKey => Some("No suitable key was found to decode the JWT"),
            Self::WrongSignature => Some("None of the keys was able to decode the JWT"),
            Self::Empty | Self::Parts { .. } | Self::Unreadable | Self::Extended => None,
        }
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    crit: Option<Value>,
}

/// The claims of a token that one of the keys signed, and whether that key is our own.
pub(super) fn verified_claims(token: &str, keys: &SigningKeys) -> Result<(Map<String, Value>, bool), AuthError> {
    let parts = Parts::split(token)?;
    let header = parts.header()?;
    let algorithm = algorithm(&header.alg)?;
    if header.crit.is_some() {
        return Err(TokenError::Extended.into());
    }
    let key = parts.check(keys, header.kid.as_deref(), algorithm)?;
    let payload = BASE64.decode(parts.payload).map_err(|_| TokenError::Unreadable)?;
    let claims: Map<String, Value> = serde_json::from_slice(&payload).map_err(|_| ClaimsError::Unreadable)?;
    check_issuer(&claims, key.issuer.as_deref())?;
    Ok((claims, key.is_own))
}

/// Whether a token that was refused may be signed by a key which is not among these: its `kid` is none of theirs.
/// Shared secrets are never published, so tokens of that kind name nothing that could be found.
pub(super) fn names_unknown_key(token: &str, keys: &SigningKeys) -> bool {
    let Ok(header) = Parts::split(token).and_then(|parts| parts.header()) else { return false };
    algorithm(&header.alg).is_ok_and(|algorithm| !HMAC.contains(&algorithm)) && keys.lacks(header.kid.as_deref())
}

/// A token's three parts.
struct Parts<'a> {
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
    /// What the signature is over: header and payload as they came.
    signed: &'a str,
}

impl<'a> Parts<'a> {
    fn split(token: &'a str) -> Result<Self, TokenError> {
        if token.is_empty() {
            return Err(TokenError::Empty);
        }
        let parts = token.split('.').count();
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Parts { parts })?;
        match signed.split_once('.') {
            Some((header, payload)) if parts == 3 => Ok(Self { header, payload, signature, signed }),
            _ => Err(TokenError::Parts { parts }),
        }
    }

    fn header(&self) -> Result<Header, TokenError> {
        let header = BASE64.decode(self.header).map_err(|_| TokenError::Unreadable)?;
        serde_json::from_slice(&header).map_err(|_| TokenError::Unreadable)
    }

    /// The key that made the signature.
    fn check<'k>(
        &self,
        keys: &'k SigningKeys,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<&'k SigningKey, TokenError> {
        let signature = self.signature.trim_end_matches('=');
        let mut failure = TokenError::NoSuitableKey;
        for candidate in keys.candidates(kid, algorithm) {
            match verify(signature, self.signed.as_bytes(), &candidate.key, algorithm) {
                Ok(true) => return Ok(candidate),
                Ok(false) | Err(_) => failure = TokenError::WrongSignature,
            }
        }
        Err(failure)
    }
}

fn algorithm(name: &str) -> Result<Algorithm, TokenError> {
    if name.eq_ignore_ascii_case("none") {
        return Err(TokenError::Unsigned);
    }
    name.parse().map_err(|_| TokenError::UnknownAlgorithm)
}
