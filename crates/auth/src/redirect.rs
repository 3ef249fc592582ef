//! Where browsers may be sent: the application, this machine, and what `auth.redirect_urls` allows (contract 2.6).
//!
//! Whatever else somebody asks for is not an error: people land at the application instead. An address is judged as browsers
//! read it (WHATWG URL), and one that they would read differently from how it is written is not taken.
//! Invariant: nothing here leads to a scheme that runs code.

use url::{Host, Url, form_urlencoded};

/// Schemes that run code or show files.
const NEVER: [&str; 9] = ["javascript", "data", "vbscript", "file", "blob", "about", "view-source", "filesystem", "ws"];
const LONGEST: usize = 2048;

/// Where somebody lands: the wanted place, else the page that they come from, else the application.
pub fn choose(site: &str, allowed: &[String], wanted: Option<&str>, referer: Option<&str>) -> String {
    let places = [wanted, referer];
    let good = places.into_iter().flatten().find(|place| is_allowed(site, allowed, place));
    good.unwrap_or(site).to_owned()
}

/// Whether browsers may be sent there.
pub fn is_allowed(site: &str, allowed: &[String], place: &str) -> bool {
    if place.len() > LONGEST || place.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
        return false;
    }
    let Some(url) = Url::parse(place).ok().filter(is_plain) else { return false };
    let is_web = matches!(url.scheme(), "http" | "https");
    (is_web && (is_site(site, &url) || is_loopback_address(&url)))
        || allowed.iter().any(|pattern| matches(pattern, &url))
}

/// Has a host, no login, and a scheme that is a place.
fn is_plain(url: &Url) -> bool {
    url.has_host() && url.username().is_empty() && url.password().is_none() && !NEVER.contains(&url.scheme())
}

fn is_site(site: &str, url: &Url) -> bool {
    let Ok(site) = Url::parse(site) else { return false };
    let is_same_port = site.port_or_known_default() == url.port_or_known_default();
    site.scheme() == url.scheme() && site.host() == url.host() && (is_same_port || is_loopback(&site))
}

fn is_loopback(url: &Url) -> bool {
    url.host_str() == Some("localhost") || is_loopback_address(url)
}

fn is_loopback_address(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        _ => false,
    }
}

/// A pattern's beginning is compared with scheme, host and port, the rest with path and query: no wildcard of the one
/// reaches into the other, so `https://*.example.com/**` is never another host with that text in its path.
fn matches(pattern: &str, url: &Url) -> bool {
    let Some((scheme, rest)) = pattern.split_once("://") else { return false };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = url.host_str().unwrap_or_default();
    let address = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let place = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let is_path = match path {
        // `myapp://**` and the like mean everything there.
        "" if authority.ends_with("**") => true,
        "" => matches!(place.as_str(), "" | "/"),
        path => glob(path.as_bytes(), place.as_bytes()),
    };
    is_path && glob(scheme.as_bytes(), url.scheme().as_bytes()) && glob(authority.as_bytes(), address.as_bytes())
}

/// `*` is any text without a dot or slash, `**` any text, `?` one character.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    // Which lengths of the text the pattern so far can be: no backtracking, whatever somebody writes.
    let mut ends = vec![false; text.len() + 1];
    ends[0] = true;
    let mut rest = pattern;
    while let Some((first, after)) = rest.split_first() {
        let is_double = *first == b'*' && after.first() == Some(&b'*');
        let mut next = vec![false; text.len() + 1];
        match first {
            b'*' => {
                let mut reached = false;
                for (at, end) in ends.iter().enumerate() {
                    reached |= end;
                    next[at] = reached;
                    let is_end = text.get(at).is_none_or(|byte| !is_double && matches!(byte, b'.' | b'/'));
                    reached &= !is_end;
                }
            }
            byte => {
                for at in (0..text.len()).filter(|at| ends[*at]) {
                    next[at + 1] = text[at] == *byte || (*byte == b'?' && !matches!(text[at], b'.' | b'/'));
                }
            }
        }
        ends = next;
        rest = if is_double { &after[1..] } else { after };
    }
    ends[text.len()]
}

/// An address with values in its query; others that it has stay.
pub fn with_query(place: &str, values: &[(&str, &str)]) -> String {
    let Ok(mut url) = Url::parse(place) else { return place.to_owned() };
    url.query_pairs_mut().extend_pairs(values);
    url.into()
}

