//! From options to a connection that was seen to work.
//!
//! single: connect. sentinel: ask who is the primary, connect to it. cluster: connect to one node, learn the others.
//! TLS is rustls with the ring provider; certificates are verified against the host, or the address that sentinels and
//! clusters announce. Invariant: one attempt takes at most [`ATTEMPT`].

use std::time::Duration;

use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    RedisConnectionInfo, RedisResult, TlsCertificates, TlsMode,
};
use tokio::time::timeout;

use crate::connection::Connection;
use crate::error::Error;
use crate::limits;
use crate::options::{Address, Layout, Login, Options, Tls};

/// For one attempt, from the first packet to the first answer that proves that it works.
const ATTEMPT: Duration = Duration::from_secs(4);
/// For TCP, TLS and login of one server.
const HANDSHAKE: Duration = Duration::from_secs(1);
/// For each answer outside of requests, which have `redis.timeout`.
const ANSWER: Duration = Duration::from_secs(1);
/// Commands that wait for their turn to be written; more of them wait for one of these.
const QUEUE: usize = 1024;

/// Makes connections, and remembers what was learned by it.
pub(crate) struct Connector {
    options: Options,
    source: Source,
    /// Where the primary was that the sentinels named last.
    primary: Option<ConnectionAddr>,
}

enum Source {
    Single(Box<Client>),
    Sentinel(Box<SentinelClient>),
    Cluster(Box<ClusterClient>),
}

impl Source {
    fn of(options: &Options) -> RedisResult<Self> {
        Ok(match &options.layout {
            Layout::Single(address) => Self::Single(Box::new(single(address, options)?)),
            Layout::Sentinel { sentinels, primary, login } => {
                Self::Sentinel(Box::new(sentinel(sentinels, primary, login, options)?))
            }
            Layout::Cluster(nodes) => Self::Cluster(Box::new(cluster(nodes, options)?)),
        })
    }
}

impl Connector {
    /// Contacts nobody.
    ///
    /// # Errors
    /// Certificates that cannot be parsed.
    pub(crate) fn new(options: Options) -> Result<Self, Error> {
        // The client takes the provider of the process. Somebody may have set it before; it is ring all the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let source = Source::of(&options).map_err(Error::Settings)?;
        Ok(Self { options, source, primary: None })
    }

    /// Connects, and counts once to see that it works: a login without the right to run scripts, a replica, a server
    /// without memory would all have let us connect.
    pub(crate) async fn connect(&mut self) -> Result<Connection, Error> {
        timeout(ATTEMPT, self.attempt()).await.unwrap_or(Err(Error::Late))
    }

    async fn attempt(&mut self) -> Result<Connection, Error> {
        let connection = match &mut self.source {
            Source::Single(client) => Connection::One(open(client).await?),
            Source::Sentinel(sentinels) => {
                let client = sentinels.async_get_client().await?;
                self.primary = Some(client.get_connection_info().addr().clone());
                Connection::One(open(&client).await?)
            }
            Source::Cluster(client) => Connection::Cluster(client.get_async_connection().await?),
        };
        self.probe(&connection).await?;
        Ok(connection)
    }

    /// Whether a connection is still the right one, and works.
    pub(crate) async fn check(&mut self, connection: &Connection) -> Result<(), Error> {
        timeout(ATTEMPT, async {
            self.probe(connection).await?;
            if let Source::Sentinel(sentinels) = &mut self.source
                // Sentinels that are down, or are about to elect somebody, say nothing against a primary that works.
                && let Ok(client) = sentinels.async_get_client().await
                && self.primary.as_ref() != Some(client.get_connection_info().addr())
            {
                return Err(Error::Moved);
            }
            Ok(())
        })
        .await
        .unwrap_or(Err(Error::Late))
    }

    async fn probe(&self, connection: &Connection) -> Result<(), Error> {
        let asked = async {
            limits::probe(connection, &self.options.names()).await?;
            connection.every_primary().await
        };
        Ok(timeout(ANSWER, asked).await.map_err(|_| Error::Late)??)
    }
}

