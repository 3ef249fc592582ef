//! SCRAM-SHA-256 verifiers, in the form in which PostgreSQL stores them (RFC 5802, RFC 7677).
//!
//! A role is given its password as a verifier, so that the password is in no statement and no server log.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// PostgreSQL's own default. The passwords are random, so more rounds would protect nothing.
const ITERATIONS: u32 = 4096;

/// The verifier of a password with a random salt. The password must be ASCII: SASLprep is not applied.
pub(super) fn verifier(password: &str) -> String {
    verifier_with(password, &rand::random())
}

fn verifier_with(password: &str, salt: &[u8; 16]) -> String {
    let salted = salted_password(password, salt);
    let stored_key: [u8; 32] = Sha256::digest(sign(&salted, b"Client Key")).into();
    let server_key = sign(&salted, b"Server Key");
    format!(
        "SCRAM-SHA-256${ITERATIONS}:{}${}:{}",
        STANDARD.encode(salt),
        STANDARD.encode(stored_key),
        STANDARD.encode(server_key)
    )
}

/// PBKDF2 with HMAC-SHA-256, one block.
fn salted_password(password: &str, salt: &[u8]) -> [u8; 32] {
    let first = [salt, &1_u32.to_be_bytes()].concat();
    let mut round = sign(password.as_bytes(), &first);
    let mut result = round;
    for _ in 1..ITERATIONS {
        round = sign(password.as_bytes(), &round);
        result.iter_mut().zip(round).for_each(|(byte, other)| *byte ^= other);
    }
    result
}

fn sign(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    hmac.update(message);
    hmac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The salt, password and keys of RFC 7677, section 3, as PostgreSQL would store them.
    #[test]
    fn the_verifier_of_the_rfc() {
        let salt: [u8; 16] = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap().try_into().unwrap();
        assert_eq!(
            verifier_with("pencil", &salt),
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:\
             wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
        );
    }
}
