//! Opens a connection: each host, each of its addresses, with and without TLS as the mode says, until one lets us in.
//!
//! Flow: resolve -> socket (`stream.rs`) -> TLS (`tls.rs`, `verify.rs`) -> login (`login.rs`) -> right kind of server
//! (`target.rs`). A refused login ends the search, as in libpq: another host would hear the same wrong password.
//! Every step is bounded by `connect_timeout`, per address.

pub(crate) mod cancel;
pub(crate) mod guide;
mod login;
pub(crate) mod names;
pub(crate) mod stream;
mod target;
pub(crate) mod tls;
mod verify;

use std::future::Future;
use std::net::SocketAddr;

use rand::seq::SliceRandom;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use self::login::{Circumstances, Greeting, login};
use self::stream::{Address, Stream};
use crate::db_error::DbError;
use crate::error::Error;
use crate::options::{ConnectOptions, Host, RootCert, SslMode, TargetSessionAttrs};
use crate::sqlstate::SqlState;
use crate::wire::{Channel, write};

/// A connection on which a session can begin.
pub(crate) struct Connection {
    pub(crate) channel: Channel,
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) key: Option<(i32, Vec<u8>)>,
    pub(crate) peer: Peer,
}

/// Where a connection leads, so that a CancelRequest can go the same way.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) host: Host,
    pub(crate) address: Address,
    pub(crate) tls: bool,
}

/// How one attempt treats TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    Plain,
    TlsIfOffered,
    Tls,
}

/// Connects to the first host that works.
pub(crate) async fn connect(options: &ConnectOptions) -> Result<Connection, Error> {
    use TargetSessionAttrs::{Any, PreferStandby, Standby};

    let user = user_name(options)?;
    let mut hosts = if options.hosts.is_empty() { vec![local()] } else { options.hosts.clone() };
    if options.load_balance {
        hosts.shuffle(&mut rand::rng());
    }
    if let Some(guide) = &options.guide {
        hosts = guide.order(&hosts);
    }
    let passes: &[TargetSessionAttrs] =
        if options.target == PreferStandby { &[Standby, Any] } else { std::slice::from_ref(&options.target) };
    let mut last = Error::Closed;
    for target in passes {
        for host in &hosts {
            match connect_host(options, host, &user, *target).await {
                Ok(connection) => return Ok(connection),
                Err(error) if error.is_login() => return Err(error),
                Err(error) => last = error,
            }
        }
    }
    let host = hosts.iter().map(Host::to_string).collect::<Vec<_>>().join(", ");
    Err(Error::Connect { host, source: Box::new(last) })
}

/// Who is meant when nobody is named.
fn local() -> Host {
    Host::local(5432)
}

/// The user to log in as: the configured one, otherwise the operating system's, as libpq does.
fn user_name(options: &ConnectOptions) -> Result<String, Error> {
    if let Some(user) = &options.user {
        return Ok(user.clone());
    }
    match nix::unistd::User::from_uid(nix::unistd::geteuid()) {
        Ok(Some(user)) => Ok(user.name),
        _ => Err(Error::Authentication("no user is configured, and the operating system's user has no name".into())),
    }
}

