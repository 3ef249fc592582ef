//! Why a catalog could not be loaded.
//!
//! Seen by operators (logs, readiness, `state.last_error`), never by callers of the API: they are told only that the
//! catalog is not there yet.

use ferrobase_base::{Kind, PublicError};

/// A failed load. The catalog in use stays as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// No connection for loading.
    #[error("cannot connect to load the catalog")]
    Connect(#[source] ferrobase_pg::Error),
    /// A query of ours failed.
    #[error("catalog query {query} failed")]
    Query {
        /// The file under `sql/`.
        query: &'static str,
        /// What the server or the connection said.
        #[source]
        source: ferrobase_pg::Error,
    },
    /// A query answered with something that its file does not promise: a server we do not know.
    #[error("catalog query {query}, column {column}: {reason}")]
    Answer {
        /// The file under `sql/`.
        query: &'static str,
        /// Column, counted from one.
        column: usize,
        /// What was wrong with the value.
        reason: String,
    },
    /// The load did not end within its bound.
    #[error("loading the catalog took longer than {0:?}")]
    Timeout(std::time::Duration),
    /// The task that builds the catalog died.
    #[error("building the catalog failed")]
    Build(#[source] tokio::task::JoinError),
}

impl From<&LoadError> for PublicError {
    fn from(_: &LoadError) -> Self {
        PublicError::new(Kind::Unavailable, "PGRST002", "Could not query the database for the schema cache. Retrying.")
    }
}
