//! Addresses: hosts, networks, URLs, origins and words of HTTP.
//!
//! Each is checked once, when the configuration is read, and normalised to the form in which it is compared later.
//! Nothing is resolved or contacted. Invariant: none of these can carry a line break into a response field.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::ops::Deref;

use super::{Atom, Shown};

/// Declares a checked text that reads as `str`.
macro_rules! checked_text {
    ($(#[$doc:meta])+ $name:ident, $kind:literal, $check:expr) => {
        checked_text!($(#[$doc])+ $name, $kind, $check, |_| None);
    };
    ($(#[$doc:meta])+ $name:ident, $kind:literal, $check:expr, $why_not:expr) => {
        $(#[$doc])+
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// A value that is known to be right: for defaults.
            ///
            /// # Panics
            /// When it is not, which the test of the defaults would show.
            pub fn from_static(text: &'static str) -> Self {
                <Self as Atom>::parse(text).expect("a default must be a value that could be configured")
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Atom for $name {
            fn kind() -> String {
                $kind.to_owned()
            }

            fn parse(text: &str) -> Option<Self> {
                let check: fn(&str) -> Option<String> = $check;
                check(text.trim()).map(Self)
            }

            fn why_not(text: &str) -> Option<&'static str> {
                let why_not: fn(&str) -> Option<&'static str> = $why_not;
                why_not(text.trim())
            }

            fn spell(&self) -> Shown {
                Shown::Text(self.0.clone())
            }
        }
    };
}

pub(crate) use checked_text;

checked_text!(
    /// A host name or an IP address, without port; IPv6 without brackets.
    Host, "a host name or address", host
);

checked_text!(
    /// An `http` or `https` URL without user, password or fragment, and without a slash at its end.
    HttpUrl, "an http(s) URL", http_url, |text| has_login(text).then_some("a login in it is not taken")
);

checked_text!(
    /// An origin as browsers send it (`https://app.example.com`, lower case, no path), or `*` for any.
    Origin, "an origin such as `https://app.example.com`, or `*`", origin
);

checked_text!(
    /// A method or field name of HTTP (RFC 9110 token), or `*` for any.
    HttpToken, "a name of HTTP", |text| (!text.is_empty() && text.bytes().all(is_token)).then(|| text.to_owned())
);

checked_text!(
    /// The value of a response field: visible ASCII and spaces.
    HeaderText, "text of visible ASCII", |text| {
        (!text.is_empty() && text.bytes().all(|b| b == b' ' || b.is_ascii_graphic())).then(|| text.to_owned())
    }
);

impl Host {
    /// The address, when it is one.
    pub fn address(&self) -> Option<IpAddr> {
        self.0.parse().ok()
    }
}

impl Origin {
    /// Whether it stands for every origin.
    pub fn is_any(&self) -> bool {
        self.0 == "*"
    }
}

impl HttpToken {
    /// Whether it stands for every name.
    pub fn is_any(&self) -> bool {
        self.0 == "*"
    }
}

impl HttpUrl {
    /// Whether it is `https`.
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// Host and port as written: `localhost:4318`.
    pub fn authority(&self) -> &str {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        rest.split(['/', '?']).next().unwrap_or(rest)
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn host(text: &str) -> Option<String> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    if bare.parse::<IpAddr>().is_ok() {
        return Some(bare.to_owned());
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    // A trailing dot is a rooted name. Names of digits only would be broken addresses.
    let name = text.strip_suffix('.').unwrap_or(text);
    let numeric = name.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    (name.len() <= 253 && !numeric && name.split('.').all(label)).then(|| text.to_owned())
}

fn authority(text: &str) -> Option<()> {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (text, None),
    };
    if let Some(port) = port {
        port.parse::<u16>().ok()?;
    }
    host(name).map(|_| ())
}

fn scheme(text: &str) -> Option<(&'static str, &str)> {
    ["https://", "http://"].into_iter().find_map(|scheme| {
        let head = text.get(..scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then(|| (scheme, &text[scheme.len()..]))
    })
}

/// Whether an address has a user or a password in it, whatever its scheme.
pub fn has_login(text: &str) -> bool {
    text.split_once("://").is_some_and(|(_, rest)| rest.split(['/', '?', '#']).next().is_some_and(|a| a.contains('@')))
}

fn http_url(text: &str) -> Option<String> {
    let (scheme, rest) = scheme(text)?;
    if rest.bytes().any(|b| !b.is_ascii_graphic() || b"#\"<>\\".contains(&b)) {
        return None;
    }
    authority(rest.split(['/', '?']).next()?)?;
    Some(format!("{scheme}{}", rest.trim_end_matches('/')))
}

fn origin(text: &str) -> Option<String> {
    if text == "*" {
        return Some(text.to_owned());
    }
    let (scheme, rest) = scheme(text)?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    authority(rest)?;
    // Browsers leave the default port out.
    let default_port = if scheme == "https://" { ":443" } else { ":80" };
    let rest = rest.strip_suffix(default_port).unwrap_or(rest);
    Some(format!("{scheme}{}", rest.to_ascii_lowercase()))
}

/// A network: `10.0.0.0/8`, `fd00::/8`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// Whether every address of its family lies in it.
    pub fn is_everything(&self) -> bool {
        self.prefix == 0
    }

    /// Whether the address lies in this network. An IPv4 address that arrives mapped into IPv6 counts as itself.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                same_prefix(net.to_ipv6_mapped(), ip.to_ipv6_mapped(), self.prefix + 96)
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => same_prefix(net, ip, self.prefix),
            _ => false,
        }
    }
}

fn same_prefix(a: Ipv6Addr, b: Ipv6Addr, prefix: u8) -> bool {
    let differing = u128::from(a) ^ u128::from(b);
    differing.leading_zeros() >= u32::from(prefix)
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Atom for Cidr {
    fn kind() -> String {
        "a network such as `10.0.0.0/8`".to_owned()
    }

    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().ok().filter(|prefix| *prefix <= longest)?,
            None => longest,
        };
        Some(Self { address, prefix })
    }

    fn spell(&self) -> Shown {
        Shown::Text(self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled<T: Atom + fmt::Display>(text: &str) -> Option<String> {
        T::parse(text).map(|value| value.to_string())
    }

    #[test]
    fn hosts() {
        for good in ["localhost", "db-1.example.com", "db_1", "10.0.0.1", "::1", "example.com."] {
            assert_eq!(spelled::<Host>(good).as_deref(), Some(good));
        }
        assert_eq!(spelled::<Host>("[::1]").as_deref(), Some("::1"));
        for bad in ["", "a b", "host:80", "http://host", "999.1.1.1", "1234", "a..b", &"x".repeat(300)] {
            assert_eq!(spelled::<Host>(bad), None, "{bad}");
        }
    }

    #[test]
    fn urls() {
        let cases = [
            ("https://cdn.example.com", Some("https://cdn.example.com")),
            ("https://cdn.example.com/", Some("https://cdn.example.com")),
            ("HTTP://jaeger:14268/api/traces", Some("http://jaeger:14268/api/traces")),
            ("http://[::1]:80/x?y=1", Some("http://[::1]:80/x?y=1")),
            ("http://", None),
            ("http://user:password@host", None),
            ("ftp://host", None),
            ("http://host:99999", None),
            ("http://ho st", None),
            ("http://host/#x", None),
            ("host", None),
        ];
        for (text, url) in cases {
            assert_eq!(spelled::<HttpUrl>(text).as_deref(), url, "{text}");
        }
    }

    #[test]
    fn a_login_is_the_reason_why_a_url_is_refused() {
        for (text, is_reason) in [
            ("http://user:password@host", true),
            ("http://user@host/x", true),
            ("http://host/a@b:c", false),
            ("http://ho st", false),
            ("user@host", false),
        ] {
            assert_eq!(HttpUrl::why_not(text).is_some(), is_reason, "{text}");
        }
    }

    #[test]
    fn origins_are_as_browsers_send_them() {
        let cases = [
            ("*", Some("*")),
            ("https://App.Example.com", Some("https://app.example.com")),
            ("https://app.example.com/", Some("https://app.example.com")),
            ("https://app.example.com:443", Some("https://app.example.com")),
            ("http://localhost:3000", Some("http://localhost:3000")),
            ("https://app.example.com/path", None),
            ("app.example.com", None),
            ("null", None),
        ];
        for (text, origin) in cases {
            assert_eq!(spelled::<Origin>(text).as_deref(), origin, "{text}");
        }
    }

    #[test]
    fn networks() {
        let inside = |network: &str, address: &str| Cidr::parse(network).unwrap().contains(address.parse().unwrap());
        assert!(inside("10.0.0.0/8", "10.255.1.2"));
        assert!(!inside("10.0.0.0/8", "11.0.0.1"));
        assert!(inside("10.0.0.0/8", "::ffff:10.1.1.1"));
        assert!(inside("192.168.1.7", "192.168.1.7"));
        assert!(!inside("192.168.1.7", "192.168.1.8"));
        assert!(inside("fd00::/8", "fd12::1"));
        assert!(!inside("fd00::/8", "fe80::1"));
        assert!(inside("0.0.0.0/0", "8.8.8.8"));
        assert!(!inside("0.0.0.0/0", "::1"));
        assert!(!inside("::/0", "8.8.8.8"), "an IPv4 caller is never trusted through a rule for IPv6");
        for bad in ["10.0.0.0/33", "::/129", "10.0.0/8", "x/8", "10.0.0.0/-1", "10.0.0.0/"] {
            assert!(Cidr::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn response_fields_cannot_be_split() {
        assert!(HeaderText::parse("default-src 'self'; img-src data:").is_some());
        assert!(HeaderText::parse("a\r\nSet-Cookie: b").is_none());
        assert!(HttpToken::parse("X-Total-Count").is_some());
        assert!(HttpToken::parse("X Total").is_none());
    }
}