async fn open(client: &Client) -> RedisResult<redis::aio::MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(HANDSHAKE))
        .set_response_timeout(Some(ANSWER))
        .set_pipeline_buffer_size(QUEUE);
    client.get_multiplexed_async_connection_with_config(&config).await
}

fn single(address: &Address, options: &Options) -> RedisResult<Client> {
    let mut login = RedisConnectionInfo::default().set_db(options.database.into()).set_skip_set_lib_name();
    if let Some(user) = &options.login.user {
        login = login.set_username(user);
    }
    if let Some(password) = &options.login.password {
        login = login.set_password(password.expose());
    }
    let info = info(address, options)?.set_redis_settings(login);
    match &options.tls {
        Some(tls) => Client::build_with_tls(info, certificates(tls)),
        None => Client::open(info),
    }
}

fn sentinel(sentinels: &[Address], primary: &str, own: &Login, options: &Options) -> RedisResult<SentinelClient> {
    let addresses: Vec<ConnectionAddr> = sentinels.iter().map(|at| address(at, options.tls.is_some())).collect();
    let mut builder = SentinelClientBuilder::new(addresses, primary, SentinelServerType::Master)?
        .set_client_to_redis_db(options.database.into())
        .set_client_to_redis_tcp_settings(tcp())
        .set_client_to_sentinel_tcp_settings(tcp());
    if let Some(tls) = &options.tls {
        builder = builder
            .set_client_to_redis_tls_mode(TlsMode::Secure)
            .set_client_to_redis_certificates(certificates(tls))
            .set_client_to_sentinel_tls_mode(TlsMode::Secure)
            .set_client_to_sentinel_certificates(certificates(tls));
    }
    if let Some(user) = &options.login.user {
        builder = builder.set_client_to_redis_username(user);
    }
    if let Some(password) = &options.login.password {
        builder = builder.set_client_to_redis_password(password.expose());
    }
    if let Some(user) = &own.user {
        builder = builder.set_client_to_sentinel_username(user);
    }
    if let Some(password) = &own.password {
        builder = builder.set_client_to_sentinel_password(password.expose());
    }
    builder.build()
}

fn cluster(nodes: &[Address], options: &Options) -> RedisResult<ClusterClient> {
    let nodes = nodes.iter().map(|node| info(node, options)).collect::<RedisResult<Vec<_>>>()?;
    let mut builder = ClusterClientBuilder::new(nodes)
        .connection_timeout(HANDSHAKE)
        .response_timeout(ANSWER)
        .tcp_settings(tcp())
        // A request has no time for many; each is followed by a fresh look at who has the key.
        .retries(3)
        .min_retry_wait(1)
        .max_retry_wait(20);
    if let Some(tls) = &options.tls {
        builder = builder.tls(TlsMode::Secure).certs(certificates(tls));
    }
    if let Some(user) = &options.login.user {
        builder = builder.username(user);
    }
    if let Some(password) = &options.login.password {
        builder = builder.password(password.expose());
    }
    builder.build()
}

fn info(at: &Address, options: &Options) -> RedisResult<ConnectionInfo> {
    Ok(address(at, options.tls.is_some()).into_connection_info()?.set_tcp_settings(tcp()))
}

fn address(Address { host, port }: &Address, tls: bool) -> ConnectionAddr {
    let host = host.to_string();
    if tls {
        ConnectionAddr::TcpTls { host, port: *port, insecure: false, tls_params: None }
    } else {
        ConnectionAddr::Tcp(host, *port)
    }
}

/// Commands are small and wanted at once.
fn tcp() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

fn certificates(tls: &Tls) -> TlsCertificates {
    let client =
        |(cert, key): &(Vec<u8>, Vec<u8>)| ClientTlsConfig { client_cert: cert.clone(), client_key: key.clone() };
    TlsCertificates { client_tls: tls.client.as_ref().map(client), root_cert: tls.authorities.clone() }
}
