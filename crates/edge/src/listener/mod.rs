//! Sockets: accepts connections, speaks TLS, HTTP/1 and HTTP/2 on them, and ends them in good order.
//!
//! Outermost stage: bytes -> request -> [`App`](crate::app::App) (or the admin router). Bounds that belong to a
//! connection are kept here: how many there are, how long a head or a silence may take, how long a caller may refuse
//! to read (security 29), how everything ends (security 30).
//! Invariant: no connection can hold up another one or the accept loop.
//! Read on: `bind` (addresses), `limits`, `tls`, `connection` (one connection's life), `activity` (when it is cut),
//! `workers` (which thread serves it), `transport`, `untaken` (answers that nobody takes on HTTP/2), `request_line` (raw characters in targets).

mod activity;
mod bind;
mod connection;
mod limits;
mod request_line;
mod seldom;
mod stream;
mod tls;
mod transport;
mod untaken;
mod workers;

use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::Request;
use tokio::io::AsyncWriteExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;
use tower::Service;

use crate::lifecycle::{Lifecycle, Phase};
use crate::metrics::HttpMetrics;

pub use bind::{Endpoint, ListenError};
pub use limits::ConnectionLimits;
pub use tls::{Tls, TlsError};
pub use workers::{Workers, on_shared_threads};

use bind::Socket;
use connection::Connection;
use stream::Streams;
use transport::{Detached, Transport};

/// Who is at the other end of a connection; in the extensions of its requests.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// The address; `None` on Unix sockets.
    pub address: Option<IpAddr>,
    /// Whether the connection is encrypted up to here.
    pub tls: bool,
}

/// What answers requests: the app or a router.
pub trait Handler:
    Service<Request<Body>, Response = Response, Error = Infallible, Future: Send + 'static> + Clone + Send + Sync + 'static
{
}

impl<S> Handler for S where
    S: Service<Request<Body>, Response = Response, Error = Infallible, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// Bound sockets, not yet served.
pub struct Listener {
    sockets: Vec<Socket>,
    tls: Option<Arc<Tls>>,
    limits: ConnectionLimits,
    metrics: Option<Arc<HttpMetrics>>,
    workers: Option<Arc<Workers>>,
}

/// How a server's connections ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Connections that were still open when the bound passed, and were cut.
    pub cut: usize,
}

impl Listener {
    /// Binds the endpoints. All or none: a server that listens on half of its addresses misleads.
    pub async fn bind(endpoints: &[Endpoint]) -> Result<Self, ListenError> {
        let mut sockets = Vec::new();
        for endpoint in endpoints {
            sockets.extend(bind::open(endpoint).await?);
        }
        Ok(Self { sockets, tls: None, limits: ConnectionLimits::default(), metrics: None, workers: None })
    }

    /// Speaks TLS on the TCP sockets.
    #[must_use]
    pub fn tls(mut self, tls: Option<Arc<Tls>>) -> Self {
        self.tls = tls;
        self
    }

    /// Sets the bounds of connections.
    #[must_use]
    pub fn limits(mut self, limits: ConnectionLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Counts connections.
    #[must_use]
    pub fn metrics(mut self, metrics: Arc<HttpMetrics>) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// Serves connections on these threads, instead of the present runtime.
    #[must_use]
    pub fn workers(mut self, workers: Arc<Workers>) -> Self {
        self.workers = Some(workers);
        self
    }

    /// The TCP addresses that were bound; a port 0 is the real one here.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().filter_map(Socket::address).collect()
    }

    /// Serves until the lifecycle closes and every connection has ended, or its bound has passed.
    pub async fn serve<S: Handler>(self, handler: S, lifecycle: Lifecycle) -> Ended {
        let shared = Arc::new(Shared {
            handler,
            tls: self.tls,
            limits: self.limits,
            metrics: self.metrics,
            workers: self.workers,
            slots: Arc::new(Semaphore::new(self.limits.connections)),
            lifecycle,
            tasks: TaskTracker::new(),
            cut: AtomicUsize::new(0),
        });
        let accepting: Vec<_> =
            self.sockets.into_iter().map(|socket| tokio::spawn(accept_loop(socket, Arc::clone(&shared)))).collect();
        for task in accepting {
            // A loop ends by itself when the lifecycle closes.
            let _ = task.await;
        }
        shared.tasks.close();
        // Every connection ends with its requests, or by itself when the bound has passed.
        shared.tasks.wait().await;
        Ended { cut: shared.cut.load(Ordering::Relaxed) }
    }
}

/// What every connection of a listener needs.
struct Shared<S> {
    handler: S,
    tls: Option<Arc<Tls>>,
    limits: ConnectionLimits,
    metrics: Option<Arc<HttpMetrics>>,
    workers: Option<Arc<Workers>>,
    slots: Arc<Semaphore>,
    lifecycle: Lifecycle,
    tasks: TaskTracker,
    cut: AtomicUsize,
}

