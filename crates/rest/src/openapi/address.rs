//! Where callers reach the API, as the descriptions tell it.
//!
//! Told by the configuration and never read from a request: what a caller writes into `Host` must not come back in a
//! document that others may be handed. Pure.

use ferrobase_base::config::HttpUrl;

/// Scheme, host and port where they are known, and the path below which the API is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// None: wherever the document came from.
    pub origin: Option<Origin>,
    /// Begins with a slash.
    pub path: String,
}

/// Scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// `https` instead of `http`.
    pub is_https: bool,
    /// The host, IPv6 in brackets.
    pub host: String,
    /// The port, also where it is the scheme's own.
    pub port: u16,
}

impl Default for Address {
    fn default() -> Self {
        Self { origin: None, path: "/".to_owned() }
    }
}

impl Address {
    /// A room below `mount` of a server that is known as `public_url`.
    pub fn mounted(public_url: Option<&HttpUrl>, mount: &str) -> Self {
        let public = public_url.and_then(|url| Self::from_uri(url));
        let Some(public) = public else { return Self { origin: None, path: mount.to_owned() } };
        Self { path: format!("{}{mount}", public.path.trim_end_matches('/')), ..public }
    }

    /// The address of a proxy in front (`openapi-server-proxy-uri`); `None` for what is no http(s) URI with a host.
    pub fn from_uri(uri: &str) -> Option<Self> {
        let (scheme, rest) = uri.split_once("://")?;
        let is_https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (host, port) = host_and_port(authority)?;
        let path = path.split(['?', '#']).next().filter(|path| !path.is_empty()).unwrap_or("/");
        let port = port.unwrap_or(if is_https { 443 } else { 80 });
        Some(Self { origin: Some(Origin { is_https, host, port }), path: path.to_owned() })
    }

    /// A server that listens here and is reached directly; PostgREST's names for "every address" become one.
    pub fn listening(host: &str, port: u16) -> Self {
        let host = match host {
            "*" | "*4" | "!4" | "*6" | "!6" => "0.0.0.0",
            other => other,
        };
        let origin = Origin { is_https: false, host: host.to_owned(), port };
        Self { origin: Some(origin), path: "/".to_owned() }
    }

    /// As a URL without a slash at its end; only a path where the origin is not known.
    pub fn url(&self) -> String {
        let path = self.path.trim_end_matches('/');
        let Some(origin) = &self.origin else { return path.to_owned() };
        let Origin { is_https, host, port } = origin;
        match (is_https, port) {
            (true, 443) => format!("https://{host}{path}"),
            (false, 80) => format!("http://{host}{path}"),
            (true, port) => format!("https://{host}:{port}{path}"),
            (false, port) => format!("http://{host}:{port}{path}"),
        }
    }
}

impl Origin {
    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.is_https { "https" } else { "http" }
    }
}

fn host_and_port(authority: &str) -> Option<(String, Option<u16>)> {
    let split = if authority.ends_with(']') { None } else { authority.rsplit_once(':') };
    let (host, port) = match split {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (authority, None),
    };
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(address: &Address) -> String {
        let origin = address.origin.as_ref();
        let origin = origin.map_or("-".to_owned(), |o| format!("{} {}:{}", o.scheme(), o.host, o.port));
        format!("{origin} {}", address.path)
    }

    #[test]
    fn proxies_are_read() {
        let cases = [
            ("https://postgrest.com/openapi.json", "https postgrest.com:443 /openapi.json"),
            ("http://example.com", "http example.com:80 /"),
            ("HTTPS://example.com:8443/api/v1?x=1", "https example.com:8443 /api/v1"),
            ("http://user:word@[::1]:3000/", "http [::1]:3000 /"),
            ("http://[::1]/", "http [::1]:80 /"),
            ("http://example.com:", "http example.com:80 /"),
        ];
        for (uri, told) in cases {
            assert_eq!(Address::from_uri(uri).map(|address| parts(&address)).as_deref(), Some(told), "{uri}");
        }
        for uri in ["", "example.com", "ftp://example.com", "http://", "http://:80", "http://a:port/", "http://a:70000"]
        {
            assert_eq!(Address::from_uri(uri), None, "{uri}");
        }
    }

    #[test]
    fn a_room_is_below_the_public_address_or_wherever_the_document_came_from() {
        let url = HttpUrl::from_static;
        let cases = [
            (None, "- /rest/v1", "/rest/v1"),
            (
                Some(url("https://api.example.com")),
                "https api.example.com:443 /rest/v1",
                "https://api.example.com/rest/v1",
            ),
            (
                Some(url("http://localhost:8000/base")),
                "http localhost:8000 /base/rest/v1",
                "http://localhost:8000/base/rest/v1",
            ),
        ];
        for (public, told, as_url) in cases {
            let address = Address::mounted(public.as_ref(), "/rest/v1");
            assert_eq!((parts(&address).as_str(), address.url().as_str()), (told, as_url));
        }
    }

    #[test]
    fn a_listening_server_names_itself() {
        assert_eq!(parts(&Address::listening("!4", 3000)), "http 0.0.0.0:3000 /");
        assert_eq!(parts(&Address::listening("localhost", 3000)), "http localhost:3000 /");
    }
}
