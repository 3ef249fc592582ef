//! Who is at the other end: the address of the client, not of the proxy in front of us.
//!
//! `X-Forwarded-For` counts only when the connection itself comes from one of `server.trusted_proxies`; then the rightmost
//! address that is not a trusted proxy is the client. Everything further left was written by the client and proves nothing, and
//! so does `Forwarded` (RFC 7239): proxies that keep the other field pass it on as it came.
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
    // Where nothing readable stands in its place, the request counts as the proxy's own.
    Some(rightmost_untrusted(&hops(headers), trusted).unwrap_or(peer))
}

fn is_trusted(address: IpAddr, trusted: &[Cidr]) -> bool {
    trusted.iter().any(|network| network.contains(address))
}

/// The rightmost address that is no proxy of ours; where all are, the furthest.
fn rightmost_untrusted(hops: &[Option<IpAddr>], trusted: &[Cidr]) -> Option<IpAddr> {
    let mut furthest = None;
    for hop in hops.iter().rev() {
        furthest = *hop;
        if !is_trusted((*hop)?, trusted) {
            break;
        }
    }
    furthest
}

/// All `X-Forwarded-For` entries from left to right; none where one cannot be read.
fn hops(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let mut hops = Vec::new();
    for value in headers.get_all("x-forwarded-for") {
        let list = String::from_utf8_lossy(value.as_bytes());
        hops.extend(list.split(',').map(|entry| parse_node(entry.trim())));
    }
    hops
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
    fn sec_19_a_field_that_the_proxy_does_not_keep_changes_nothing() {
        for forwarded in ["for=6.6.6.6", "for=1.2.3.4", "for=_hidden", "proto=https", "for=10.0.0.9", ";;,="] {
            let fields = [("forwarded", forwarded), ("x-forwarded-for", "1.2.3.4")];
            assert_eq!(resolve("10.0.0.1", &fields), "1.2.3.4", "{forwarded}");
            assert_eq!(resolve("10.0.0.1", &fields[..1]), "10.0.0.1", "{forwarded}");
        }
    }
}
