//! Which server certificates are good, for each `sslmode`; and their hash for SCRAM's channel binding.
//!
//! Chains and names are checked by webpki through rustls. On top of that a certificate that is itself listed in
//! `sslrootcert` is trusted, since self-signed server certificates are common with PostgreSQL and webpki would not
//! take one as its own authority; the dates of such a pinned certificate are not checked.
//! Invariant: the signature of the handshake is always verified, whatever the mode.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256, Sha384, Sha512};

/// How much of a certificate is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// Nothing: the connection is encrypted, its end is unknown.
    Nothing,
    /// A trusted authority issued it.
    Authority,
    /// And it is for the host that was asked for.
    AuthorityAndName,
}

/// The verifier that rustls asks.
#[derive(Debug)]
pub(crate) struct Verifier {
    check: Check,
    authorities: RootCertStore,
    pinned: Vec<CertificateDer<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub(crate) fn new(
        check: Check,
        trusted: Vec<CertificateDer<'static>>,
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Self {
        let mut authorities = RootCertStore::empty();
        authorities.add_parsable_certificates(trusted.iter().cloned());
        Self { check, authorities, pinned: trusted, algorithms }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.check == Check::Nothing {
            return Ok(ServerCertVerified::assertion());
        }
        let parsed = ParsedCertificate::try_from(certificate)?;
        if !self.pinned.contains(certificate) {
            verify_server_cert_signed_by_trust_anchor(
                &parsed,
                &self.authorities,
                intermediates,
                now,
                self.algorithms.all,
            )?;
        }
        if self.check == Check::AuthorityAndName {
            verify_server_name(&parsed, name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The `tls-server-end-point` value of a certificate (RFC 5929): its hash with the hash function of its signature,
/// SHA-256 in place of MD5 and SHA-1. `None` for signatures without such a function (Ed25519, PSS).
pub(crate) fn end_point_hash(certificate: &[u8]) -> Option<Vec<u8>> {
    const RSA: [u8; 8] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
    const ECDSA_SHA2: [u8; 7] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
    const ECDSA_SHA1: [u8; 7] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01];

    let oid = signature_oid(certificate)?;
    let bits = match (oid.strip_prefix(&RSA[..]), oid.strip_prefix(&ECDSA_SHA2[..])) {
        (Some([4 | 5 | 11]), _) | (_, Some([2])) => 256,
        (Some([12]), _) | (_, Some([3])) => 384,
        (Some([13]), _) | (_, Some([4])) => 512,
        _ if oid == ECDSA_SHA1 => 256,
        _ => return None,
    };
    Some(match bits {
        256 => Sha256::digest(certificate).to_vec(),
        384 => Sha384::digest(certificate).to_vec(),
        _ => Sha512::digest(certificate).to_vec(),
    })
}

/// The object identifier of a certificate's signature algorithm: `SEQUENCE { tbs, SEQUENCE { OID, ... }, ... }`.
fn signature_oid(certificate: &[u8]) -> Option<&[u8]> {
    const SEQUENCE: u8 = 0x30;
    const OBJECT_IDENTIFIER: u8 = 0x06;

    let (outer, _) = der_element(certificate, SEQUENCE)?;
    let (_, after_tbs) = der_element(outer, SEQUENCE)?;
    let (algorithm, _) = der_element(after_tbs, SEQUENCE)?;
    der_element(algorithm, OBJECT_IDENTIFIER).map(|(oid, _)| oid)
}

/// Splits the first DER element off: its contents and what follows it.
fn der_element(input: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = input.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first & 0x80 != 0 {
        let digits = usize::from(first & 0x7f);
        if digits == 0 || digits > 4 {
            return None;
        }
        let (bytes, tail) = rest.split_at_checked(digits)?;
        length = bytes.iter().fold(0, |n, b| n << 8 | usize::from(*b));
        rest = tail;
    }
    if found == tag { rest.split_at_checked(length) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_function_follows_the_signature() {
        for (algorithm, length) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, Some(32)),
            (&rcgen::PKCS_ECDSA_P384_SHA384, Some(48)),
            (&rcgen::PKCS_ED25519, None),
        ] {
            let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let certificate = rcgen::CertificateParams::new(vec!["h".to_owned()]).unwrap().self_signed(&key).unwrap();
            let der = certificate.der();
            assert_eq!(end_point_hash(der).map(|h| h.len()), length);
            for cut in 0..der.len() {
                assert!(signature_oid(&der[..cut]).is_none(), "the outer length covers everything: cut at {cut}");
            }
        }
    }
}
