//! What a client promises to prove, as it comes in bodies and queries.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::error::{Error, Result};

/// How the challenge follows from the verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Base64url of its SHA-256.
    S256,
    /// It is the verifier.
    Plain,
}

impl Method {
    /// As `auth.code_challenge_method` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::S256 => "s256",
            Self::Plain => "plain",
        }
    }
}

/// What the client will prove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// How.
    pub method: Method,
    /// The text.
    pub text: String,
}

impl Challenge {
    /// Reads both keys of a request; `None` when it has neither.
    ///
    /// # Errors
    /// One without the other, another method, or a text that is no challenge.
    pub fn read(challenge: Option<&str>, method: Option<&str>) -> Result<Option<Self>> {
        let given = |text: Option<&str>| text.map(str::to_owned).filter(|text| !text.is_empty());
        let (text, method) = match (given(challenge), given(method)) {
            (None, None) => return Ok(None),
            (Some(text), Some(method)) => (text, method),
            _ => return Err(Error::invalid("PKCE flow requires code_challenge_method and code_challenge")),
        };
        let method = match method.to_ascii_lowercase().as_str() {
            "s256" => Method::S256,
            "plain" => Method::Plain,
            _ => return Err(Error::invalid("code_challenge_method must be s256 or plain")),
        };
        if !is_proof(&text) {
            return Err(Error::invalid("code_challenge must have 43 to 128 letters, digits or one of -._~"));
        }
        Ok(Some(Self { method, text }))
    }

    /// Whether this verifier was promised.
    pub fn is_met_by(&self, verifier: &str) -> bool {
        if !is_proof(verifier) {
            return false;
        }
        let worked_out = match self.method {
            Method::S256 => URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)),
            Method::Plain => verifier.to_owned(),
        };
        worked_out.as_bytes().ct_eq(self.text.as_bytes()).into()
    }
}

/// What RFC 7636 allows for verifier and challenge (4.1, 4.2): long enough that nobody guesses it.
fn is_proof(text: &str) -> bool {
    (43..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Appendix B of the RFC.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn a_challenge_is_met_by_its_verifier_only() {
        let s256 = Challenge::read(Some(CHALLENGE), Some("S256")).unwrap().unwrap();
        assert!(s256.is_met_by(VERIFIER));
        assert!(!s256.is_met_by(CHALLENGE), "as if the method were plain");
        let plain = Challenge::read(Some(VERIFIER), Some("plain")).unwrap().unwrap();
        assert!(plain.is_met_by(VERIFIER) && !plain.is_met_by(CHALLENGE) && !plain.is_met_by(""));
    }

    #[test]
    fn what_is_no_challenge_is_refused() {
        assert_eq!(Challenge::read(None, Some("")).unwrap(), None);
        for (challenge, method) in [
            (Some(CHALLENGE), None),
            (None, Some("s256")),
            (Some(CHALLENGE), Some("s512")),
            (Some("short"), Some("plain")),
            (Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM"), Some("s256")),
        ] {
            assert!(Challenge::read(challenge, method).is_err(), "{challenge:?} {method:?}");
        }
    }
}
