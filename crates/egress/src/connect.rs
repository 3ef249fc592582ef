//! From a target to a stream: resolve, judge, connect to exactly what was judged.
//!
//! Invariant: between the judgement of an address and the connection nothing is resolved again, so a name that changes
//! its answer in between changes nothing.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::error::Error;
use crate::guard::Guard;
use crate::target::Target;
use crate::tls::Tls;

/// Most addresses of one name that are tried.
const ADDRESSES: usize = 4;

/// A connection, with TLS or without.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Opens a connection to a target.
pub(crate) async fn open(
    target: &Target,
    guard: &Guard,
    tls: &Tls,
    patience: Duration,
) -> Result<Box<dyn Stream>, Error> {
    let addresses = resolve(target).await?;
    let stream = connect(target, &permitted(target, addresses, guard)?, patience).await?;
    let _ = stream.set_nodelay(true);
    if target.is_https { Ok(Box::new(tls.handshake(&target.host, stream).await?)) } else { Ok(Box::new(stream)) }
}

async fn resolve(target: &Target) -> Result<Vec<SocketAddr>, Error> {
    let failed = |source| Error::Resolve { host: target.host.clone(), source };
    let found = tokio::net::lookup_host((target.host.as_str(), target.port)).await.map_err(failed)?;
    Ok(found.collect())
}

/// The addresses that may be called. A public name with one private address keeps its public ones.
fn permitted(target: &Target, found: Vec<SocketAddr>, guard: &Guard) -> Result<Vec<SocketAddr>, Error> {
    let mut refused = None;
    let mut permitted = Vec::new();
    for address in found {
        match guard.check(address.ip()) {
            Ok(()) => permitted.push(address),
            Err(realm) => refused = Some((address.ip(), realm)),
        }
    }
    match refused {
        Some((address, realm)) if permitted.is_empty() => {
            Err(Error::Refused { host: target.host.clone(), address, realm })
        }
        _ => Ok(permitted),
    }
}

async fn connect(target: &Target, addresses: &[SocketAddr], patience: Duration) -> Result<TcpStream, Error> {
    let host = || target.host.clone();
    let nothing = || std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
    let mut failure = Error::Resolve { host: host(), source: nothing() };
    for &address in addresses.iter().take(ADDRESSES) {
        let source = match timeout(patience, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(source)) => source,
            Err(_) => std::io::ErrorKind::TimedOut.into(),
        };
        failure = Error::Connect { host: host(), address, source };
    }
    Err(failure)
}
