//! Who is at the other end: the address of the client, not of the proxy in front of us.
//!
//! `X-Forwarded-For` and `Forwarded` count only when the connection itself comes from one of `server.trusted_proxies`;
//! then the rightmost address that is not a trusted proxy is the client. Everything further left was written by the
//! client and proves nothing.
//! Invariant: a caller can never choose the address under which it is limited, logged or shown to SQL (security 19).

use std::net::IpAddr;

use ferrobase_base::config::Cidr;
use http::HeaderMap;

/// The client's address, given who connected and what the request claims. `None` only where the connection has no
/// address (Unix socket) and nothing trustworthy names one.
pub fn client_ip(peer: Option<IpAddr>, headers: &HeaderMap, trusted: &[Cidr]) -> Option<IpAddr> {
    let peer = peer?.to_canonical();
    if !is_trusted(peer, trusted) {
        return Some(peer);
    }
    let by_list = rightmost_untrusted(forwarded_for_list(headers), trusted);
    let by_forwarded = rightmost_untrusted(forwarded_elements(headers), trusted);
    match (by_list, by_forwarded) {
        (Claim::None, Claim::None) => Some(peer),
        (Claim::Client(client), Claim::None) | (Claim::None, Claim::Client(client)) => Some(client),
        (Claim::Client(one), Claim::Client(other)) if one == other => Some(one),
        // A proxy maintains one of the two fields and passes the other as the client wrote it. When they disagree
        // nobody can tell which is which, so the request counts as the proxy's own.
        _ => Some(peer),
    }
}

/// What one of the two fields says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// The field is absent.
    None,
    /// The rightmost address that is no proxy of ours.
    Client(IpAddr),
    /// Something that cannot be read stands where the client's address should be.
    Garbled,
}

fn is_trusted(address: IpAddr, trusted: &[Cidr]) -> bool {
    trusted.iter().any(|network| network.contains(address))
}

fn rightmost_untrusted(hops: Vec<Option<IpAddr>>, trusted: &[Cidr]) -> Claim {
    let mut furthest = Claim::None;
    for hop in hops.into_iter().rev() {
        match hop {
            Some(address) if is_trusted(address, trusted) => furthest = Claim::Client(address),
            Some(address) => return Claim::Client(address),
            None => return Claim::Garbled,
        }
    }
    furthest
}

/// All `X-Forwarded-For` entries from left to right.
fn forwarded_for_list(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    entries(headers, "x-forwarded-for").map(|entry| parse_node(&entry)).collect()
}

/// The `for=` of all `Forwarded` elements (RFC 7239) from left to right.
fn forwarded_elements(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    entries(headers, "forwarded")
        .map(|element| {
            let node = element.split(';').find_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                name.trim().eq_ignore_ascii_case("for").then(|| value.trim().trim_matches('"').to_owned())
            })?;
            parse_node(&node)
        })
        .collect()
}

fn entries<'a>(headers: &'a HeaderMap, name: &'static str) -> impl Iterator<Item = String> + 'a {
    headers.get_all(name).iter().flat_map(|value| {
        String::from_utf8_lossy(value.as_bytes()).split(',').map(|entry| entry.trim().to_owned()).collect::<Vec<_>>()
    })
}

/// `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:4711`.
fn parse_node(node: &str) -> Option<IpAddr> {
    if let Ok(address) = node.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    let inner = match node.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => node.rsplit_once(':')?.0,
    };
    inner.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use ferrobase_base::config::Atom;

    use super::*;

    fn resolve(peer: &str, fields: &[(&'static str, &str)]) -> String {
        let trusted: Vec<Cidr> =
            ["10.0.0.0/8", "::1", "fd00::/8"].iter().map(|text| Cidr::parse(text).unwrap()).collect();
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        client_ip(Some(peer.parse().unwrap()), &headers, &trusted).unwrap().to_string()
    }

    #[test]
    fn sec_19_only_trusted_proxies_set_the_client_address() {
        let xff = "x-forwarded-for";
        // An untrusted peer is itself, whatever it claims.
        assert_eq!(resolve("203.0.113.9", &[(xff, "1.2.3.4")]), "203.0.113.9");
        // A trusted one is believed, up to the first address that is no proxy of ours.
        assert_eq!(resolve("10.0.0.1", &[(xff, "1.2.3.4")]), "1.2.3.4");
        assert_eq!(resolve("10.0.0.1", &[(xff, "6.6.6.6, 1.2.3.4, 10.9.9.9")]), "1.2.3.4");
        assert_eq!(resolve("10.0.0.1", &[(xff, "6.6.6.6"), (xff, "1.2.3.4:5566")]), "1.2.3.4");
        assert_eq!(resolve("::1", &[(xff, "[2001:db8::7]:80")]), "2001:db8::7");
        assert_eq!(resolve("::ffff:10.1.1.1", &[(xff, "::ffff:1.2.3.4")]), "1.2.3.4");
        // Only proxies in the list: the furthest one is where it came from.
        assert_eq!(resolve("10.0.0.1", &[(xff, "10.0.0.3, 10.0.0.2")]), "10.0.0.3");
        // Nothing readable where the client should stand: the proxy itself.
        assert_eq!(resolve("10.0.0.1", &[(xff, "1.2.3.4, unknown")]), "10.0.0.1");
        assert_eq!(resolve("10.0.0.1", &[(xff, "1.2.3.4, ")]), "10.0.0.1");
        assert_eq!(resolve("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn forwarded_is_read_and_may_not_contradict_the_other_field() {
        assert_eq!(resolve("10.0.0.1", &[("forwarded", "for=1.2.3.4;proto=https")]), "1.2.3.4");
        assert_eq!(
            resolve("10.0.0.1", &[("forwarded", "for=6.6.6.6, For=\"[2001:db8::1]:47\"; by=10.0.0.1")]),
            "2001:db8::1"
        );
        assert_eq!(resolve("10.0.0.1", &[("forwarded", "proto=https")]), "10.0.0.1");
        assert_eq!(resolve("10.0.0.1", &[("forwarded", "for=6.6.6.6"), ("x-forwarded-for", "1.2.3.4")]), "10.0.0.1");
        assert_eq!(resolve("10.0.0.1", &[("forwarded", "for=1.2.3.4"), ("x-forwarded-for", "1.2.3.4")]), "1.2.3.4");
    }
}
