//! Where browsers may be sent: the application's own host, this machine, and addresses that the operator listed.
//!
//! Whatever is not allowed is replaced, never an error (contract 2.6): by the page that the browser came from, if that is
//! allowed, else by `auth.site_url`.
//! Invariant: an address is judged as a browser reads it. Control characters, backslashes, users before the host and
//! schemes that run code are refused before any pattern is asked.

use std::net::IpAddr;

use crate::settings::Settings;

/// Longest address that anybody is sent to.
const LONGEST: usize = 4096;

/// The first of the wanted address and the page before that is allowed, else the application.
pub(crate) fn target(settings: &Settings, wanted: Option<&str>, referer: Option<&str>) -> String {
    let allowed = wanted.into_iter().chain(referer).find(|url| is_allowed(settings, url));
    allowed.unwrap_or(&settings.site_url).to_owned()
}

/// Whether browsers may be sent there.
pub(crate) fn is_allowed(settings: &Settings, url: &str) -> bool {
    let Some(address) = Address::read(url) else { return false };
    if let Some(site) = Address::read(&settings.site_url) {
        let is_same_host = address.scheme == site.scheme && address.host == site.host;
        if is_same_host && (address.port == site.port || site.is_loopback()) {
            return true;
        }
    }
    if address.is_web() && address.host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()) {
        return true;
    }
    let without_fragment = url.split('#').next().unwrap_or(url);
    let bare = without_fragment.split('?').next().unwrap_or(url);
    settings.section.redirect_urls.iter().any(|pattern| {
        // A pattern's host never takes over what stands in a path: `https://*.example.com` is no prefix.
        [without_fragment, bare].iter().any(|text| matches(pattern.as_bytes(), text.as_bytes()))
    })
}

/// The parts of an absolute address that count.
struct Address {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl Address {
    fn read(url: &str) -> Option<Self> {
        let is_clean =
            url.len() <= LONGEST && url.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\\"<>`{|}^".contains(&byte));
        let (scheme, rest) = url.split_once(':').filter(|_| is_clean)?;
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        let scheme = scheme.to_ascii_lowercase();
        if !is_scheme || ["javascript", "data", "vbscript", "blob", "file", "about"].contains(&scheme.as_str()) {
            return None;
        }
        let Some(rest) = rest.strip_prefix("//") else {
            // Applications on phones have addresses without a host; a browser would find one in `https:evil.example`.
            let has_host = ["http", "https", "ws", "wss", "ftp"].contains(&scheme.as_str());
            return (!has_host).then(|| Self { scheme, host: String::new(), port: None });
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return None;
        }
        let end = authority.rfind(']').map_or(0, |end| end + 1);
        let (host, port) = match authority[end..].find(':') {
            Some(colon) => (&authority[..end + colon], Some(authority[end + colon + 1..].parse().ok()?)),
            None => (authority, None),
        };
        let host = host.to_ascii_lowercase();
        let usual = match scheme.as_str() {
            "https" => Some(443),
            "http" => Some(80),
            _ => None,
        };
        if host.is_empty() && usual.is_some() {
            return None;
        }
        Some(Self { scheme, host, port: port.or(usual) })
    }

    fn is_web(&self) -> bool {
        ["http", "https"].contains(&self.scheme.as_str())
    }

