//! Refresh tokens: `0x00 | session | counter | HMAC-SHA256, 16 bytes | SHA-256, 4 bytes`, in base64url.
//!
//! Worked out from the session's key and counter, so that nothing that opens a session lies in a table of tokens, and the
//! current token can be given again to a client that lost the answer. The checksum tells garbage from tokens before
//! anybody asks the database.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

const VERSION: u8 = 0;
const MAC: usize = 16;
const CHECKSUM: usize = 4;

/// A token, ours or presented as such.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// Its session.
    pub session: Uuid,
    /// Its number within the session.
    pub counter: i64,
    mac: [u8; MAC],
}

impl RefreshToken {
    /// The token of this number.
    pub fn new(session: Uuid, counter: i64, key: &str) -> Self {
        Self { session, counter, mac: mac(&head(session, counter), key) }
    }

    /// Reads a text; `None` when it is no token of this kind. Whether we made it, [`Self::is_made_with`] says.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (rest, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM)?)?;
        if checksum != &Sha256::digest(rest)[..CHECKSUM] {
            return None;
        }
        let (head, mac) = rest.split_at_checked(rest.len().checked_sub(MAC)?)?;
        let (version, head) = head.split_first()?;
        let (session, counter) = head.split_first_chunk::<16>()?;
        let token =
            Self { session: Uuid::from_bytes(*session), counter: read_number(counter)?, mac: mac.try_into().ok()? };
        (*version == VERSION).then_some(token)
    }

    /// Whether the session's key made it.
    pub fn is_made_with(&self, key: &str) -> bool {
        let expected = mac(&head(self.session, self.counter), key);
        expected.ct_eq(&self.mac).into()
    }

    /// As clients keep it.
    pub fn text(&self) -> String {
        let mut bytes = head(self.session, self.counter);
        bytes.extend(self.mac);
        let checksum = Sha256::digest(&bytes);
        bytes.extend(&checksum[..CHECKSUM]);
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

impl std::fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RefreshToken({} #{})", self.session, self.counter)
    }
}

fn head(session: Uuid, counter: i64) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend(session.as_bytes());
    let mut rest = counter.unsigned_abs();
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

/// A number in groups of seven bits, lowest first; the whole of the bytes.
fn read_number(bytes: &[u8]) -> Option<i64> {
    let (last, others) = bytes.split_last()?;
    if bytes.len() > 9 || last & 0x80 != 0 || others.iter().any(|byte| byte & 0x80 == 0) {
        return None;
    }
    Some(bytes.iter().rev().fold(0, |number, byte| number << 7 | i64::from(byte & 0x7f)))
}

fn mac(head: &[u8], key: &str) -> [u8; MAC] {
    // HMAC takes keys of any length; the other arm cannot be reached.
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap_or_else(|_| Hmac::<Sha256>::new(&Default::default()));
    mac.update(head);
    let mut short = [0; MAC];
    short.copy_from_slice(&mac.finalize().into_bytes()[..MAC]);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_made() {
        for counter in [0, 1, 127, 128, 300, i64::MAX] {
            let token = RefreshToken::new(Uuid::new_v4(), counter, "key");
            let read = RefreshToken::parse(&token.text()).unwrap();
            assert_eq!(read, token);
            assert!(read.is_made_with("key") && !read.is_made_with("another"));
        }
    }

    #[test]
    fn a_changed_token_is_none_or_not_ours() {
        let token = RefreshToken::new(Uuid::new_v4(), 5, "key");
        let text = token.text();
        for place in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(RefreshToken::parse(&changed).is_none_or(|token| !token.is_made_with("key")), "{place}");
        }
        // Somebody who works the checksum out still lacks the key.
        let forged = RefreshToken { counter: 6, ..token };
        assert!(!RefreshToken::parse(&forged.text()).unwrap().is_made_with("key"));
        for garbage in ["", "a", "abcdefghijkl", &"A".repeat(54), "\u{e9}"] {
            assert!(RefreshToken::parse(garbage).is_none(), "{garbage}");
        }
    }
}
