//! One-time codes: the digits that a person types, and the secret that stands in the link of the same mail.
//!
//! The link is random and not worked out from the digits: whoever knows an address could try all codes by their links
//! otherwise, and no wrong try would be seen.

use rand::RngExt as _;
use sha2::{Digest, Sha224};

/// In front of links that lead back to a client which proves itself (PKCE).
pub const PKCE_PREFIX: &str = "pkce_";

/// A code that was made for one address or number.
#[derive(Clone, PartialEq, Eq)]
pub struct Code {
    /// The digits.
    pub digits: String,
    /// Lower-case hexadecimal SHA-224 of address and digits.
    pub hash: String,
    /// What stands in the link.
    pub link: String,
}

impl Code {
    /// A new code of so many digits for this address or number.
    pub fn make(address: &str, length: u8) -> Self {
        let mut random = rand::rng();
        Self::of(address, (0..length).map(|_| char::from(random.random_range(b'0'..=b'9'))).collect())
    }

    /// A code with these digits.
    pub fn of(address: &str, digits: String) -> Self {
        Self { hash: Self::hash_of(address, &digits), digits, link: hex(&rand::random::<[u8; 28]>()) }
    }

    /// The same with a link that leads back to a client which proves itself.
    #[must_use]
    pub fn for_pkce(mut self) -> Self {
        self.link = format!("{PKCE_PREFIX}{}", self.link);
        self
    }

    /// Whether a text has the form of what stands in a link.
    pub fn is_link(text: &str) -> bool {
        let digits = text.strip_prefix(PKCE_PREFIX).unwrap_or(text);
        digits.len() == 56 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    }

    /// What is stored for a code.
    pub fn hash_of(address: &str, digits: &str) -> String {
        hex(&Sha224::new().chain_update(address).chain_update(digits).finalize())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Code(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_digits_and_its_hash_belongs_to_an_address() {
        let code = Code::make("a@b.c", 6);
        assert!(code.digits.len() == 6 && code.digits.bytes().all(|byte| byte.is_ascii_digit()));
        assert_eq!(code.hash, Code::hash_of("a@b.c", &code.digits));
        assert_ne!(code.hash, Code::hash_of("a@b.d", &code.digits));
        // Of the text "abc".
        assert_eq!(Code::hash_of("a", "bc"), "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7");
        assert!(!format!("{code:?}").contains(&code.digits));
    }

    #[test]
    fn a_link_does_not_follow_from_the_code() {
        let (one, other) = (Code::of("a@b.c", "123456".to_owned()), Code::of("a@b.c", "123456".to_owned()));
        assert_eq!(one.hash, other.hash);
        assert!(one.link != other.link && one.link.len() == 56 && one.link != one.hash);
        assert!(Code::is_link(&one.link) && !Code::is_link("123456") && !Code::is_link(&one.link.to_uppercase()));
        let one = one.for_pkce();
        assert!(one.link.starts_with("pkce_") && Code::is_link(&one.link));
    }
}