    fn is_loopback(&self) -> bool {
        let host = self.host.trim_matches(['[', ']']);
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

/// Whether a pattern takes a whole text: `**` anything, `*` anything but what separates, `?` one that does not separate.
/// Linear in the text for each star, with no recursion: patterns are the operator's, texts are anybody's.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on when what followed a star did not fit: one for the last `*`, one for the last `**`.
    let (mut star, mut double): (Option<(usize, usize)>, Option<(usize, usize)>) = (None, None);
    loop {
        if p < pattern.len() && pattern[p] == b'*' {
            if pattern.get(p + 1) == Some(&b'*') {
                double = Some((p + 2, t));
                star = None;
                p += 2;
            } else {
                star = Some((p + 1, t));
                p += 1;
            }
            continue;
        }
        if t == text.len() && p == pattern.len() {
            return true;
        }
        let fits = t < text.len()
            && p < pattern.len()
            && (pattern[p] == text[t] || (pattern[p] == b'?' && !is_separator(text[t])));
        if fits {
            (p, t) = (p + 1, t + 1);
            continue;
        }
        match (star, double) {
            (Some((after, begin)), _) if begin < text.len() && !is_separator(text[begin]) => {
                star = Some((after, begin + 1));
                (p, t) = (after, begin + 1);
            }
            (_, Some((after, begin))) if begin < text.len() => {
                double = Some((after, begin + 1));
                star = None;
                (p, t) = (after, begin + 1);
            }
            _ => return false,
        }
    }
}

/// What ends a label of a host or a segment of a path.
fn is_separator(byte: u8) -> bool {
    byte == b'.' || byte == b'/'
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::SignInSection;

    fn settings(listed: &[&str]) -> Settings {
        let section = SignInSection {
            redirect_urls: listed.iter().map(|url| (*url).to_owned()).collect(),
            ..SignInSection::default()
        };
        let mut settings =
            Settings::new(&section, Duration::from_secs(3600), "https://api.example.com/auth/v1".into(), None);
        settings.site_url = "https://app.example.com/start".to_owned();
        settings
    }

    #[test]
    fn patterns_keep_to_their_part() {
        for (pattern, text, expected) in [
            ("https://*.example.com", "https://a.example.com", true),
            ("https://*.example.com", "https://a.b.example.com", false),
            ("https://*.example.com", "https://evil.com/a.example.com", false),
            ("https://a.example.com/*", "https://a.example.com/x", true),
            ("https://a.example.com/*", "https://a.example.com/x/y", false),
            ("https://a.example.com/*/z", "https://a.example.com/x/z", true),
            ("https://a.example.com/**", "https://a.example.com/x/y.z", true),
            ("https://a.example.com/**/end", "https://a.example.com/x/y/end", true),
            ("https://a.example.com/?", "https://a.example.com/x", true),
            ("https://a.example.com/?", "https://a.example.com/", false),
            ("app://**", "app://callback/x", true),
            ("https://pre-*-x.example.com/**", "https://pre-12-x.example.com/", true),
            ("**a*b", "xxaxxab", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn sec_browsers_are_sent_to_allowed_places_only() {
        let settings = settings(&["https://*.preview.example.net/**", "com.example.app:/callback", "myapp://**"]);
        for good in [
            "https://app.example.com",
            "https://app.example.com/other?x=1#y",
            "HTTPS://APP.example.com/",
            "https://app.example.com:443/",
            "http://127.0.0.1:5173/x",
            "http://[::1]:3000/",
            "https://a.preview.example.net/x?y=1",
            "com.example.app:/callback",
            "myapp://signed-in/now",
        ] {
            assert!(is_allowed(&settings, good), "{good}");
        }
        for bad in [
            "",
            "/relative",
            "//evil.example",
            "http://app.example.com/",
            "https://app.example.com:8443/",
            "https://app.example.com.evil.example/",
            "https://app.example.com@evil.example/",
            "https://evil.example/https://app.example.com",
            "https://evil.example\\@app.example.com/",
            "https://evil.example\\.preview.example.net/x",
            "https:evil.example",
            "https:///app.example.com",
            "https://evil.example#.preview.example.net/",
            "https://evil.example?.preview.example.net/",
            "https://a.b.preview.example.net/",
            "javascript:alert(1)//https://app.example.com",
            "data:text/html,x",
            "https://app.example.com/\r\nset-cookie: x=y",
            "https://app.example.com/ x",
            "https://app\u{2024}example.com/",
            "http://127.0.0.1.evil.example/",
            "http://2130706433/",
            "com.example.app:/callback2",
        ] {
            assert!(!is_allowed(&settings, bad), "{bad:?}");
        }
    }

    #[test]
    fn what_is_refused_is_replaced() {
        let settings = settings(&[]);
        assert_eq!(
            target(&settings, Some("https://evil.example"), Some("https://app.example.com/p")),
            "https://app.example.com/p"
        );
        assert_eq!(target(&settings, Some("https://evil.example"), Some("https://evil.example")), settings.site_url);
        assert_eq!(target(&settings, None, None), settings.site_url);
    }

    #[test]
    fn a_port_counts_except_on_this_machine() {
        let mut settings = settings(&[]);
        settings.site_url = "http://localhost:3000".to_owned();
        assert!(is_allowed(&settings, "http://localhost:5173/x"));
        assert!(!is_allowed(&settings, "https://localhost:5173/x"));
    }
}