async fn connect_host(
    options: &ConnectOptions,
    host: &Host,
    user: &str,
    target: TargetSessionAttrs,
) -> Result<Connection, Error> {
    let mut last = Error::Closed;
    for address in bounded(options, resolve(options, host)).await? {
        let peer = Peer { host: host.clone(), address, tls: false };
        match connect_address(options, &peer, user, target).await {
            Ok(connection) => return Ok(connection),
            Err(error) if error.is_login() => return Err(error),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn bounded<T>(options: &ConnectOptions, step: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match tokio::time::timeout(options.connect_timeout, step).await {
        Ok(result) => result,
        Err(_) => Err(Error::ConnectTimeout(options.connect_timeout)),
    }
}

async fn resolve(options: &ConnectOptions, host: &Host) -> Result<Vec<Address>, Error> {
    match host {
        Host::Unix { folder, port } => Ok(vec![Address::Unix(folder.join(crate::options::socket_name(*port)))]),
        Host::Tcp { address: Some(address), port, .. } => Ok(vec![Address::Tcp(SocketAddr::new(*address, *port))]),
        Host::Tcp { name, port, .. } => {
            Ok(options.names.resolve(name, *port).await?.into_iter().map(Address::Tcp).collect())
        }
    }
}

/// One address, with each treatment of TLS that the mode allows.
async fn connect_address(
    options: &ConnectOptions,
    peer: &Peer,
    user: &str,
    target: TargetSessionAttrs,
) -> Result<Connection, Error> {
    let (first, second) = match (options.ssl.mode, &peer.address) {
        (_, Address::Unix(_)) | (SslMode::Disable, _) => (Attempt::Plain, None),
        (SslMode::Allow, _) => (Attempt::Plain, Some(Attempt::Tls)),
        (SslMode::Prefer, _) => (Attempt::TlsIfOffered, Some(Attempt::Plain)),
        (SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull, _) => (Attempt::Tls, None),
    };
    let error = match bounded(options, attempt(options, peer, user, target, first)).await {
        Ok(connection) => return Ok(connection),
        Err(error) => error,
    };
    match second {
        Some(second) if other_treatment_may_help(&error) => {
            // The first failure is the interesting one unless the second attempt got further.
            bounded(options, attempt(options, peer, user, target, second)).await.map_err(|second| match second {
                Error::Tls { .. } => error,
                _ => second,
            })
        }
        _ => Err(error),
    }
}

/// A broken handshake, or a pg_hba.conf that wants the connection the other way; not a wrong password.
fn other_treatment_may_help(error: &Error) -> bool {
    matches!(error, Error::Tls { .. }) || error.code() == Some(SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
}

async fn attempt(
    options: &ConnectOptions,
    peer: &Peer,
    user: &str,
    target: TargetSessionAttrs,
    treatment: Attempt,
) -> Result<Connection, Error> {
    let stream = open(options, peer, treatment).await?;
    let peer = Peer { tls: matches!(stream, Stream::Tls(_)), ..peer.clone() };
    // Who came by the guide is no host of these options.
    let is_listed = if options.hosts.is_empty() { peer.host == local() } else { options.hosts.contains(&peer.host) };
    let is_stranger = options.wants_proof || (options.guide.is_some() && !is_listed);
    let is_certified =
        peer.tls && options.ssl.mode == SslMode::VerifyFull && matches!(options.ssl.root_cert, RootCert::File(_));
    let circumstances = Circumstances {
        options,
        user,
        private: stream.is_private(),
        end_point: end_point(&stream),
        wants_proof: is_stranger && !is_certified,
    };
    let mut channel = Channel::new(stream, options.max_reply_bytes);
    let greeting = match login(&mut channel, &circumstances).await? {
        Ok(greeting) => greeting,
        Err(refusal) => return Err(refused(refusal, &peer.host, user)),
    };
    target::check(&mut channel, &greeting, target).await?;
    let Greeting { parameters, key } = greeting;
    Ok(Connection { channel, parameters, key, peer })
}

/// Opens the socket and turns TLS on where it should be.
async fn open(options: &ConnectOptions, peer: &Peer, treatment: Attempt) -> Result<Stream, Error> {
    let mut stream = Stream::open(&peer.address, options).await?;
    if treatment == Attempt::Plain || matches!(stream, Stream::Unix(_)) {
        return Ok(stream);
    }
    let mut request = Vec::new();
    write::ssl_request(&mut request);
    stream.write_all(&request).await?;
    // Exactly one byte, so that nothing sent in clear after it can pass for part of the encrypted stream.
    match (stream.read_u8().await?, treatment, stream) {
        (b'S', _, Stream::Tcp(tcp)) => {
            let (Host::Tcp { name, .. }, Address::Tcp(address)) = (&peer.host, &peer.address) else {
                return Err(Error::Closed);
            };
            Ok(Stream::Tls(Box::new(tls::handshake(tcp, name, address.ip(), options).await?)))
        }
        (b'N', Attempt::TlsIfOffered, stream) => Ok(stream),
        (b'N', ..) => Err(Error::tls("the server does not offer TLS, and sslmode demands it")),
        _ => Err(Error::Protocol("no proper answer to the request for TLS")),
    }
}

fn end_point(stream: &Stream) -> Option<Vec<u8>> {
    let Stream::Tls(stream) = stream else { return None };
    let certificates = stream.get_ref().1.peer_certificates()?;
    verify::end_point_hash(certificates.first()?)
}

/// What the server's refusal means: a login that will not work tomorrow either, or a server that cannot now.
fn refused(error: DbError, host: &Host, user: &str) -> Error {
    let source = Box::new(error);
    let login = source.code.class() == "28"
        || [SqlState::INVALID_CATALOG_NAME, SqlState::INSUFFICIENT_PRIVILEGE].contains(&source.code);
    if login { Error::Login { host: host.to_string(), user: user.to_owned(), source } } else { Error::Db(source) }
}
