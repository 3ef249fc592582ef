//! Codes of an application (RFC 6238: SHA-1, six digits, half a minute), and the secret that both sides know.

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::Sha1;
use subtle::ConstantTimeEq;

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// 160 bits, as RFC 4226 recommends: the length of the hash.
const SECRET: usize = 20;
/// Seconds for which a code is shown.
const PERIOD: i64 = 30;
/// Steps that a clock may be wrong.
const SKEW: i64 = 1;
const DIGITS: usize = 6;
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A new secret in base32.
pub(super) fn new_secret() -> String {
    base32(&rand::random::<[u8; SECRET]>())
}

/// The address that applications read from a picture.
pub(super) fn uri(issuer: &str, account: &str, secret: &str) -> String {
    let encode = |text| utf8_percent_encode(text, UNRESERVED).to_string();
    let (issuer, account) = (encode(issuer), encode(account));
    format!(
        "otpauth://totp/{issuer}:{account}?algorithm=SHA1&digits={DIGITS}&issuer={issuer}&period={PERIOD}&secret={secret}"
    )
}

/// The time step of a code that is good now, in seconds since the epoch.
pub(super) fn step_of(secret: &str, code: &str, now: i64) -> Option<i64> {
    let key = from_base32(secret)?;
    let step = now / PERIOD;
    // All are tried, so that the time tells nothing.
    let mut found = None;
    for step in step - SKEW..=step + SKEW {
        if bool::from(code_at(&key, step).as_bytes().ct_eq(code.as_bytes())) {
            found = Some(step);
        }
    }
    found
}

fn code_at(key: &[u8], step: i64) -> String {
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(key) else { return String::new() };
    mac.update(&step.to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let at = usize::from(hash[hash.len() - 1] & 15);
    let number = hash[at..at + 4].iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte)) & 0x7fff_ffff;
    format!("{:0width$}", number % 10_u32.pow(DIGITS as u32), width = DIGITS)
}

fn base32(bytes: &[u8]) -> String {
    let bit = |place: usize| bytes.get(place / 8).map_or(0, |byte| byte >> (7 - place % 8) & 1);
    let letter = |place: usize| (place..place + 5).fold(0, |value, place| value << 1 | bit(place));
    (0..bytes.len() * 8).step_by(5).map(|place| char::from(ALPHABET[usize::from(letter(place))])).collect()
}

fn from_base32(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let value = ALPHABET.iter().position(|known| *known == letter.to_ascii_uppercase())?;
        held = held << 5 | value as u32;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    (!bytes.is_empty()).then_some(bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_rfc_6238() {
        let secret = base32(b"12345678901234567890");
        assert_eq!(secret, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        for (now, code) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")]
        {
            assert_eq!(step_of(&secret, code, now), Some(now / 30), "{now}");
            assert_eq!(step_of(&secret, code, now + 30), Some(now / 30), "a slow clock");
            assert_eq!(step_of(&secret, code, now - 30), Some(now / 30), "a fast clock");
            assert_eq!(step_of(&secret, code, now + 60), None);
            assert_eq!(step_of(&secret, code, now - 90), None);
        }
        for wrong in ["", "28708", "2870820", "000000", "28708 "] {
            assert_eq!(step_of(&secret, wrong, 59), None, "{wrong:?}");
        }
    }

    #[test]
    fn secrets_come_back_and_nonsense_gives_no_key() {
        for length in 1..40 {
            let bytes: Vec<u8> = (0..length).map(|byte: u8| byte.wrapping_mul(37).wrapping_add(11)).collect();
            assert_eq!(from_base32(&base32(&bytes)).unwrap(), bytes);
        }
        assert_eq!(new_secret().len(), 32);
        assert!(from_base32("").is_none() && from_base32("1").is_none());
        assert_eq!(step_of("", "000000", 59), None);
    }

    #[test]
    fn names_in_the_address_are_escaped() {
        let uri = uri("Acme & Co", "ada+1@example.com", "ABC");
        assert_eq!(
            uri,
            "otpauth://totp/Acme%20%26%20Co:ada%2B1%40example.com?algorithm=SHA1&digits=6&issuer=Acme%20%26%20Co&period=30&secret=ABC"
        );
    }
}
