//! Where a server listens: a name and port, or a folder of Unix sockets.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// The port of PostgreSQL when none is given.
pub(crate) const DEFAULT_PORT: u16 = 5432;

/// One place where the server may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A TCP endpoint.
    Tcp {
        /// Name or address; also what the server's certificate must be for.
        name: String,
        /// The address to use instead of resolving the name (libpq's `hostaddr`).
        address: Option<IpAddr>,
        /// Port.
        port: u16,
    },
    /// A Unix socket `.s.PGSQL.<port>` in a folder.
    Unix {
        /// The folder.
        folder: PathBuf,
        /// Port; names the socket.
        port: u16,
    },
}

impl Host {
    /// A TCP endpoint by name.
    pub fn tcp(name: impl Into<String>, port: u16) -> Self {
        Self::Tcp { name: name.into(), address: None, port }
    }

    /// A Unix socket by its folder.
    pub fn unix(folder: impl Into<PathBuf>, port: u16) -> Self {
        Self::Unix { folder: folder.into(), port }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        match self {
            Self::Tcp { port, .. } | Self::Unix { port, .. } => *port,
        }
    }

    /// Whether it is on this machine, as far as its name tells.
    pub fn is_this_machine(&self) -> bool {
        match self {
            Self::Unix { .. } => true,
            Self::Tcp { name, address, .. } => match address.or_else(|| name.parse().ok()) {
                Some(address) => address.is_loopback(),
                None => name == "localhost",
            },
        }
    }

    /// A host as libpq reads it: what starts with `/` is a folder.
    pub(crate) fn from_text(host: &str, address: Option<IpAddr>, port: u16) -> Self {
        if host.starts_with('/') {
            return Self::unix(host, port);
        }
        let name = match (host.is_empty(), address) {
            (true, Some(address)) => address.to_string(),
            (true, None) => "localhost".to_owned(),
            (false, _) => host.to_owned(),
        };
        Self::Tcp { name, address, port }
    }

    /// Where to look when no host was given: the socket folders that distributions use, as far as a socket for the
    /// port is there, otherwise localhost.
    pub(crate) fn local(port: u16) -> Self {
        ["/var/run/postgresql", "/tmp"]
            .into_iter()
            .map(PathBuf::from)
            .find(|folder| folder.join(socket_name(port)).exists())
            .map_or_else(|| Self::tcp("localhost", port), |folder| Self::Unix { folder, port })
    }
}

/// The file name of the socket for a port.
pub(crate) fn socket_name(port: u16) -> String {
    format!(".s.PGSQL.{port}")
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { name, port, .. } if name.contains(':') => write!(f, "[{name}]:{port}"),
            Self::Tcp { name, port, .. } => write!(f, "{name}:{port}"),
            Self::Unix { folder, port } => write!(f, "{}", folder.join(socket_name(*port)).display()),
        }
    }
}
