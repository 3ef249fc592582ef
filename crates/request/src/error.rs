//! Why a request's transaction did not happen.

use std::time::Duration;

use ferrobase_base::{Kind, PublicError};
use ferrobase_pg::servers::Trouble;

use crate::roles::Refusal;
use crate::sqlstate::{self, Audience};

/// A failure of [`run`](crate::run).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The catalog is not loaded yet.
    #[error("the schema cache is not loaded")]
    NoCatalog,
    /// The database knows the role as one that no caller may have.
    #[error("role {role:?} is refused: {reason}")]
    RoleRefused {
        /// The role.
        role: String,
        /// Why; for the log.
        #[source]
        reason: Refusal,
        /// It is the anonymous role: the server is set up wrongly, the caller did nothing.
        is_anonymous: bool,
    },
    /// PostgreSQL did not let the installation give service_role the right that service keys stand for.
    #[error("service_role has no BYPASSRLS")]
    ServiceRoleBound,
    /// The planner expects a statement to cost more than `rest.max_cost`. How much stays untold: estimates tell about rows
    /// that the caller may not see (security 22).
    #[error("a statement would cost more than is allowed")]
    TooCostly,
    /// It is not certain which server is the primary, so nothing is written.
    #[error("nothing is written: {trouble}")]
    NotOnePrimary {
        /// Why not; for the log.
        trouble: Trouble,
    },
    /// PostgreSQL, or the way to it.
    #[error("{source}")]
    Database {
        /// What happened.
        #[source]
        source: ferrobase_pg::Error,
        /// Who is told.
        audience: Audience,
    },
}

impl Error {
    pub(crate) fn database(source: ferrobase_pg::Error, audience: Audience) -> Self {
        let source = match source {
            // PostgREST on a standby says what the standby said.
            ferrobase_pg::Error::NotPrimary(error) if audience.shows_internals => ferrobase_pg::Error::Db(error),
            source => source,
        };
        Self::Database { source, audience }
    }

    /// Whether what was known of a read's code fell meanwhile: it was not answered, and is to be planned again.
    pub fn is_doubt(&self) -> bool {
        matches!(self, Self::Database { source: ferrobase_pg::Error::Doubt, .. })
    }

    /// Whether nothing ran because no connection was to be had.
    pub(crate) fn waited_in_vain(&self) -> bool {
        use ferrobase_pg::Error::{AcquireTimeout, Saturated, Unavailable};
        matches!(self, Self::Database { source: AcquireTimeout(_) | Saturated { .. } | Unavailable { .. }, .. })
    }

    /// The same for work that only reads: what wrote all the same was wrong to.
    pub(crate) fn of_read(source: ferrobase_pg::Error, audience: Audience) -> Self {
        match source {
            ferrobase_pg::Error::NotPrimary(error) => Self::database(ferrobase_pg::Error::Db(error), audience),
            source => Self::database(source, audience),
        }
    }

    /// What PostgreSQL said, when it was PostgreSQL that failed the request.
    pub fn db(&self) -> Option<&ferrobase_pg::DbError> {
        match self {
            Self::Database { source: ferrobase_pg::Error::Db(error), .. } => Some(error),
            _ => None,
        }
    }
}

impl From<&Error> for PublicError {
    fn from(error: &Error) -> Self {
        match error {
            Error::NoCatalog => PublicError::new(
                Kind::Unavailable,
                "PGRST002",
                "Could not query the database for the schema cache. Retrying.",
            )
            .retry_after(Duration::from_secs(1)),
            Error::RoleRefused { role, is_anonymous, .. } => {
                // The reason stays in the log: it would tell which roles exist and what they may do.
                let kind = if *is_anonymous { Kind::Unauthenticated } else { Kind::Forbidden };
                let public = PublicError::new(kind, "FB303", format!("Role \"{role}\" may not be used here"));
                if *is_anonymous { public.header("WWW-Authenticate", "Bearer") } else { public }
            }
            Error::ServiceRoleBound => PublicError::new(
                Kind::Unavailable,
                "FB304",
                "Service keys do not work yet: the database role service_role lacks BYPASSRLS",
            )
            .hint("A superuser of the database must run once: ALTER ROLE service_role BYPASSRLS;"),
            Error::TooCostly => PublicError::new(Kind::Invalid, "FB120", "The request would cost more than is allowed")
                .hint("Filter by an indexed column, embed less, or ask for fewer rows."),
            Error::NotOnePrimary { trouble } => PublicError::from(trouble),
            Error::Database { source: ferrobase_pg::Error::Db(error), audience } => {
                sqlstate::public_error(error, *audience)
            }
            Error::Database { source, .. } => PublicError::from(source),
        }
    }
}

impl From<Error> for PublicError {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}
