//! Who signed a text with a Solana wallet: the address is the key (Ed25519, base58).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, VerifyingKey};

use super::message::{Message, read};

const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// Reads a text and checks that the address it names signed it.
pub(super) fn check(text: &str, signature: &str) -> Result<Message, &'static str> {
    let message = read(text, "Solana")?;
    let engines = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD];
    let bytes = engines.iter().find_map(|engine| engine.decode(signature).ok());
    let bytes: [u8; 64] =
        bytes.and_then(|bytes| bytes.try_into().ok()).ok_or("signature must be 64 bytes in base64")?;
    let address = base58(&message.address).ok_or("message names no address")?;
    let key = VerifyingKey::from_bytes(&address).map_err(|_| "message names no address")?;
    // Strict: keys for which anything is a signature are refused.
    key.verify_strict(text.as_bytes(), &Signature::from_bytes(&bytes)).map_err(|_| "signature is wrong")?;
    Ok(message)
}

/// 32 bytes in base58, in their one spelling.
fn base58(text: &str) -> Option<[u8; 32]> {
    if !(32..=44).contains(&text.len()) {
        return None;
    }
    let mut out = [0_u8; 32];
    for digit in text.bytes() {
        let mut carry = ALPHABET.iter().position(|letter| *letter == digit)?;
        for byte in out.iter_mut().rev() {
            carry += usize::from(*byte) * 58;
            *byte = (carry % 256) as u8;
            carry /= 256;
        }
        if carry != 0 {
            return None;
        }
    }
    let zeros = |bytes: &[u8], zero: u8| bytes.iter().take_while(|byte| **byte == zero).count();
    (zeros(text.as_bytes(), b'1') == zeros(&out, 0)).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_32_bytes() {
        assert_eq!(base58("11111111111111111111111111111111"), Some([0; 32]));
        let token = base58("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA").unwrap();
        assert_eq!(token[..4], [0x06, 0xdd, 0xf6, 0xe1]);
        for bad in [
            "",
            "0OIl11111111111111111111111111111",
            "1111111111111111111111111111111111",
            "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
        ] {
            assert_eq!(base58(bad), None, "{bad}");
        }
    }
}
