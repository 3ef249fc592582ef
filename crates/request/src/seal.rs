//! Seals what callers carry and must not make: freshness tokens, cursors. One key a purpose, derived from a secret of the
//! project and never the secret itself (requirements/security.md 19).
//!
//! What is sealed can be read by whoever has it; the MAC keeps it from being made or changed.
//! Invariant: what comes out of [`SealingKey::open`] went into [`SealingKey::seal`] with the same key and for the same
//! context.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of the MAC that are kept.
const TAG: usize = 16;

/// The key of one purpose.
#[derive(Clone, Copy)]
pub struct SealingKey([u8; 32]);

impl SealingKey {
    /// The key of a purpose that belongs to a secret. Without a secret everybody knows it: then the MAC only tells damage.
    pub fn derived_from(secret: Option<&[u8]>, purpose: &str) -> Self {
        Self(mac(secret.unwrap_or_default(), &[purpose.as_bytes()]).finalize().into_bytes().into())
    }

    /// The bytes, for a purpose that does not seal.
    pub fn into_bytes(self) -> [u8; 32] {
        self.0
    }

    /// The text of what is sealed for a context, which is not part of the text.
    pub fn seal(&self, context: &[u8], mut body: Vec<u8>) -> String {
        let tag = self.tag(context, &body).finalize().into_bytes();
        body.extend_from_slice(&tag[..TAG]);
        URL_SAFE_NO_PAD.encode(body)
    }

    /// What was sealed for this context. Texts of more than `most` sealed bytes are not even decoded.
    pub fn open(&self, context: &[u8], text: &str, most: usize) -> Option<Vec<u8>> {
        if text.len() > (most + TAG) * 4 / 3 + 1 {
            return None;
        }
        let mut sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (body, tag) = sealed.split_at_checked(sealed.len().checked_sub(TAG)?)?;
        self.tag(context, body).verify_truncated_left(tag).ok()?;
        sealed.truncate(sealed.len() - TAG);
        Some(sealed)
    }

    fn tag(&self, context: &[u8], body: &[u8]) -> Hmac<Sha256> {
        // The length keeps the two apart.
        mac(&self.0, &[&(context.len() as u64).to_be_bytes(), context, body])
    }
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealingKey")
    }
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
    // HMAC takes keys of any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| Hmac::<Sha256>::new(&Default::default()));
    for part in parts {
        mac.update(part);
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_19_a_key_serves_one_purpose_and_tells_nothing_of_the_secret() {
        let key = SealingKey::derived_from(Some(b"secret"), "a");
        let text = key.seal(b"context", b"body".to_vec());
        assert_eq!(key.open(b"context", &text, 4).as_deref(), Some(&b"body"[..]));
        assert_eq!(key.open(b"other", &text, 4), None);
        assert_eq!(key.open(b"contextb", &key.seal(b"context", b"body".to_vec()), 4), None, "the length counts");
        for other in [(Some(&b"secret"[..]), "b"), (Some(&b"other"[..]), "a"), (None, "a")] {
            assert_eq!(SealingKey::derived_from(other.0, other.1).open(b"context", &text, 4), None);
        }
        assert_ne!(&key.into_bytes()[..6], b"secret");
        assert_eq!(format!("{key:?}"), "SealingKey");
    }

    #[test]
    fn what_was_changed_or_is_too_long_is_none() {
        let key = SealingKey::derived_from(None, "a");
        let text = key.seal(b"", b"some body".to_vec());
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(key.open(b"", &String::from_utf8(changed).expect("ASCII"), 9), None, "{at}");
        }
        let long = "A".repeat(10_000);
        for malformed in ["", "A", "text", &text[1..], &format!("{text}A"), &format!(" {text}"), &long] {
            assert_eq!(key.open(b"", malformed, 9), None, "{malformed}");
        }
        assert_eq!(key.open(b"", &text, 7), None);
    }
}
