//! What HTTP tells every server to refuse in a request, and HTTP libraries leave to their users.
//!
//! Asked of what came over a connection: which host is meant (RFC 9112, 3.2), and how the body is coded on its way
//! (RFC 9112, 6.1; RFC 9110, 8.4). Whoever stands in front and reads these fields otherwise than whoever answers can be
//! made to route, or to see, another request than the one that is answered.
//! Invariant: nothing here decodes a body, and no room does; a body that is coded is not read as if it were not.

use ferrobase_base::PublicError;
use http::header::{CONTENT_ENCODING, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Version};

use crate::listener::Peer;
use crate::refusal;

/// Refuses HTTP/1.1 without a `Host`, and every version with several or one that is no host. What did not come over a
/// connection of ours is what a program made, and has whatever that gave it.
pub(crate) fn check_host(parts: &Parts) -> Result<(), PublicError> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if is_host(host) => Ok(()),
        (Some(_), None) => Err(refusal::malformed("The field Host is not a host")),
        (Some(_), Some(_)) => Err(refusal::malformed("The field Host came several times")),
        (None, _) if parts.version == Version::HTTP_11 && parts.extensions.get::<Peer>().is_some() => {
            Err(refusal::malformed("HTTP/1.1 needs the field Host"))
        }
        (None, _) => Ok(()),
    }
}

/// A name or an address, and perhaps a port; nothing where no host is meant.
fn is_host(value: &HeaderValue) -> bool {
    value.as_bytes().iter().all(|byte| byte.is_ascii_graphic() && !b"/?#@\\".contains(byte))
}

/// Refuses a body that is coded, compressed or otherwise.
pub(crate) fn check_codings(headers: &HeaderMap) -> Result<(), PublicError> {
    let mut transfer = headers.get_all(TRANSFER_ENCODING).iter();
    if let Some(coding) = transfer.next()
        && !(coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") && transfer.next().is_none())
    {
        return Err(refusal::transfer_coding());
    }
    let is_plain = headers.get_all(CONTENT_ENCODING).iter().all(|codings| {
        let mut codings = codings.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        codings.all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity"))
    });
    if is_plain { Ok(()) } else { Err(refusal::content_coding()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_and_addresses_with_ports() {
        for good in ["", "x", "db.example:8000", "[::1]:80", "10.0.0.1", "%2Frun%2Fapi.sock", "a_b"] {
            assert!(is_host(&HeaderValue::from_static(good)), "{good}");
        }
        for bad in ["a b", "u@h", "h/x", "h\\x", "h?x", "h#x"] {
            assert!(!is_host(&HeaderValue::from_static(bad)), "{bad}");
        }
        assert!(!is_host(&HeaderValue::from_bytes(b"h\xff").unwrap()));
    }

    #[test]
    fn only_bodies_as_they_are_pass() {
        let code = |fields: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(*name, HeaderValue::from_static(value));
            }
            check_codings(&headers).err().map(|error| error.code.into_owned())
        };
        let (content, transfer) = ("content-encoding", "transfer-encoding");
        for good in [
            &[][..],
            &[(content, "identity")],
            &[(content, "Identity, identity")],
            &[(content, "")],
            &[(transfer, "Chunked ")],
        ] {
            assert_eq!(code(good), None, "{good:?}");
        }
        for bad in [&[(content, "gzip")][..], &[(content, "identity, br")], &[(content, "identity"), (content, "zstd")]]
        {
            assert_eq!(code(bad).as_deref(), Some("FBE415"), "{bad:?}");
        }
        for bad in [
            &[(transfer, "gzip, chunked")][..],
            &[(transfer, "chunked, chunked")],
            &[(transfer, "gzip"), (transfer, "chunked")],
            &[(transfer, "chunked"), (transfer, "chunked")],
            &[(transfer, "chunked"), (content, "gzip"), (transfer, "x")],
        ] {
            assert_eq!(code(bad).as_deref(), Some("FBE501"), "{bad:?}");
        }
    }
}
