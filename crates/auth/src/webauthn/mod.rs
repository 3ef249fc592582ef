//! Signatures of devices (WebAuthn level 2): what a browser is asked for, and whether its answer is right.
//!
//! Pure: no database, no HTTP. `options` (the question) -> the browser -> `registration` or `assertion` (the answer), which read
//! `client_data` (what the browser says), `authenticator` (what the device says) and `cose` (the key). Second factors (`mfa`) and
//! `passkeys` keep challenges and credentials.
//! Invariant: the statement of a device's maker is not asked for and not looked at; a key proves only that it is the same
//! device again. Invariant: nothing here recurses over input. Why this is ours: docs/adr/0017.

mod assertion;
mod authenticator;
mod client_data;
mod cose;
mod options;
mod party;
mod registration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub(crate) use assertion::{Assertion, Known};
pub(crate) use options::{Listed, creation, request};
pub(crate) use party::{Ceremony, RelyingParty, host};
pub(crate) use registration::{Credential, Registration};

/// Why an answer is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// Not what a browser sends.
    #[error("{0} cannot be read")]
    Unreadable(&'static str),
    /// An answer to another kind of question.
    #[error("the answer is of another ceremony")]
    Ceremony,
    /// An answer to another question.
    #[error("the challenge is another one")]
    Challenge,
    /// A page that may not ask.
    #[error("the origin is not allowed")]
    Origin,
    /// A key of another domain.
    #[error("the credential is of another relying party")]
    RelyingParty,
    /// Nobody touched the device.
    #[error("nobody was present")]
    NotPresent,
    /// The device did not make sure who touched it.
    #[error("the user was not verified by the device")]
    NotVerified,
    /// A key of a kind that was not asked for.
    #[error("the key is of a kind that was not asked for")]
    Key,
    /// Not signed with the credential's key.
    #[error("the signature is wrong")]
    Signature,
    /// The credential exists twice.
    #[error("the device's counter went back")]
    Counter,
    /// Not the credential or user of the question.
    #[error("the credential is not the user's")]
    Credential,
}

/// 256 random bits, as the question and the answer spell them.
pub(crate) fn challenge() -> String {
    base64url(&rand::random::<[u8; 32]>())
}

pub(crate) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Padding is tolerated, as some clients send it.
pub(crate) fn from_base64url(text: &str, what: &'static str) -> Result<Vec<u8>, Fault> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| Fault::Unreadable(what))
}
