//! What can go wrong between us and PostgreSQL.
//!
//! One enum for the crate. [`Error::Db`] is a statement's own failure and is mapped to a public answer by `request`,
//! which knows the statement and the caller; everything else is about the connection and converts here.
//! Invariant: no variant carries a password, a parameter value or a piece of a connection URL.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ferrobase_base::{Kind, PublicError};

use crate::db_error::DbError;
use crate::sqlstate::SqlState;

/// A failure of a connection, of a pool or of a statement.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// PostgreSQL refused a statement.
    #[error("{0}")]
    Db(#[source] Box<DbError>),
    /// No host could be connected to; `source` is the last host's failure.
    #[error("cannot connect to PostgreSQL at {host}: {source}")]
    Connect {
        /// The hosts that were tried.
        host: String,
        /// The last failure.
        #[source]
        source: Box<Error>,
    },
    /// The server was reached and did not let us in: password, pg_hba.conf, unknown database or missing CONNECT.
    #[error("PostgreSQL at {host} refused the login of {user:?}: {source}")]
    Login {
        /// Where.
        host: String,
        /// The user who tried.
        user: String,
        /// What the server said.
        #[source]
        source: Box<DbError>,
    },
    /// The login has settings that it may have given itself, and is one that must not have any.
    #[error("the login has settings of its own, which code of callers may have left behind: {names}")]
    LoginSettings {
        /// Their names.
        names: String,
    },
    /// The server asked for a way of proving identity that we refuse or do not know.
    #[error("cannot log in: {0}")]
    Authentication(String),
    /// The server is of the wrong kind for `target_session_attrs`.
    #[error("the server is {found}, and target_session_attrs={wanted} was asked for")]
    WrongServerKind {
        /// What the options ask for.
        wanted: &'static str,
        /// What the server is.
        found: &'static str,
    },
    /// The socket failed; whether a running statement took effect is not known.
    #[error("connection to PostgreSQL failed: {0}")]
    Io(#[source] io::Error),
    /// TLS could not be set up.
    #[error("TLS: {reason}")]
    Tls {
        /// What failed.
        reason: String,
        /// Its cause, where there is one.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The server takes no writes, and one that does was meant. The statement did nothing.
    #[error("the server is no primary: {0}")]
    NotPrimary(#[source] Box<DbError>),
    /// The primary is another server now; whether what ran on the old one took effect is not known.
    #[error("the primary is another server now")]
    Moved,
    /// It is uncertain which server is the primary, so nothing was written.
    #[error("it is uncertain which server is the primary")]
    Unsettled,
    /// What was known of the code that a read runs is no longer so. Nothing of it was answered: it is to be made anew.
    #[error("what a read was to run is known no longer")]
    Doubt,
    /// The server sent something that the protocol does not allow here. The connection is closed.
    #[error("PostgreSQL protocol: {0}")]
    Protocol(&'static str),
    /// A statement cannot be sent at all (a NUL byte in its text, more than 65,535 parameters, ...).
    #[error("the statement cannot be sent: {0}")]
    Unsendable(&'static str),
    /// The rows are larger than the bound of the connection. The connection is closed.
    #[error("the answer of the database is larger than {limit} bytes")]
    ReplyTooLarge {
        /// The bound.
        limit: usize,
    },
    /// Connecting took longer than `connect_timeout`.
    #[error("connecting took longer than {0:?}")]
    ConnectTimeout(Duration),
    /// Too many callers wait for a connection already.
    #[error("every database connection is busy and {waiting} requests wait already")]
    Saturated {
        /// How many wait.
        waiting: usize,
        /// When asking again makes sense.
        retry_after: Duration,
    },
    /// The database cannot be reached; known from an earlier attempt, so nobody waits for the next one.
    #[error("the database is not reachable: {cause}")]
    Unavailable {
        /// When the next attempt is made.
        retry_after: Duration,
        /// Why the last one failed.
        #[source]
        cause: Arc<Error>,
    },
    /// No connection became free within `acquire_timeout`.
    #[error("no database connection became free within {0:?}")]
    AcquireTimeout(Duration),
    /// The caller's deadline passed. A running statement is being cancelled.
    #[error("the deadline passed before the database answered")]
    Deadline,
    /// The session or the pool is closed.
    #[error("the connection is closed")]
    Closed,
}

impl Error {
    /// What PostgreSQL said, when it was PostgreSQL who said it (a refused login included).
    pub fn db(&self) -> Option<&DbError> {
        match self {
            Self::Db(error) | Self::NotPrimary(error) | Self::Login { source: error, .. } => Some(error),
            Self::Connect { source, .. } => source.db(),
            Self::Unavailable { cause, .. } => cause.db(),
            _ => None,
        }
    }

    /// The SQLSTATE, when there is one.
    pub fn code(&self) -> Option<SqlState> {
        self.db().map(|e| e.code)
    }

    /// Whether this is a refused login, which no retry cures and an operator must hear of.
    pub fn is_login(&self) -> bool {
        match self {
            Self::Login { .. } | Self::Authentication(_) => true,
            Self::Connect { source, .. } => source.is_login(),
            Self::Unavailable { cause, .. } => cause.is_login(),
            _ => false,
        }
    }

    /// Whether the connection or the server is at fault, not the statement.
    pub fn is_connection(&self) -> bool {
        match self {
            Self::Db(error) => error.is_fatal() || error.code.is_server_unavailable(),
            Self::Unsendable(_) | Self::Unsettled => false,
            _ => true,
        }
    }

    pub(crate) fn tls(reason: impl Into<String>) -> Self {
        Self::Tls { reason: reason.into(), source: None }
    }

    pub(crate) fn tls_caused(
        reason: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Tls { reason: reason.into(), source: Some(source.into()) }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What a caller is told about a connection's failure. The codes and texts are the ones that PostgREST's clients know.
/// A statement's own failure ([`Error::Db`]) becomes an internal error here: `request` maps it before it gets so far.
impl From<&Error> for PublicError {
    fn from(error: &Error) -> Self {
        const SOON: Duration = Duration::from_secs(1);
        match error {
            Error::Connect { .. }
            | Error::Login { .. }
            | Error::LoginSettings { .. }
            | Error::Authentication(_)
            | Error::WrongServerKind { .. }
            | Error::Tls { .. }
            | Error::ConnectTimeout(_) => {
                PublicError::new(Kind::Unavailable, "PGRST000", "Database connection error. Retrying the connection.")
                    .retry_after(SOON)
            }
            Error::Unavailable { retry_after, .. } => {
                PublicError::new(Kind::Unavailable, "PGRST000", "Database connection error. Retrying the connection.")
                    .retry_after(*retry_after)
            }
            Error::Io(_) | Error::Protocol(_) | Error::Closed | Error::NotPrimary(_) | Error::Moved | Error::Doubt => {
                PublicError::new(Kind::Unavailable, "PGRST001", "Database client error. Retrying the connection.")
                    .retry_after(SOON)
            }
            Error::Unsettled => crate::servers::not_one_primary(),
            Error::Saturated { retry_after, .. } => {
                PublicError::new(Kind::Unavailable, "PGRST003", "Too many requests wait for a database connection.")
                    .retry_after(*retry_after)
            }
            Error::AcquireTimeout(_) => {
                PublicError::new(Kind::Timeout, "PGRST003", "Timed out acquiring connection from connection pool.")
                    .retry_after(SOON)
            }
            Error::Deadline => PublicError::new(Kind::Timeout, "57014", "The request took longer than it may."),
            Error::ReplyTooLarge { .. } => {
                PublicError::new(Kind::Invalid, "54000", "The answer is larger than the server allows.")
                    .hint("Ask for fewer rows or columns.")
            }
            Error::Unsendable(_) => {
                PublicError::new(Kind::Invalid, "22023", "The request cannot be sent to the database.")
            }
            Error::Db(db) if db.is_fatal() || db.code.is_server_unavailable() => {
                PublicError::new(Kind::Unavailable, "PGRST001", "Database client error. Retrying the connection.")
                    .retry_after(SOON)
            }
            Error::Db(_) => PublicError::new(Kind::Internal, "XX000", "The database refused a statement."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_login_is_seen_through_the_pool() {
        let db = DbError::decode(b"VFATAL\0C28P01\0Mwrong password\0\0").unwrap();
        let login = Error::Login { host: "h".into(), user: "u".into(), source: Box::new(db) };
        let known = Error::Unavailable { retry_after: Duration::from_secs(3), cause: Arc::new(login) };
        assert!(known.is_login() && known.is_connection());
        assert_eq!(known.code(), Some(SqlState::INVALID_PASSWORD));
        let public = PublicError::from(&known);
        assert_eq!((public.kind, public.retry_after), (Kind::Unavailable, Some(Duration::from_secs(3))));
        assert!(!public.to_string().contains("wrong password"));
    }
}
