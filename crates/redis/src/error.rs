//! Why there is no connection. For logs and for whoever starts a server: callers never see these texts.
//!
//! Invariant: neither a password nor a key of a caller is in them; Redis does not repeat what it was sent, and commands
//! are not part of an error.

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// A connection that did not come about, or that is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that the configuration names.
    #[error("{key} ({file}) cannot be read")]
    File {
        /// The key.
        key: &'static str,
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Settings that the client cannot work with, such as a file that holds no certificate.
    #[error("the settings are of no use: {0}")]
    Settings(#[source] RedisError),
    /// User or password are wrong, or one is needed.
    #[error("the login is refused; see redis.user, redis.password and, for sentinels, redis.sentinel_password")]
    Login(#[source] RedisError),
    /// The login may not do what we need.
    #[error("the login may not do what Ferrobase needs; see its access control list")]
    NotAllowed(#[source] RedisError),
    /// Sentinels know no primary of that name, or none that is up.
    #[error("the sentinels name no primary that is up; see redis.sentinel_primary")]
    NoPrimary(#[source] RedisError),
    /// Nobody answers there, or the answer is not Redis, or TLS failed.
    #[error("it cannot be reached")]
    Unreachable(#[source] RedisError),
    /// It answers, and cannot work now: it loads its data, is a replica, has no memory left.
    #[error("it cannot work now")]
    Unfit(#[source] RedisError),
    /// Sentinels name another primary than the one that we are connected to.
    #[error("the sentinels name another primary")]
    Moved,
    /// It takes too long.
    #[error("it does not answer in time")]
    Late,
}

/// What an [`Error`] is about, to tell whether it was said already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Somebody must change something: settings, login, access control list.
    Ours,
    /// Sentinels name no primary.
    NoPrimary,
    /// Nobody answers.
    Unreachable,
    /// It answers and cannot work.
    Unfit,
    /// No answer in time.
    Late,
}

impl Error {
    /// What it is about.
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::File { .. } | Self::Settings(_) | Self::Login(_) | Self::NotAllowed(_) => Trouble::Ours,
            Self::NoPrimary(_) | Self::Moved => Trouble::NoPrimary,
            Self::Unreachable(_) => Trouble::Unreachable,
            Self::Unfit(_) => Trouble::Unfit,
            Self::Late => Trouble::Late,
        }
    }
}

impl From<RedisError> for Error {
    fn from(error: RedisError) -> Self {
        match (error.kind(), error.code()) {
            (ErrorKind::AuthenticationFailed, _) | (_, Some("WRONGPASS" | "NOAUTH")) => Self::Login(error),
            (ErrorKind::Server(ServerErrorKind::NoPerm), _) => Self::NotAllowed(error),
            (ErrorKind::InvalidClientConfig, _) => Self::Settings(error),
            (ErrorKind::MasterNameNotFoundBySentinel, _) => Self::NoPrimary(error),
            // A cluster's first connections report the failures of their nodes as text.
            (ErrorKind::Io, _) if refuses_login(&error) => Self::Login(error),
            (ErrorKind::Io, _) if error.is_timeout() => Self::Late,
            (ErrorKind::Io | ErrorKind::ClusterConnectionNotFound | ErrorKind::Parse, _) => Self::Unreachable(error),
            _ => Self::Unfit(error),
        }
    }
}

fn refuses_login(error: &RedisError) -> bool {
    let said = error.detail().unwrap_or_default();
    ["WRONGPASS", "NOAUTH", "AuthenticationFailed"].iter().any(|mark| said.contains(mark))
}
