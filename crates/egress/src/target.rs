//! Where a call goes: an `http` or `https` URL taken apart, and where a redirect leads from there.
//!
//! Invariant: a target carries no user or password, so nothing of the kind can travel along a redirect.

use http::Uri;

use crate::error::Error;

/// Longest URL that is followed.
const LONGEST: usize = 4096;

/// A URL that can be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) is_https: bool,
    /// Without brackets, as resolvers and certificates know it.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Host and port as written, for `Host`.
    pub(crate) authority: String,
    /// Path and query.
    pub(crate) path: String,
}

impl Target {
    /// Reads a URL.
    pub(crate) fn parse(url: &str) -> Result<Self, Error> {
        let bad = |reason| Error::Url { reason };
        if url.len() > LONGEST {
            return Err(bad("it is longer than 4096 bytes"));
        }
        let url = url.split('#').next().unwrap_or(url);
        let uri: Uri = url.parse().map_err(|_| bad("it is malformed"))?;
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(bad("it begins with neither https:// nor http://")),
        };
        let authority = uri.authority().ok_or_else(|| bad("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(bad("it carries a user name"));
        }
        let written = authority.host();
        let host = written.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(bad("it names no host"));
        }
        let port = match authority.as_str()[written.len()..].strip_prefix(':') {
            Some(port) => port.parse().map_err(|_| bad("its port is no number below 65536"))?,
            None if is_https => 443,
            None => 80,
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { is_https, host: host.to_owned(), port, authority: authority.as_str().to_owned(), path })
    }

    /// Where `Location` leads (RFC 3986, 5.2; what stands for the folder above is left to the server).
    pub(crate) fn join(&self, location: &str) -> Result<Self, Error> {
        let scheme = if self.is_https { "https" } else { "http" };
        let next = if location.contains("://") && !location.starts_with(['/', '?']) {
            Self::parse(location)?
        } else if location.starts_with("//") {
            Self::parse(&format!("{scheme}:{location}"))?
        } else {
            let folder = self.path.split('?').next().unwrap_or("/");
            let path = match location.as_bytes().first() {
                Some(b'/') => location.to_owned(),
                Some(b'?') | None => format!("{folder}{location}"),
                Some(_) => format!("{}{location}", &folder[..folder.rfind('/').map_or(0, |slash| slash + 1)]),
            };
            Self::parse(&format!("{scheme}://{}{path}", self.authority))?
        };
        if self.is_https && !next.is_https {
            return Err(Error::Downgrade { host: next.host });
        }
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let target = Target::parse("https://[::1]:8443/a/b?c=d#e").unwrap();
        assert_eq!((target.host.as_str(), target.port, target.path.as_str()), ("::1", 8443, "/a/b?c=d"));
        let target = Target::parse("http://example.com").unwrap();
        assert_eq!((target.is_https, target.port, target.path.as_str()), (false, 80, "/"));
        for bad in ["ftp://h/", "/path", "h", "http://", "https://user:pw@h/", "https://h:70000/", "https://h/\r\nX: y"]
        {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
        assert!(Target::parse(&format!("https://h/{}", "x".repeat(LONGEST))).is_err());
    }

    #[test]
    fn redirects_lead_on() {
        let from = Target::parse("https://a.example:444/x/y?z").unwrap();
        let at = |location: &str| from.join(location).map(|t| format!("{} {} {}", t.host, t.port, t.path));
        for (location, expected) in [
            ("https://b.example/q", "b.example 443 /q"),
            ("//b.example/q", "b.example 443 /q"),
            ("/q", "a.example 444 /q"),
            ("q?r=https://c", "a.example 444 /x/q?r=https://c"),
            ("?r", "a.example 444 /x/y?r"),
        ] {
            match at(location) {
                Ok(next) => assert_eq!(next, expected, "{location}"),
                Err(error) => assert_eq!(location, "q?r=https://c", "{error}"),
            }
        }
        assert!(matches!(at("http://a.example/"), Err(Error::Downgrade { .. })));
        assert!(at("https://user@b.example/").is_err());
    }
}
