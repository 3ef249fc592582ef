//! How to connect: hosts, login, database, TLS and what a session starts with.
//!
//! Parsed from a connection URL (`uri.rs`) or a list of `keyword=value` pairs (`keyword.rs`), both as libpq reads
//! them, and refined with setters. Nothing here opens a file or a socket; `connect/` does, with these values.
//! Invariant: neither `Debug` nor any error of this module shows a password or a piece of a URL that could be one.

mod host;
mod keyword;
mod parameter;
mod uri;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ferrobase_base::Secret;

pub use host::Host;
pub(crate) use host::socket_name;
use parameter::Draft;

use crate::connect::guide::Guide;
use crate::connect::names::Names;
use crate::connect::tls::TlsCache;

/// What `connect_timeout` is when none is given. Applies to each host in turn; libpq would wait for ever.
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a connection string was refused. Never quotes a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectOptionsError {
    /// Neither form.
    #[error(
        "a connection string starts with postgresql:// or postgres://, or is a list like host=... user=... dbname=..."
    )]
    Form,
    /// `%` without two hexadecimal digits, or bytes that are not UTF-8.
    #[error("the {0} of the connection string is not valid percent-encoded text; write % as %25")]
    Encoding(&'static str),
    /// A port is no number, or a host is cut by a character that had to be encoded.
    #[error(
        "host {0} of the connection string has no valid port (1 to 65535); characters like @ : / # ? [ ] in a user \
         name or password must be percent-encoded"
    )]
    Port(usize),
    /// A `[` without `]`.
    #[error("host {0} of the connection string has an IPv6 address without its closing bracket")]
    Bracket(usize),
    /// Lists of different lengths.
    #[error("the connection string lists {hosts} hosts and {others} {what}; give one of these, or one for each host")]
    ListLength {
        /// How many hosts.
        hosts: usize,
        /// Ports or addresses.
        what: &'static str,
        /// How many of them.
        others: usize,
    },
    /// A parameter that is not known; `None` when its name could be a piece of a password.
    #[error("unknown connection parameter{}", .0.as_ref().map(|n| format!(" {n:?}")).unwrap_or_default())]
    Unknown(Option<String>),
    /// A parameter that libpq knows and this client does not offer.
    #[error("connection parameter {name:?} is not supported: {reason}")]
    Unsupported {
        /// Its name.
        name: &'static str,
        /// Why, or what to use.
        reason: &'static str,
    },
    /// A known parameter with a value that it cannot have.
    #[error("connection parameter {name:?} must be {expected}")]
    Value {
        /// Its name.
        name: &'static str,
        /// What it takes.
        expected: &'static str,
    },
    /// A parameter without `=`, or a quote that is never closed.
    #[error("the connection string is not a list of keyword=value pairs: {0}")]
    Pair(&'static str),
}

/// How much TLS protects the connection, as libpq's `sslmode`. Unix sockets never use TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SslMode {
    /// Never.
    Disable,
    /// Only when the server refuses a plain connection.
    Allow,
    /// When the server offers it; falls back to a plain connection, so protects from nobody active.
    #[default]
    Prefer,
    /// Always, whoever the server is; with a given root certificate as `VerifyCa`.
    Require,
    /// Always, and the certificate comes from a trusted authority.
    VerifyCa,
    /// Always, and the certificate is also for this host name.
    VerifyFull,
}

/// Which certificate authorities are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RootCert {
    /// No choice was made: the system's authorities, where the mode verifies at all.
    #[default]
    Unset,
    /// The system's authorities (`sslrootcert=system`).
    System,
    /// The authorities of this PEM file; a server certificate listed in it is trusted itself.
    File(PathBuf),
}

/// Whether the SCRAM login must be bound to the TLS channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// When both sides can.
    #[default]
    Prefer,
    /// Otherwise refuse to log in.
    Require,
}

/// Which kind of server a session may be opened on, as libpq's `target_session_attrs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetSessionAttrs {
    /// Any.
    #[default]
    Any,
    /// Transactions can write.
    ReadWrite,
    /// Transactions cannot write.
    ReadOnly,
    /// Not in hot standby.
    Primary,
    /// In hot standby.
    Standby,
    /// A standby if one of the hosts is, otherwise any.
    PreferStandby,
}

impl TargetSessionAttrs {
    /// The word that libpq uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::ReadWrite => "read-write",
            Self::ReadOnly => "read-only",
            Self::Primary => "primary",
            Self::Standby => "standby",
            Self::PreferStandby => "prefer-standby",
        }
    }
}

/// TLS: the mode and its files. Files are read at the first connection and kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ssl {
    /// How much protection.
    pub mode: SslMode,
    /// Trusted authorities.
    pub root_cert: RootCert,
    /// Our own certificate chain, PEM.
    pub cert: Option<PathBuf>,
    /// Its private key, PEM and not encrypted.
    pub key: Option<PathBuf>,
}

/// Everything that opening a session needs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    pub(crate) hosts: Vec<Host>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) database: Option<String>,
    pub(crate) ssl: Ssl,
    pub(crate) channel_binding: ChannelBinding,
    pub(crate) connect_timeout: Duration,
    pub(crate) application_name: String,
    pub(crate) startup: Vec<(String, String)>,
    pub(crate) target: TargetSessionAttrs,
    pub(crate) load_balance: bool,
    pub(crate) keepalive_idle: Option<Duration>,
    pub(crate) tcp_user_timeout: Option<Duration>,
    pub(crate) max_reply_bytes: usize,
    pub(crate) tls_cache: TlsCache,
    pub(crate) guide: Option<Guide>,
    pub(crate) wants_proof: bool,
    pub(crate) names: Names,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            user: None,
            password: None,
            database: None,
            ssl: Ssl::default(),
            channel_binding: ChannelBinding::default(),
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            application_name: "ferrobase".to_owned(),
            startup: Vec::new(),
            target: TargetSessionAttrs::default(),
            load_balance: false,
            keepalive_idle: Some(Duration::from_secs(60)),
            tcp_user_timeout: None,
            max_reply_bytes: 256 * 1024 * 1024,
            tls_cache: TlsCache::default(),
            guide: None,
            wants_proof: false,
            names: Names::default(),
        }
    }
}

