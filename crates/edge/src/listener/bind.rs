//! Opens listening sockets on host names, addresses and Unix paths.
//!
//! Runs once, at start: whatever is wrong here (port taken, no right to it, a file in the way) is told in words that
//! say what to change. Invariant: a file that is not a dead socket is never removed.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, TcpSocket, UnixListener};

use super::transport::{Detached, Transport};

/// Connections that the kernel may hold before we accept them.
const BACKLOG: u32 = 4096;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A TCP port on an address or on all addresses of a host name.
    Tcp {
        /// `0.0.0.0`, `::`, `127.0.0.1`, `localhost`, ...
        host: String,
        /// The port; 0 takes a free one.
        port: u16,
        /// Lets several processes listen on it (`SO_REUSEPORT`), for restarts without a gap.
        shared: bool,
    },
    /// A Unix socket.
    Unix {
        /// Its path; a socket that nobody listens on any more is replaced.
        path: PathBuf,
        /// Its permissions, for example `0o660`.
        mode: u32,
    },
}

/// Why nothing listens.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The host name has no address.
    #[error("cannot find an address for `{host}`")]
    Host {
        /// The name.
        host: String,
        /// Why, where the resolver said so.
        #[source]
        source: Option<io::Error>,
    },
    /// Another program has the port.
    #[error("{address} is in use by another program")]
    InUse {
        /// The address.
        address: SocketAddr,
    },
    /// A port below 1024 without the right to it.
    #[error("no permission to listen on {address}")]
    Forbidden {
        /// The address.
        address: SocketAddr,
    },
    /// Anything else about a TCP address.
    #[error("cannot listen on {address}")]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A Unix path.
    #[error("cannot listen on the socket {path}")]
    Unix {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A listening socket.
pub(super) enum Socket {
    Tcp(TcpListener),
    /// The path is held for what happens when it is dropped.
    Unix {
        listener: UnixListener,
        _path: OwnedPath,
    },
}

/// Removes the socket file when the server ends.
pub(super) struct OwnedPath(PathBuf);

impl Drop for OwnedPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Socket {
    pub(super) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix { .. } => None,
        }
    }

    pub(super) async fn accept(&mut self) -> io::Result<(Transport, Option<IpAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // Answers are written whole: waiting to merge packets only adds latency.
                stream.set_nodelay(true)?;
                Ok((Transport::Tcp(stream), Some(address.ip())))
            }
            Self::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                Ok((Transport::Unix(stream), None))
            }
        }
    }
}

impl Socket {
    /// Listens no longer; gives those who had connected and were not accepted yet, whom the kernel would reset.
    pub(super) fn close(self) -> io::Result<Vec<(Detached, Option<IpAddr>)>> {
        match self {
            Self::Tcp(listener) => {
                let listener = listener.into_std()?;
                waiting(|| {
                    let (stream, address) = listener.accept()?;
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    Ok((Detached::Tcp(stream), Some(address.ip())))
                })
            }
            Self::Unix { listener, _path } => {
                let listener = listener.into_std()?;
                waiting(|| {
                    let (stream, _) = listener.accept()?;
                    stream.set_nonblocking(true)?;
                    Ok((Detached::Unix(stream), None))
                })
            }
        }
    }
}

/// Accepts until nobody waits, at most as many as may wait.
fn waiting<T>(accept: impl Fn() -> io::Result<T>) -> io::Result<Vec<T>> {
    let mut accepted = Vec::new();
    for _ in 0..BACKLOG {
        match accept() {
            Ok(one) => accepted.push(one),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            // Of that connection, or of the process: the next call tells.
            Err(_) => {}
        }
    }
    Ok(accepted)
}

/// Opens every socket of an endpoint: a host name may have several addresses.
pub(super) async fn open(endpoint: &Endpoint) -> Result<Vec<Socket>, ListenError> {
    match endpoint {
        Endpoint::Tcp { host, port, shared } => open_tcp(host, *port, *shared).await,
        Endpoint::Unix { path, mode } => {
            let socket = open_unix(path, *mode);
            Ok(vec![socket.map_err(|source| ListenError::Unix { path: path.clone(), source })?])
        }
    }
}

async fn open_tcp(host: &str, port: u16, shared: bool) -> Result<Vec<Socket>, ListenError> {
    let unknown = |source| ListenError::Host { host: host.to_owned(), source };
    let mut addresses: Vec<SocketAddr> =
        tokio::net::lookup_host((host, port)).await.map_err(|error| unknown(Some(error)))?.collect();
    addresses.dedup();
    let mut sockets: Vec<Socket> = Vec::new();
    for mut address in addresses {
        // Port 0 on a name with several addresses: the first one's port for all.
        if port == 0
            && let Some(first) = sockets.first().and_then(Socket::address)
        {
            address.set_port(first.port());
        }
        match listen(address, shared) {
            Ok(listener) => sockets.push(Socket::Tcp(listener)),
            // A machine without IPv6 still resolves `localhost` to ::1.
            Err(error) if !sockets.is_empty() && error.kind() == io::ErrorKind::AddrNotAvailable => {}
            Err(error) => return Err(explain(address, error)),
        }
    }
    if sockets.is_empty() { Err(unknown(None)) } else { Ok(sockets) }
}

fn listen(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart must not wait for connections of the process before it.
    socket.set_reuseaddr(true)?;
    if shared {
        socket.set_reuseport(true)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn explain(address: SocketAddr, error: io::Error) -> ListenError {
    match error.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse { address },
        io::ErrorKind::PermissionDenied => ListenError::Forbidden { address },
        _ => ListenError::Tcp { address, source: error },
    }
}

fn open_unix(path: &Path, mode: u32) -> io::Result<Socket> {
    remove_stale(path)?;
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok(Socket::Unix { listener, _path: OwnedPath(path.to_owned()) })
}

/// Removes a socket that nobody listens on. Anything else at that path is somebody's.
fn remove_stale(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if found.file_type().is_socket() => match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => Err(io::Error::from(io::ErrorKind::AddrInUse)),
            Err(_) => std::fs::remove_file(path),
        },
        Ok(_) => Err(io::Error::from(io::ErrorKind::AlreadyExists)),
    }
}