/// An address with values behind its `#`, where they stay in the browser.
pub fn with_fragment(place: &str, values: &[(&str, &str)]) -> String {
    let fragment = form_urlencoded::Serializer::new(String::new()).extend_pairs(values).finish();
    let place = place.split_once('#').map_or(place, |(place, _)| place);
    format!("{place}#{fragment}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: &str = "https://app.example.com";

    fn allowed(patterns: &[&str], place: &str) -> bool {
        let patterns: Vec<String> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
        is_allowed(SITE, &patterns, place)
    }

    #[test]
    fn the_site_and_this_machine_are_allowed() {
        for good in [
            "https://app.example.com",
            "https://app.example.com/welcome?a=b#c",
            "https://APP.example.com:443/x",
            "http://127.0.0.1:5173/callback",
            "http://[::1]:3000/",
        ] {
            assert!(allowed(&[], good), "{good}");
        }
        assert!(is_allowed("http://localhost:3000", &[], "http://localhost:9999/welcome"));
    }

    #[test]
    fn sec_nothing_else_is() {
        for bad in [
            "https://evil.example",
            "http://app.example.com/",
            "https://app.example.com:8443/",
            "https://app.example.com.evil.example/",
            "https://app.example.com@evil.example/",
            "https://app.example.com:pass@app.example.com/",
            "//evil.example/",
            "/\\evil.example",
            "https:\\\\evil.example\\",
            "https:/\\evil.example",
            "https://evil.example\\@app.example.com",
            "javascript:alert(1)",
            "javascript://app.example.com/%0aalert(1)",
            "data:text/html,<script>alert(1)</script>",
            "java\nscript:alert(1)",
            " https://app.example.com",
            "https://app.example.com/\r\nSet-Cookie: a=b",
            "http://2130706433.evil.example/",
            "http://localhost:3000/",
            "",
        ] {
            assert!(!allowed(&[], bad), "{bad:?}");
            assert_eq!(choose(SITE, &[], Some(bad), None), SITE);
        }
        assert!(!allowed(&["**", "*://**", "javascript://**"], "javascript://x/%0aalert(1)"));
        assert!(!allowed(&["https://**.example.com/**"], "https://evil.example/x.example.com/"));
        assert!(!allowed(&["https://*.example.com"], "https://evil.test?.example.com"));
        assert!(!allowed(&["https://app.test/**"], "https://app.test@evil.example/"));
    }

    #[test]
    fn wildcards_stay_in_their_part() {
        for (pattern, place, expected) in [
            ("https://*.vercel.app", "https://one.vercel.app/", true),
            ("https://*.vercel.app", "https://a.b.vercel.app/", false),
            ("https://*.vercel.app/**", "https://one.vercel.app/a/b?c=d", true),
            ("https://*-team.vercel.app/*", "https://x-team.vercel.app/a", true),
            ("https://*-team.vercel.app/*", "https://x-team.vercel.app/a/b", false),
            ("https://x.test/a?c", "https://x.test/abc", true),
            ("https://x.test/a?c", "https://x.test/a/c", false),
            ("https://x.test/", "https://x.test", true),
            ("https://x.test/only", "https://x.test/other", false),
            ("http://localhost:*/**", "http://localhost:4000/x", true),
            ("com.example.app://callback", "com.example.app://callback", true),
            ("com.example.app://**", "com.example.app://login/done?x=y", true),
            ("com.example.app://**", "com.evil.app://login", false),
            ("https://**", "https://anything.example/at/all", true),
        ] {
            assert_eq!(allowed(&[pattern], place), expected, "{pattern} {place}");
        }
        assert!(!glob(&b"*a".repeat(200), &b"b".repeat(2000)), "and no pattern takes long");
    }

    #[test]
    fn values_go_into_an_address_escaped() {
        assert_eq!(with_query("https://x.test/a?b=c#d", &[("code", "1&2")]), "https://x.test/a?b=c&code=1%262#d");
        assert_eq!(with_fragment("https://x.test/a#old", &[("error", "a b#c")]), "https://x.test/a#error=a+b%23c");
    }

    #[test]
    fn the_page_that_somebody_comes_from_is_next() {
        let referer = Some("https://app.example.com/login");
        assert_eq!(choose(SITE, &[], Some("https://evil.example"), referer), "https://app.example.com/login");
        assert_eq!(choose(SITE, &[], None, Some("https://evil.example")), SITE);
    }
}
