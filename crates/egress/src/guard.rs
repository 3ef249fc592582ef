//! Which addresses may be called (security 6).
//!
//! Only what the public internet routes; everything else (this machine, its networks, cloud metadata, forms of IPv6 that
//! carry an IPv4 address past a simple check) needs a network that the operator listed in `security.egress_allow`.
//! Invariant: an address of a kind that is not known here is refused.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ferrobase_base::config::Cidr;

/// Why an address is not public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Realm {
    /// This machine.
    Loopback,
    /// A network of an organisation or a carrier.
    Private,
    /// The local link; cloud metadata lives there.
    LinkLocal,
    /// Many hosts at once.
    Multicast,
    /// No host at all.
    Unspecified,
    /// An IPv4 address inside an IPv6 one, which may end anywhere.
    Embedded,
    /// Reserved, for documentation, or of no known kind.
    Reserved,
}

impl fmt::Display for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::LinkLocal => "link-local",
            Self::Multicast => "multicast",
            Self::Unspecified => "unspecified",
            Self::Embedded => "IPv4-in-IPv6",
            Self::Reserved => "reserved",
        })
    }
}

/// The rule of one client.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    allowed: Vec<Cidr>,
    /// The operator wrote the host itself: this machine and its networks are meant.
    is_named: bool,
}

impl Guard {
    /// Public addresses, and those in these networks.
    pub fn allowing(allowed: Vec<Cidr>) -> Self {
        Self { allowed, is_named: false }
    }

    /// Public addresses, this machine and private networks: for a host that the operator named as such. The local link
    /// stays closed, because a name that leads there was not meant to.
    pub fn for_named() -> Self {
        Self { allowed: Vec::new(), is_named: true }
    }

    /// Lets an address pass.
    ///
    /// # Errors
    /// What kind of address it is, when it may not be called.
    pub fn check(&self, address: IpAddr) -> Result<(), Realm> {
        if self.allowed.iter().any(|network| network.contains(address)) {
            return Ok(());
        }
        let realm = match address {
            IpAddr::V4(address) => realm_v4(address),
            IpAddr::V6(address) => realm_v6(address),
        };
        match realm {
            None => Ok(()),
            Some(Realm::Loopback | Realm::Private) if self.is_named && !METADATA.contains(&address) => Ok(()),
            Some(realm) => Err(realm),
        }
    }
}

/// Where clouds keep metadata outside of the local link.
const METADATA: [IpAddr; 2] =
    [IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)), IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200))];

fn realm_v4(address: Ipv4Addr) -> Option<Realm> {
    match address.octets() {
        [0, ..] => Some(Realm::Unspecified),
        [127, ..] => Some(Realm::Loopback),
        [169, 254, ..] => Some(Realm::LinkLocal),
        // The second line is what carriers and some clouds put between themselves and their customers.
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some(Realm::Private),
        [100, 64..=127, ..] => Some(Realm::Private),
        [224..=239, ..] => Some(Realm::Multicast),
        [240..=255, ..] | [192, 0, 0 | 2, _] | [192, 88, 99, _] => Some(Realm::Reserved),
        [198, 18..=19, ..] | [198, 51, 100, _] | [203, 0, 113, _] => Some(Realm::Reserved),
        _ => None,
    }
}

fn realm_v6(address: Ipv6Addr) -> Option<Realm> {
    if address.to_ipv4_mapped().is_some() {
        return Some(Realm::Embedded);
    }
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some(Realm::Unspecified),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some(Realm::Loopback),
        // Hosts with IPv6 only reach IPv4 ones through this prefix: their resolver makes such addresses for everybody.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => realm_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))),
        [0, ..] | [0x64, 0xff9b, 1, ..] | [0x2001, 0, ..] | [0x2002, ..] => Some(Realm::Embedded),
        [0xfc00..=0xfdff, ..] => Some(Realm::Private),
        [0xfe80..=0xfeff, ..] => Some(Realm::LinkLocal),
        [0xff00..=0xffff, ..] => Some(Realm::Multicast),
        [0x2001, 0x1..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Some(Realm::Reserved),
        [0x2000..=0x3fff, ..] => None,
        _ => Some(Realm::Reserved),
    }
}

#[cfg(test)]
mod tests {
    use ferrobase_base::config::Atom;

    use super::*;

    #[test]
    fn sec_06_only_public_addresses_pass() {
        let guard = Guard::default();
        for (text, expected) in [
            ("127.0.0.1", Some(Realm::Loopback)),
            ("127.255.255.254", Some(Realm::Loopback)),
            ("0.0.0.0", Some(Realm::Unspecified)),
            ("0.1.2.3", Some(Realm::Unspecified)),
            ("10.0.0.1", Some(Realm::Private)),
            ("172.16.0.1", Some(Realm::Private)),
            ("172.31.255.255", Some(Realm::Private)),
            ("172.32.0.1", None),
            ("192.168.0.1", Some(Realm::Private)),
            ("100.100.100.200", Some(Realm::Private)),
            ("100.128.0.1", None),
            ("169.254.169.254", Some(Realm::LinkLocal)),
            ("192.0.0.192", Some(Realm::Reserved)),
            ("198.18.0.1", Some(Realm::Reserved)),
            ("224.0.0.1", Some(Realm::Multicast)),
            ("255.255.255.255", Some(Realm::Reserved)),
            ("8.8.8.8", None),
            ("::", Some(Realm::Unspecified)),
            ("::1", Some(Realm::Loopback)),
            ("::ffff:127.0.0.1", Some(Realm::Embedded)),
            ("::ffff:8.8.8.8", Some(Realm::Embedded)),
            ("::7f00:1", Some(Realm::Embedded)),
            ("64:ff9b::127.0.0.1", Some(Realm::Loopback)),
            ("64:ff9b::8.8.8.8", None),
            ("64:ff9b:1::1", Some(Realm::Embedded)),
            ("2002:7f00:1::", Some(Realm::Embedded)),
            ("2001:0:1::1", Some(Realm::Embedded)),
            ("fd00:ec2::254", Some(Realm::Private)),
            ("fe80::1", Some(Realm::LinkLocal)),
            ("fec0::1", Some(Realm::LinkLocal)),
            ("ff02::1", Some(Realm::Multicast)),
            ("2001:db8::1", Some(Realm::Reserved)),
            ("4000::1", Some(Realm::Reserved)),
            ("2606:4700::1111", None),
        ] {
            assert_eq!(guard.check(text.parse().unwrap()).err(), expected, "{text}");
        }
    }

    #[test]
    fn listed_networks_pass_and_nothing_beside_them() {
        let guard = Guard::allowing(vec![Cidr::parse("10.1.0.0/16").unwrap(), Cidr::parse("::1").unwrap()]);
        for (text, passes) in [("10.1.2.3", true), ("10.2.0.1", false), ("::1", true), ("127.0.0.1", false)] {
            assert_eq!(guard.check(text.parse().unwrap()).is_ok(), passes, "{text}");
        }
    }

    #[test]
    fn sec_06_a_host_that_the_operator_named_is_on_this_machine_or_in_a_network_and_never_on_the_link() {
        let guard = Guard::for_named();
        for (text, passes) in [
            ("127.0.0.1", true),
            ("10.1.2.3", true),
            ("fd00::1", true),
            ("8.8.8.8", true),
            ("169.254.169.254", false),
            ("fe80::1", false),
            ("0.0.0.0", false),
            ("::ffff:127.0.0.1", false),
            ("224.0.0.1", false),
        ] {
            assert_eq!(guard.check(text.parse().unwrap()).is_ok(), passes, "{text}");
        }
    }
}
