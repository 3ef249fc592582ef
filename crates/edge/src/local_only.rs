//! `dev`, and `/debug` of the admin port, answer this machine's own pages only (security 27).
//!
//! A server on loopback is still reachable through the browser of whoever runs it: any web site can send requests to
//! `localhost`, and a name under its control can be pointed there (DNS rebinding). So the address that a request was
//! sent to must be this machine's, and a page that sends it must have been loaded from here.
//! Invariant: requests without `Host` and `Origin` pass; browsers, which this is about, always send them.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use ferrobase_base::PublicError;
use ferrobase_base::config::HttpUrl;
use http::HeaderMap;
use http::Uri;
use http::header::{HOST, ORIGIN};

use crate::{error, refusal};

/// The names under which this machine's server may be called.
#[derive(Clone, Debug, Default)]
pub struct LocalOnly {
    /// Beside the loopback names: the host of `server.public_url`.
    public: Option<String>,
    /// Whether any address will do, as long as it is no name: names can be pointed here, addresses cannot.
    by_address: bool,
}

impl LocalOnly {
    /// Loopback names, and the host of the public URL where one is configured.
    pub fn new(public_url: Option<&HttpUrl>) -> Self {
        Self { public: public_url.map(|url| host_of(url.authority()).to_ascii_lowercase()), by_address: false }
    }

    /// The same for a port that may be bound to any of the machine's addresses.
    #[must_use]
    pub fn or_by_address(self) -> Self {
        Self { by_address: true, ..self }
    }

    /// Refuses a request that was sent to another name or from a page of another machine.
    pub(crate) fn check(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), PublicError> {
        let in_field = headers.get(HOST).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let authority = uri.authority().map(|authority| authority.as_str().to_owned()).or(in_field);
        if authority.is_some_and(|authority| !self.is_ours(host_of(&authority))) {
            return Err(refusal::foreign("Host"));
        }
        let origin = headers.get(ORIGIN).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        match origin.as_deref().map(|origin| origin.split_once("://")) {
            None => Ok(()),
            Some(Some((_, authority))) if self.is_ours(host_of(authority)) => Ok(()),
            Some(_) => Err(refusal::foreign("Origin")),
        }
    }

    fn is_ours(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        address.is_ok_and(|address| self.by_address || address.to_canonical().is_loopback())
            || host == "localhost"
            || host.ends_with(".localhost")
            || self.public.as_deref() == Some(&*host)
    }
}

/// The routes, for requests that pass the rule.
pub fn guarded(router: Router, rule: LocalOnly) -> Router {
    let rule = Arc::new(rule);
    router.layer(middleware::from_fn(move |request: Request, next: Next| {
        let checked = rule.check(request.headers(), request.uri());
        async move {
            match checked {
                Ok(()) => next.run(request).await,
                Err(refusal) => error::response(&refusal),
            }
        }
    }))
}

/// Host without port; an IPv6 address keeps its brackets.
fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use ferrobase_base::config::Atom;

    use super::*;

    fn allowed(rule: &LocalOnly, host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        rule.check(&headers, &Uri::from_static("/rest/v1/todos")).is_ok()
    }

    #[test]
    fn sec_27_dev_checks_host_and_origin() {
        let rule = LocalOnly::default();
        for host in ["localhost:8000", "127.0.0.1", "127.0.0.5:1", "[::1]:8000", "app.localhost:3000", "LOCALHOST."] {
            assert!(allowed(&rule, host, None), "{host}");
        }
        for host in ["evil.example", "evil.example:8000", "localhost.evil.example", "192.168.1.5:8000", "0.0.0.0:8000"]
        {
            assert!(!allowed(&rule, host, None), "{host}");
        }
        assert!(allowed(&rule, "localhost:8000", Some("http://localhost:5173")));
        for origin in ["https://evil.example", "null", "http://localhost.evil.example", "file://"] {
            assert!(!allowed(&rule, "localhost:8000", Some(origin)), "{origin}");
        }
        let anywhere = LocalOnly::default().or_by_address();
        assert!(allowed(&anywhere, "192.168.1.5:8000", None) && allowed(&anywhere, "localhost", None));
        assert!(!allowed(&anywhere, "evil.example:8000", None), "a name can be pointed at any address");
        let public = LocalOnly::new(Some(&HttpUrl::parse("https://dev.example.com:8443").unwrap()));
        assert!(allowed(&public, "dev.example.com", Some("https://dev.example.com")));
        assert!(!allowed(&public, "other.example.com", None));
    }
}
