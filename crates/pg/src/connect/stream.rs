//! The socket under a session: TCP, Unix or TLS over TCP.
//!
//! Also opens the first two, with the options that a long-lived connection needs: no delay of small writes, and
//! keep-alive probes, so that a peer that vanished without a word is noticed.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

use crate::options::ConnectOptions;

/// Time between keep-alive probes, and how many may go unanswered.
const PROBE_INTERVAL: Duration = Duration::from_secs(10);
const PROBES: u32 = 3;

/// An address that needs no resolving any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A connected socket.
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    // Boxed: a TLS session is a kilobyte that plain connections should not carry about.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Opens a plain socket.
    pub(crate) async fn open(address: &Address, options: &ConnectOptions) -> io::Result<Self> {
        match address {
            Address::Unix(path) => UnixStream::connect(path).await.map(Self::Unix),
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                let socket = socket2::SockRef::from(&stream);
                if let Some(idle) = options.keepalive_idle {
                    let probes = socket2::TcpKeepalive::new().with_time(idle).with_interval(PROBE_INTERVAL);
                    socket.set_tcp_keepalive(&probes.with_retries(PROBES))?;
                }
                #[cfg(target_os = "linux")]
                socket.set_tcp_user_timeout(options.tcp_user_timeout)?;
                Ok(Self::Tcp(stream))
            }
        }
    }

    /// Has the present runtime watch the socket instead of the one that did: who waits for it is then woken without a hop.
    pub(crate) fn watch_here(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => *stream = watched_here(stream)?,
            Self::Tls(stream) => {
                let (stream, _) = stream.get_mut();
                *stream = watched_here(stream)?;
            }
            Self::Unix(stream) => {
                *stream = UnixStream::from_std(socket2::SockRef::from(&*stream).try_clone()?.into())?;
            }
        }
        Ok(())
    }

    /// Whether nobody between the server and us can read along.
    pub(crate) fn is_private(&self) -> bool {
        matches!(self, Self::Unix(_) | Self::Tls(_))
    }
}

/// The same connection behind another descriptor: a registration cannot be moved.
fn watched_here(stream: &TcpStream) -> io::Result<TcpStream> {
    TcpStream::from_std(socket2::SockRef::from(stream).try_clone()?.into())
}

macro_rules! delegate {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Stream::Tcp($stream) => $call,
            Stream::Unix($stream) => $call,
            Stream::Tls($stream) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        delegate!(self, s => Pin::new(s).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        delegate!(self, s => Pin::new(s).poll_write(cx, data))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, s => Pin::new(s).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, s => Pin::new(s).poll_shutdown(cx))
    }
}