async fn accept_loop<S: Handler>(mut socket: Socket, shared: Arc<Shared<S>>) {
    let closing = shared.lifecycle.reached(Phase::Closing);
    tokio::pin!(closing);
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = &mut closing => break,
        };
        match accepted {
            Ok((transport, address)) => admit(transport, address, &shared),
            Err(error) => rest_after(&error).await,
        }
    }
    match socket.close() {
        Ok(last) => last.into_iter().for_each(|(detached, address)| match detached.attach() {
            Ok(transport) => admit(transport, address, &shared),
            Err(error) => lost(&error),
        }),
        Err(error) => lost(&error),
    }
}

fn lost(error: &std::io::Error) {
    tracing::warn!(error = error as &dyn std::error::Error, "A connection was lost on its way");
}

/// An error of one connection is forgotten; one of the process (no file descriptors left) needs a pause, or the loop
/// would spin.
async fn rest_after(error: &std::io::Error) {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted) {
        tracing::warn!(error = error as &dyn std::error::Error, "Cannot accept connections now");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn admit<S: Handler>(transport: Transport, address: Option<IpAddr>, shared: &Arc<Shared<S>>) {
    let Ok(slot) = Arc::clone(&shared.slots).try_acquire_owned() else {
        if let Some(metrics) = &shared.metrics {
            metrics.connection_refused();
        }
        shared.tasks.spawn(turn_away(transport, shared.tls.is_some()));
        return;
    };
    let Some(place) = shared.workers.as_ref().and_then(|workers| workers.place()) else {
        shared.tasks.spawn(admitted(transport, address, slot, Arc::clone(shared)));
        return;
    };
    let runtime = place.runtime().clone();
    let (shared, detached) = (Arc::clone(shared), transport.detach());
    let tasks = shared.tasks.clone();
    let served = async move {
        let _place = place;
        match detached.and_then(Detached::attach) {
            Ok(transport) => admitted(transport, address, slot, shared).await,
            Err(error) => lost(&error),
        }
    };
    tasks.spawn_on(served, &runtime);
}

/// A connection for which there is a slot, until its end or the server's.
async fn admitted<S: Handler>(
    transport: Transport,
    address: Option<IpAddr>,
    _slot: OwnedSemaphorePermit,
    shared: Arc<Shared<S>>,
) {
    let _counted = shared.metrics.as_ref().map(|metrics| metrics.connection());
    let ended = shared.lifecycle.clone();
    let life = Box::pin(live(transport, address, Arc::clone(&shared)));
    tokio::select! {
        () = life => {}
        () = ended.reached(Phase::Ended) => { shared.cut.fetch_add(1, Ordering::Relaxed); }
    }
}

/// One connection from handshake to end.
async fn live<S: Handler>(transport: Transport, address: Option<IpAddr>, shared: Arc<Shared<S>>) {
    let tls = shared.tls.as_ref().filter(|_| transport.is_tcp()).cloned();
    let encrypted = tls.is_some();
    let transport = match tls {
        None => transport,
        Some(tls) => match tokio::time::timeout(shared.limits.head, tls.accept(transport)).await {
            Ok(Ok(transport)) => transport,
            // Scanners and probes do this all day: not worth a line above debug.
            Ok(Err(error)) => return tracing::debug!(error = &error as &dyn std::error::Error, "TLS handshake failed"),
            Err(_) => return,
        },
    };
    let connection = Connection {
        handler: shared.handler.clone(),
        peer: Peer { address, tls: encrypted },
        limits: shared.limits,
        lifecycle: shared.lifecycle.clone(),
        streams: Streams::on(shared.workers.as_ref().map(|workers| workers.shared().clone())),
    };
    connection.run(transport).await;
}

/// Tells a caller over the bound to come back, without reading what it sent. On TLS there is nothing to say it with.
fn turn_away(mut transport: Transport, encrypted: bool) -> impl Future<Output = ()> + Send {
    const BODY: &str = r#"{"code":"FBE503","details":null,"hint":null,"message":"Too many connections"}"#;
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json; charset=utf-8\r\n\
         content-length: {}\r\nretry-after: 1\r\nconnection: close\r\n\r\n{BODY}",
        BODY.len()
    );
    async move {
        if encrypted && transport.is_tcp() {
            return;
        }
        let say = async {
            let _ = transport.write_all(answer.as_bytes()).await;
            let _ = transport.shutdown().await;
            // Reading what came meanwhile keeps the answer from being thrown away with a reset.
            let mut scrap = vec![0; 4096];
            while matches!(tokio::io::AsyncReadExt::read(&mut transport, &mut scrap).await, Ok(1..)) {}
        };
        let _ = tokio::time::timeout(Duration::from_millis(500), say).await;
    }
}
