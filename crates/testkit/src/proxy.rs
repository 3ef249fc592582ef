//! A TCP proxy that breaks connections on command: cut, stall, delay, garble.
//!
//! It stands between the application and PostgreSQL (or between a client and the application). Faults apply to
//! connections that are open and to those that come later, until they are taken back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the proxy does to the bytes that pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: bytes pass.
    None,
    /// New connections are closed at once, open ones are reset.
    Refuse,
    /// Bytes are held back in both directions while this lasts; connections stay open (a half-open peer).
    Stall,
    /// Every chunk waits this long.
    Delay(Duration),
    /// Of so many chunks that come from upstream one is sent twice, and of ten times as many one not at all. An answer
    /// of PostgreSQL that fits into one write is one chunk.
    Garble(u32),
}

/// A running proxy; it stops when dropped.
pub struct Proxy {
    address: SocketAddr,
    fault: Arc<watch::Sender<Fault>>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Starts one on a free loopback port in front of `upstream` (`host:port`).
    pub async fn start(upstream: impl Into<String>) -> Result<Self> {
        let upstream = upstream.into();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let fault = Arc::new(watch::Sender::new(Fault::None));
        let faults = Arc::clone(&fault);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let faults = faults.subscribe();
                if *faults.borrow() == Fault::Refuse {
                    continue;
                }
                let upstream = upstream.clone();
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(&upstream).await {
                        relay(client, server, faults).await;
                    }
                });
            }
        });
        Ok(Self { address, fault, accepting })
    }

    /// Where to connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The given PostgreSQL URL with the proxy in place of its host and port.
    pub fn in_front_of(&self, url: &str) -> String {
        let (head, rest) = url.split_once('@').unwrap_or(("", url));
        let path = rest.find(['/', '?']).map_or("", |at| &rest[at..]);
        format!("{head}@{}{path}", self.address)
    }

    /// From now on, this happens.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.fault.send_replace(Fault::Refuse);
    }
}

async fn relay(client: TcpStream, server: TcpStream, faults: watch::Receiver<Fault>) {
    let mut refused = faults.clone();
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    tokio::select! {
        () = pump(client_in, server_out, faults.clone(), false) => {}
        () = pump(server_in, client_out, faults, true) => {}
        _ = refused.wait_for(|fault| *fault == Fault::Refuse) => {}
    }
}

async fn pump(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut faults: watch::Receiver<Fault>,
    from_upstream: bool,
) {
    static CHUNKS: AtomicU32 = AtomicU32::new(0);
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let fault = *faults.borrow_and_update();
        if let Fault::Delay(wait) = fault {
            tokio::time::sleep(wait).await;
        }
        if faults.wait_for(|fault| *fault != Fault::Stall).await.is_err() {
            return;
        }
        let times = match fault {
            Fault::Garble(every) if from_upstream => match CHUNKS.fetch_add(1, Relaxed) {
                chunk if chunk % (10 * every) == 1 => 0,
                chunk if chunk % every == 0 => 2,
                _ => 1,
            },
            _ => 1,
        };
        for _ in 0..times {
            if to.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    }
}
