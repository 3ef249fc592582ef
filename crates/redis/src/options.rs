//! What a client is told: where Redis is, how to log in, how long a request may wait.
//!
//! Made from the `redis` section; the files that it names have been read. Nothing here is contacted.

use std::fmt;
use std::time::Duration;

use ferrobase_base::Secret;
use ferrobase_base::config::{Atom, Host, Shown};

use crate::limits::Names;

/// Where one server listens: `host:port`, an IPv6 address in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Name or address, without brackets.
    pub host: Host,
    /// Port.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Atom for Address {
    fn kind() -> String {
        "`host:port`".to_owned()
    }

    fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.trim().rsplit_once(':')?;
        // Without brackets nobody could tell where an IPv6 address ends.
        if host.contains(':') && !host.starts_with('[') {
            return None;
        }
        let port = port.parse().ok().filter(|port| *port > 0)?;
        Some(Self { host: Host::parse(host)?, port })
    }

    fn spell(&self) -> Shown {
        Shown::Text(self.to_string())
    }
}

/// How Redis is laid out.
#[derive(Clone, Debug)]
pub enum Layout {
    /// One server.
    Single(Address),
    /// Sentinels name the primary.
    Sentinel {
        /// Where the sentinels are.
        sentinels: Vec<Address>,
        /// What they call the primary.
        primary: String,
        /// Their own login, which is not that of Redis.
        login: Login,
    },
    /// Keys are spread over several primaries.
    Cluster(Vec<Address>),
}

/// A login; both parts may be missing.
#[derive(Clone, Debug, Default)]
pub struct Login {
    /// User of an access control list.
    pub user: Option<String>,
    /// Password.
    pub password: Option<Secret>,
}

/// Certificates, PEM.
#[derive(Clone, Default)]
pub struct Tls {
    /// Whose certificates are good; the system's authorities when absent.
    pub authorities: Option<Vec<u8>>,
    /// Our own certificate and its key.
    pub client: Option<(Vec<u8>, Vec<u8>)>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (authorities, client) = (self.authorities.is_some(), self.client.is_some());
        f.debug_struct("Tls").field("authorities", &authorities).field("client", &client).finish()
    }
}

/// Everything that a client is told.
#[derive(Clone)]
pub struct Options {
    /// How Redis is laid out, and where.
    pub layout: Layout,
    /// Login at Redis.
    pub login: Login,
    /// Database number; a cluster has only 0.
    pub database: u32,
    /// TLS, for sentinels and servers alike.
    pub tls: Option<Tls>,
    /// What every key begins with.
    pub prefix: String,
    /// Keys the names of callers, the same on every node: whoever reads Redis cannot find a caller by trying addresses.
    pub key: [u8; 32],
    /// Longest wait of a request.
    pub timeout: Duration,
}

impl Options {
    /// How keys are named.
    pub(crate) fn names(&self) -> Names {
        Names::new(&self.prefix, self.key)
    }
}

/// Without the key of names.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("layout", &self.layout)
            .field("login", &self.login)
            .field("database", &self.database)
            .field("tls", &self.tls)
            .field("prefix", &self.prefix)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_name_a_host_and_a_port() {
        let parsed = |text: &str| Address::parse(text).map(|address| address.to_string());
        for text in ["localhost:6379", "10.0.0.1:26379", "[::1]:7000", "redis-1.example.net:1"] {
            assert_eq!(parsed(text).as_deref(), Some(text));
        }
        for text in ["localhost", "localhost:0", "localhost:70000", "::1:7000", ":6379", "a b:1", "redis://a:1", ""] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }
}
