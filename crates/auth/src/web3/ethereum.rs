//! Who signed a text with an Ethereum wallet: `personal_sign` (EIP-191), address from the recovered key (EIP-55).

use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use sha3::{Digest as _, Keccak256};

use super::message::{Message, read};

/// Reads a text and checks that the address it names signed it.
pub(super) fn check(text: &str, signature: &str) -> Result<Message, &'static str> {
    let mut message = read(text, "Ethereum")?;
    let bytes = signature_bytes(signature).ok_or("signature must be 65 bytes in hexadecimal")?;
    let claimed = message.address.strip_prefix("0x").and_then(hex::<20>).ok_or("message names no address")?;
    let checksummed = checksummed(&claimed);
    let digits = &message.address[2..];
    let has_one_case =
        !digits.bytes().any(|b| b.is_ascii_uppercase()) || !digits.bytes().any(|b| b.is_ascii_lowercase());
    if message.address != checksummed && !has_one_case {
        return Err("the address has a wrong checksum");
    }
    if recovered(text, &bytes).ok_or("signature is wrong")? != claimed {
        return Err("signature is wrong");
    }
    // One wallet is one account, however its address is written.
    message.address = format!("0x{}", digits.to_ascii_lowercase());
    Ok(message)
}

fn signature_bytes(text: &str) -> Option<[u8; 65]> {
    hex(text.strip_prefix("0x")?)
}

/// The address whose key made this signature.
fn recovered(text: &str, signature: &[u8; 65]) -> Option<[u8; 20]> {
    let mut hash = Keccak256::new();
    hash.update(format!("\x19Ethereum Signed Message:\n{}", text.len()));
    hash.update(text);
    let (rs, v) = (&signature[..64], signature[64]);
    let id = RecoveryId::from_byte(if v >= 27 { v - 27 } else { v }).filter(|id| !id.is_x_reduced())?;
    let signature = Signature::from_slice(rs).ok()?;
    // The other signature that the same message has is no second proof: nobody needs it.
    if signature.normalize_s().is_some() {
        return None;
    }
    let key = VerifyingKey::recover_from_prehash(&hash.finalize(), &signature, id).ok()?;
    let point = key.to_encoded_point(false);
    Keccak256::digest(&point.as_bytes()[1..])[12..].try_into().ok()
}

/// The address with the capitals that prove it was typed right (EIP-55).
fn checksummed(address: &[u8; 20]) -> String {
    let digits: String = address.iter().map(|byte| format!("{byte:02x}")).collect();
    let hash = Keccak256::digest(&digits);
    let is_high = |place: usize| hash[place / 2] >> (if place.is_multiple_of(2) { 4 } else { 0 }) & 0x8 != 0;
    let cased = digits.chars().enumerate().map(|(place, c)| if is_high(place) { c.to_ascii_uppercase() } else { c });
    std::iter::once("0x".to_owned()).chain(cased.map(String::from)).collect()
}

fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut out = [0; N];
    for (place, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_checksum() {
        // From EIP-55.
        for address in ["0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"] {
            assert_eq!(checksummed(&hex(&address[2..]).unwrap()), address);
        }
    }
}