impl ConnectOptions {
    /// The local server, as the user who runs this process.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a connection string in either form.
    pub fn parse(text: &str) -> Result<Self, ConnectOptionsError> {
        let text = text.trim();
        let mut draft = Draft::default();
        if let Some(rest) = text.strip_prefix("postgresql://").or_else(|| text.strip_prefix("postgres://")) {
            uri::read(rest, &mut draft)?;
        } else if is_other_url(text) || !text.contains('=') {
            return Err(ConnectOptionsError::Form);
        } else {
            keyword::read(text, &mut draft)?;
        }
        draft.finish()
    }

    /// Replaces the hosts.
    #[must_use]
    pub fn with_hosts(mut self, hosts: impl IntoIterator<Item = Host>) -> Self {
        self.hosts = hosts.into_iter().collect();
        // It is about other hosts.
        self.guide = None;
        self
    }

    /// Tries first the host that this guide says is the primary.
    #[must_use]
    pub fn with_guide(mut self, guide: Guide) -> Self {
        self.guide = Some(guide);
        self
    }

    /// Addresses of names, for while they cannot be resolved.
    #[must_use]
    pub fn with_fallback_addresses(mut self, addresses: BTreeMap<String, Vec<IpAddr>>) -> Self {
        self.names = Names::with_fallback(addresses);
        self
    }

    /// Whether a server that takes no writes is the wrong one.
    pub(crate) fn is_for_primary(&self) -> bool {
        use TargetSessionAttrs::{Any, Primary, ReadWrite};
        matches!(self.target, Any | Primary | ReadWrite)
    }

    /// Replaces user and password.
    #[must_use]
    pub fn with_login(mut self, user: impl Into<String>, password: Option<Secret>) -> Self {
        self.user = Some(user.into());
        self.password = password;
        self
    }

    /// Replaces the database.
    #[must_use]
    pub fn with_database(mut self, database: impl Into<String>) -> Self {
        self.database = Some(database.into());
        self
    }

    /// Replaces the name under which `pg_stat_activity` shows the session.
    #[must_use]
    pub fn with_application_name(mut self, name: impl Into<String>) -> Self {
        self.application_name = name.into();
        self
    }

    /// Replaces the bound on the time that one host may take.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Replaces the TLS settings.
    #[must_use]
    pub fn with_ssl(mut self, ssl: Ssl) -> Self {
        self.ssl = ssl;
        self.tls_cache = TlsCache::default();
        self
    }

    /// Replaces only the TLS mode.
    #[must_use]
    pub fn with_ssl_mode(mut self, mode: SslMode) -> Self {
        self.ssl.mode = mode;
        self.tls_cache = TlsCache::default();
        self
    }

    /// Replaces the kind of server that is asked for.
    #[must_use]
    pub fn with_target_session_attrs(mut self, target: TargetSessionAttrs) -> Self {
        self.target = target;
        self
    }

    /// Adds a setting that every session starts with. It survives `RESET ALL`. A pooler may refuse unusual ones.
    #[must_use]
    pub fn with_setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        self.startup.retain(|(known, _)| *known != name);
        self.startup.push((name, value.into()));
        self
    }

    /// For a server that no operator named: it has to prove that it belongs to the cluster, by knowing the password (SCRAM) or by a
    /// certificate of the authority that is configured, checked in full. Nobody else is told the password or believed an answer.
    #[must_use]
    pub fn with_proof(mut self) -> Self {
        self.wants_proof = true;
        self
    }

    /// Replaces the bound on the rows of one reply, in bytes on the wire (256 MiB).
    #[must_use]
    pub fn with_max_reply_bytes(mut self, bytes: usize) -> Self {
        self.max_reply_bytes = bytes;
        self
    }

    /// The hosts in the order in which they are tried; empty means the local server.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// These, and those that joined since, as far as a guide knows of them.
    pub fn known_hosts(&self) -> Vec<Host> {
        self.guide.as_ref().map_or_else(|| self.hosts.clone(), |guide| guide.order(&self.hosts))
    }

    /// The user, when one was given.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The password, when one was given.
    pub fn password(&self) -> Option<&Secret> {
        self.password.as_ref()
    }

    /// The database, when one was given; PostgreSQL takes the user's name otherwise.
    pub fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// The TLS settings.
    pub fn ssl(&self) -> &Ssl {
        &self.ssl
    }

    /// The name under which `pg_stat_activity` shows the session.
    pub fn application_name(&self) -> &str {
        &self.application_name
    }

    /// The bound on the time that one host may take.
    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }
}

/// Whether this is a URL of another kind, as opposed to a pair whose value contains `://`.
fn is_other_url(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+'))
}

impl FromStr for ConnectOptions {
    type Err = ConnectOptionsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// For logs: `user@host:port/database`, never the password.
impl fmt::Display for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        if self.hosts.is_empty() {
            f.write_str("local server")?;
        }
        for (i, host) in self.hosts.iter().enumerate() {
            write!(f, "{}{host}", if i > 0 { "," } else { "" })?;
        }
        match &self.database {
            Some(database) => write!(f, "/{database}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
