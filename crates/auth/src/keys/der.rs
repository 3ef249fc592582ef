//! Private keys in the encoding that the signing library reads (PKCS #8, RFC 5958; PKCS #1, RFC 8017).
//!
//! Two of the three are constant but for the key itself; the third is a sequence of numbers.

/// Everything of a P-256 key before the private number.
const P256: &[u8] = &[
    0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x27, 0x30, 0x25, 0x02, 0x01, 0x01, 0x04, 0x20,
];
/// The same of an Ed25519 key.
const ED25519: &[u8] =
    &[0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;

pub(super) fn p256(private: &[u8; 32]) -> Vec<u8> {
    [P256, private].concat()
}

pub(super) fn ed25519(private: &[u8; 32]) -> Vec<u8> {
    [ED25519, private].concat()
}

/// `n, e, d, p, q, dp, dq, qi`, as big-endian bytes.
pub(super) fn rsa(numbers: &[Vec<u8>]) -> Vec<u8> {
    let mut body = integer(&[0]);
    for number in numbers {
        body.extend(integer(number));
    }
    value(SEQUENCE, &body)
}

/// Shortest form, with a zero in front of a number that would look negative.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len().saturating_sub(1));
    let mut body = bytes[start..].to_vec();
    if body.first().is_none_or(|first| first & 0x80 != 0) {
        body.insert(0, 0);
    }
    value(INTEGER, &body)
}

fn value(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match body.len() {
        short @ 0..=127 => out.push(short as u8),
        long => {
            let length: Vec<u8> = long.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
            out.push(0x80 | length.len() as u8);
            out.extend(length);
        }
    }
    out.extend_from_slice(body);
    out
}
