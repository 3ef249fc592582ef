//! One-time codes: the digits that a person types, and the hash that is stored and stands in links.

use rand::RngExt as _;
use sha2::{Digest, Sha224};

/// A code that was made for one address or number.
#[derive(Clone, PartialEq, Eq)]
pub struct Code {
    /// The digits.
    pub digits: String,
    /// Lower-case hexadecimal SHA-224 of address and digits.
    pub hash: String,
}

impl Code {
    /// A new code of so many digits for this address or number.
    pub fn make(address: &str, length: u8) -> Self {
        let mut random = rand::rng();
        let digits: String = (0..length).map(|_| char::from(random.random_range(b'0'..=b'9'))).collect();
        let hash = Self::hash_of(address, &digits);
        Self { digits, hash }
    }

    /// What is stored for a code.
    pub fn hash_of(address: &str, digits: &str) -> String {
        let hash = Sha224::new().chain_update(address).chain_update(digits).finalize();
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }
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
}
