//! Why an installation failed, in words for the person who started the server.

use ferrobase_pg::Error as PgError;

/// An installation could not be completed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// The owner's login does not work.
    #[error("{0}")]
    Connect(#[source] PgError),
    /// A statement failed.
    #[error("{doing} failed: {source}")]
    Sql {
        /// What it was for.
        doing: &'static str,
        /// The failure.
        #[source]
        source: PgError,
    },
    /// A migration failed; nothing of it was kept.
    #[error("migration {room}/{version:04} {name} failed: {source}")]
    Migration {
        /// Whose.
        room: &'static str,
        /// Its number.
        version: u32,
        /// Its name.
        name: &'static str,
        /// The failure.
        #[source]
        source: PgError,
    },
    /// A migration that was applied is another one in this program.
    #[error(
        "migration {room}/{version:04} was applied as {applied:?} with another text than this program has: \
         the database was made by a modified or unreleased program"
    )]
    Changed {
        /// Whose.
        room: &'static str,
        /// Its number.
        version: u32,
        /// Its name in the database.
        applied: String,
    },
    /// The API roles do not exist and the owner may not make roles.
    #[error("the roles {} do not exist and {user:?} may not create roles; somebody who may must run once:\n{sql}", roles.join(", "))]
    MissingRoles {
        /// Which.
        roles: Vec<String>,
        /// The owner's login.
        user: String,
        /// What to run.
        sql: String,
    },
    /// The API roles are somebody else's, and the owner may not grant them (PostgreSQL 16 and later ask for ADMIN).
    #[error("{user:?} may not grant {} to {login:?}; somebody who may must run once:\n{sql};", roles.join(" and "))]
    MissingGrant {
        /// Who needs the roles.
        login: String,
        /// Which.
        roles: Vec<String>,
        /// The owner's login.
        user: String,
        /// What to run.
        sql: String,
    },
    /// A request login is not made like one.
    #[error("requests must not log in as {user:?}: {reason}")]
    UnsafeLogin {
        /// The login.
        user: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A request login does not get in.
    #[error(
        "the login {user:?} for requests is refused: {source}. If a connection pooler or pg_hba.conf stands in \
         between, let it in there, or name a login that works in database.authenticator"
    )]
    LoginRefused {
        /// The login.
        user: String,
        /// What the server said.
        #[source]
        source: PgError,
    },
    /// A request login has another password than the one that was made for it, and the owner may not set it.
    #[error(
        "the login {login:?} for requests has another password than the one kept for it in ferrobase.secrets, and {user:?} may \
         not set it; somebody who may must run once:\n{sql};"
    )]
    WrongPassword {
        /// The login.
        login: String,
        /// The owner's login.
        user: String,
        /// What to run.
        sql: String,
    },
    /// The recorded login belongs to another database of the cluster; handled inside, by taking one of our own.
    #[error("the login {user:?} belongs to another database of this cluster")]
    ForeignLogin {
        /// The login.
        user: String,
    },
    /// Another process has been installing for too long.
    #[error("{holder} has been installing until {until}; if it is gone, this ends by itself then")]
    Busy {
        /// Who holds the lease.
        holder: String,
        /// Until when, UTC.
        until: String,
    },
    /// The lease went to somebody else while we worked: our clock stood still for longer than it lasts.
    #[error("the installation was taken over by another process")]
    LeaseLost,
    /// A read-only server cannot be installed on.
    #[error("the database is a read replica and the primary is not installed yet; start once with the primary's URL")]
    Replica,
    /// The server answered something that the query cannot give.
    #[error("unexpected answer while {0}")]
    Unexpected(&'static str),
}

impl InstallError {
    /// Wraps a failed statement.
    pub(super) fn sql(doing: &'static str) -> impl FnOnce(PgError) -> Self {
        move |source| Self::Sql { doing, source }
    }
}
