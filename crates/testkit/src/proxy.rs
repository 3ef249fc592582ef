//! A TCP proxy that breaks connections on command: cut, stall, swallow, delay, trickle, garble.
//!
//! It stands between the application and PostgreSQL (or between a client and the application). Faults apply to
//! connections that are open and to those that come later, until they are taken back; a connection that was swallowed
//! stays of no use for ever.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
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
    /// Bytes are held back in both directions while this lasts, and then they arrive: a network that is away for a while.
    Stall,
    /// Bytes vanish in both directions, and no end of either side reaches the other: half-open. Connections that were
    /// open at any time meanwhile never work again.
    Swallow,
    /// Every chunk waits this long.
    Delay(Duration),
    /// So many bytes a millisecond and direction.
    Trickle(usize),
    /// A connection that has carried so many bytes since this began, in both directions together, is reset, in the
    /// middle of whatever is under way.
    Reset(usize),
    /// The same, and it ends in good order: a message that is cut short, and then nothing.
    Truncate(usize),
    /// Of so many chunks that come from upstream one is sent twice, and of ten times as many one not at all. An answer
    /// of PostgreSQL that fits into one write is one chunk.
    Garble(u32),
}

impl Fault {
    /// After how many bytes a connection ends.
    fn allowance(self) -> Option<usize> {
        match self {
            Self::Reset(bytes) | Self::Truncate(bytes) => Some(bytes),
            _ => None,
        }
    }
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

/// How a direction of a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// One side ended it.
    Closed,
    /// The fault did.
    Cut(Fault),
}

async fn relay(client: TcpStream, server: TcpStream, faults: watch::Receiver<Fault>) {
    let (mut refused, mut swallowed) = (faults.clone(), faults.clone());
    let (mut client_in, mut client_out) = client.into_split();
    let (mut server_in, mut server_out) = server.into_split();
    let carried = AtomicUsize::new(0);
    let end = tokio::select! {
        biased;
        _ = refused.wait_for(|fault| *fault == Fault::Refuse) => End::Closed,
        _ = swallowed.wait_for(|fault| *fault == Fault::Swallow) => End::Cut(Fault::Swallow),
        end = pump(&mut client_in, &mut server_out, faults.clone(), &carried, false) => end,
        end = pump(&mut server_in, &mut client_out, faults, &carried, true) => end,
    };
    match end {
        End::Cut(Fault::Swallow) => tokio::select! {
            () = drain(&mut client_in) => {}
            _ = refused.wait_for(|fault| *fault == Fault::Refuse) => {}
        },
        End::Cut(Fault::Reset(_)) => {
            let _ = client_in.as_ref().set_zero_linger();
            let _ = server_in.as_ref().set_zero_linger();
        }
        End::Cut(Fault::Truncate(_)) => {
            let _ = tokio::join!(client_out.shutdown(), server_out.shutdown());
            // What arrives at a closed socket would make a reset of it.
            let both = async { tokio::join!(drain(&mut client_in), drain(&mut server_in)) };
            let _ = tokio::time::timeout(Duration::from_secs(1), both).await;
        }
        _ => {}
    }
}

/// Reads to the end and keeps nothing.
async fn drain(from: &mut OwnedReadHalf) {
    let mut scrap = vec![0; 16 * 1024];
    while let Ok(1..) = from.read(&mut scrap).await {}
}

async fn pump(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    mut faults: watch::Receiver<Fault>,
    carried: &AtomicUsize,
    from_upstream: bool,
) -> End {
    static CHUNKS: AtomicU32 = AtomicU32::new(0);
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let fault = *faults.borrow_and_update();
        if let Fault::Delay(wait) = fault {
            tokio::time::sleep(wait).await;
        }
        if faults.wait_for(|fault| *fault != Fault::Stall).await.is_err() {
            return End::Closed;
        }
        let mut chunk = &buffer[..read];
        if let Some(allowance) = fault.allowance() {
            let left = allowance.saturating_sub(carried.fetch_add(read, Relaxed));
            if left < read {
                chunk = &chunk[..left];
                let _ = to.write_all(chunk).await;
                return End::Cut(fault);
            }
        } else {
            carried.store(0, Relaxed);
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
            if pass(chunk, to, &faults).await.is_err() {
                return End::Closed;
            }
        }
    }
    End::Closed
}

/// Writes a chunk, slowly while that is the fault.
async fn pass(mut chunk: &[u8], to: &mut OwnedWriteHalf, faults: &watch::Receiver<Fault>) -> std::io::Result<()> {
    const PIECE: Duration = Duration::from_millis(4);
    while !chunk.is_empty() {
        let fault = *faults.borrow();
        let Fault::Trickle(rate) = fault else { return to.write_all(chunk).await };
        let (now, later) = chunk.split_at(chunk.len().min(rate * 4));
        to.write_all(now).await?;
        chunk = later;
        tokio::time::sleep(PIECE).await;
    }
    Ok(())
}
