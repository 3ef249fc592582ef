//! Public keys of devices (RFC 9053), of the three kinds that are asked for, and what they signed.

use jsonwebtoken::{Algorithm, DecodingKey};
use minicbor::Decoder;
use minicbor::data::Type;

use super::{Fault, base64url};

/// Kinds of keys that are asked for, in the order of preference: ES256, EdDSA, RS256.
pub(super) const ALGORITHMS: [i64; 3] = [ES256, EDDSA, RS256];
const ES256: i64 = -7;
const EDDSA: i64 = -8;
const RS256: i64 = -257;
/// Shortest and longest modulus in bytes.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;

/// A key, ready to verify with.
pub(super) struct PublicKey {
    algorithm: Algorithm,
    key: DecodingKey,
}

/// What stands in a key, by the labels of all kinds together.
#[derive(Default)]
struct Parts<'a> {
    kind: Option<i64>,
    algorithm: Option<i64>,
    curve: Option<i64>,
    /// Label -1 of an RSA key.
    modulus: Option<&'a [u8]>,
    /// Label -2.
    first: Option<&'a [u8]>,
    /// Label -3.
    second: Option<&'a [u8]>,
}

impl PublicKey {
    /// Reads a key.
    pub fn read(cose: &[u8]) -> Result<Self, Fault> {
        let parts = Parts::read(cose).map_err(|_| Fault::Unreadable("the public key"))?;
        let part = |part: Option<&[u8]>, length: usize| {
            part.filter(|part| part.len() == length).map(base64url).ok_or(Fault::Key)
        };
        let made = match (parts.kind, parts.algorithm, parts.curve) {
            (Some(2), Some(ES256), Some(1)) => {
                let key = DecodingKey::from_ec_components(&part(parts.first, 32)?, &part(parts.second, 32)?);
                key.map(|key| Self { algorithm: Algorithm::ES256, key })
            }
            (Some(1), Some(EDDSA), Some(6)) => {
                let key = DecodingKey::from_ed_components(&part(parts.first, 32)?);
                key.map(|key| Self { algorithm: Algorithm::EdDSA, key })
            }
            (Some(3), Some(RS256), None) => {
                let modulus = parts.modulus.filter(|modulus| MODULUS.contains(&modulus.len())).ok_or(Fault::Key)?;
                let exponent = parts.first.filter(|exponent| (1..=4).contains(&exponent.len())).ok_or(Fault::Key)?;
                let key = DecodingKey::from_rsa_raw_components(modulus, exponent);
                Ok(Self { algorithm: Algorithm::RS256, key })
            }
            _ => return Err(Fault::Key),
        };
        made.map_err(|_| Fault::Key)
    }

    /// Whether the key signed the message.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Fault> {
        let signature = match self.algorithm {
            // Devices write two numbers in DER, tokens two numbers of 32 bytes.
            Algorithm::ES256 => {
                let read = p256::ecdsa::Signature::from_der(signature).map_err(|_| Fault::Signature)?;
                base64url(&read.to_bytes())
            }
            _ => base64url(signature),
        };
        match jsonwebtoken::crypto::verify(&signature, message, &self.key, self.algorithm) {
            Ok(true) => Ok(()),
            _ => Err(Fault::Signature),
        }
    }
}

impl<'a> Parts<'a> {
    fn read(cose: &'a [u8]) -> Result<Self, minicbor::decode::Error> {
        let mut decoder = Decoder::new(cose);
        let count = decoder.map()?.ok_or_else(|| minicbor::decode::Error::message("no length"))?;
        let mut parts = Self::default();
        for _ in 0..count {
            let label = decoder.i64()?;
            let is_bytes = decoder.datatype()? == Type::Bytes;
            match (label, is_bytes) {
                (1, false) => parts.kind = Some(decoder.i64()?),
                (3, false) => parts.algorithm = Some(decoder.i64()?),
                (-1, false) => parts.curve = Some(decoder.i64()?),
                (-1, true) => parts.modulus = Some(decoder.bytes()?),
                (-2, true) => parts.first = Some(decoder.bytes()?),
                (-3, true) => parts.second = Some(decoder.bytes()?),
                _ => decoder.skip()?,
            }
        }
        Ok(parts)
    }
}
