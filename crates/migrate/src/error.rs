//! Why migrations cannot be read or applied. `Display` says what and where, [`Error::hint`] what to do.
//!
//! Read by the command line and by `dev`, for the owner of the database: PostgreSQL's own words are passed on.

use std::io;
use std::path::PathBuf;

use ferrobase_base::{Kind, PublicError};
use ferrobase_pg::Error as PgError;

use crate::discover::Version;
use crate::place::Place;
use crate::split::Problem;

/// Everything that can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A folder or file cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A new file cannot be written.
    #[error("{} cannot be written", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is not UTF-8.
    #[error("{}:{line}: not valid UTF-8", path.display())]
    NotUtf8 {
        /// Which.
        path: PathBuf,
        /// The first line that is not.
        line: usize,
    },
    /// A file is too large to be a migration.
    #[error("{} is larger than {} MB", path.display(), limit / 1024 / 1024)]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// A `.sql` file whose name does not say its place.
    #[error("{} is not named like a migration: {reason}", path.display())]
    Name {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A name for a new migration that has no letter or digit.
    #[error("{name:?} does not make a name for a file")]
    NewName {
        /// The name.
        name: String,
    },
    /// Two files with one number.
    #[error("{first} and {second} have the same number {version}")]
    Duplicate {
        /// The number.
        version: Version,
        /// One file.
        first: String,
        /// The other.
        second: String,
    },
    /// A file that cannot be run.
    #[error("{file}:{place}: {problem}")]
    Script {
        /// Its name.
        file: String,
        /// Where.
        place: Place,
        /// What is wrong.
        #[source]
        problem: Problem,
    },
    /// Files were changed after they had been applied.
    #[error("{} changed after it was applied", list(files))]
    Edited {
        /// Their names.
        files: Vec<String>,
    },
    /// A half-applied file was changed in the part that was applied.
    #[error("{file} changed in its first {done} statements, which were run already")]
    PartialEdited {
        /// Its name.
        file: String,
        /// How many statements were run.
        done: usize,
    },
    /// A statement outside a transaction was begun by a run that did not live to see its end.
    #[error(
        "{file}:{place}: an earlier run ended while statement {number} of {of} was running; it may be done: {summary}"
    )]
    InDoubt {
        /// The file's name.
        file: String,
        /// Where the statement begins.
        place: Place,
        /// Its place in the file, from 1.
        number: usize,
        /// How many there are.
        of: usize,
        /// Its first words.
        summary: String,
    },
    /// PostgreSQL refused a statement of a file.
    #[error(transparent)]
    Failed(Box<Failure>),
    /// Another runner is at it and does not finish.
    #[error("another runner ({holder}) applies migrations")]
    Busy {
        /// Who it says it is.
        holder: String,
    },
    /// Somebody else took the lease over while we were at it; what was not recorded was rolled back.
    #[error("another runner took over")]
    LeaseLost,
    /// The connection failed.
    #[error("the connection failed while {doing}: {source}")]
    Connection {
        /// What was being done.
        doing: String,
        /// How.
        #[source]
        source: PgError,
    },
    /// PostgreSQL refused a statement of our own.
    #[error("{doing} failed: {source}")]
    Ledger {
        /// What was being done.
        doing: &'static str,
        /// How.
        #[source]
        source: PgError,
    },
}

/// A refused statement of a migration, with all that PostgreSQL said.
#[derive(Debug, thiserror::Error)]
#[error("{file}:{place}: {message} (SQLSTATE {code}){}", at_commit(*commit))]
pub struct Failure {
    /// The file's name.
    pub file: String,
    /// Where the error is; the beginning of the statement when PostgreSQL gives no position.
    pub place: Place,
    /// The text of that line.
    pub line: String,
    /// SQLSTATE.
    pub code: String,
    /// PostgreSQL's message.
    pub message: String,
    /// Its details.
    pub detail: Option<String>,
    /// Its hint, or ours where it has none.
    pub hint: Option<String>,
    /// The call stack of functions, or the line of COPY's data.
    pub context: Option<String>,
    /// Whether it was refused at the end, by a deferred constraint.
    pub commit: bool,
    /// For files without a transaction: how many statements are applied and stay so, and of how many. `None`: nothing of
    /// the file is left.
    pub applied: Option<(usize, usize)>,
    /// Whether an earlier run had begun this statement and may have completed it.
    pub in_doubt: bool,
}

impl Error {
    /// A stable name of the case, for `--json` and tests.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "migrate_read",
            Self::Write { .. } => "migrate_write",
            Self::NotUtf8 { .. } => "migrate_not_utf8",
            Self::TooLarge { .. } => "migrate_too_large",
            Self::Name { .. } | Self::NewName { .. } => "migrate_name",
            Self::Duplicate { .. } => "migrate_duplicate",
            Self::Script { .. } => "migrate_script",
            Self::Edited { .. } | Self::PartialEdited { .. } => "migrate_edited",
            Self::InDoubt { .. } => "migrate_in_doubt",
            Self::Failed(_) => "migrate_failed",
            Self::Busy { .. } => "migrate_busy",
            Self::LeaseLost => "migrate_lease_lost",
            Self::Connection { .. } => "migrate_connection",
            Self::Ledger { .. } => "migrate_ledger",
        }
    }

    /// What the reader can do; `None` where the message already says it all.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Name { .. } => {
                "call it like 0001_create_users.sql or 20260131120000_create_users.sql, or move it away"
            }
            Self::NewName { .. } => "use letters and digits, for example: ferrobase migrate new create_users",
            Self::Duplicate { .. } => "give one of them the next free number",
            Self::TooLarge { .. } => "load data with COPY from a program, not with a migration",
            Self::Script { problem: Problem::MetaCommand { .. }, .. } => {
                "a file is sent to PostgreSQL without psql: remove the command (\\i: put the other file's SQL here)"
            }
            Self::Script { problem: Problem::TransactionControl { .. }, .. } => {
                "remove the statement: a file runs in one transaction already; with `-- ferrobase: no-transaction` each \
                 statement runs on its own"
            }
            Self::Edited { .. } => {
                "an applied file never changes: put the change into a new one (`ferrobase migrate new`). On a database \
                 that may be thrown away, `ferrobase dev --reset` starts from nothing"
            }
            Self::PartialEdited { .. } => {
                "undo the change there; the statements after them may change. On a database that may be thrown away, \
                 `ferrobase dev --reset` starts from nothing"
            }
            Self::InDoubt { .. } => {
                "look whether the database has it: then `ferrobase migrate up --in-doubt skip` goes on behind it, else \
                 `--in-doubt retry` runs it again (an index that was not completed is `INVALID`: drop it first)"
            }
            Self::Busy { .. } => "wait until it is done, or look for what blocks it (pg_stat_activity)",
            Self::LeaseLost => {
                "run it again, when the other one is done: what was recorded is done, and what was not was rolled back or is in doubt"
            }
            Self::Connection { .. } => "run it again: it begins with what was not completed",
            Self::Failed(failure) => return failure.hint.clone(),
            Self::Read { .. }
            | Self::Write { .. }
            | Self::NotUtf8 { .. }
            | Self::Script { .. }
            | Self::Ledger { .. } => {
                return None;
            }
        };
        Some(text.to_owned())
    }

    /// For failures of our own statements.
    pub(crate) fn ledger(doing: &'static str) -> impl Fn(PgError) -> Self {
        move |source| {
            if source.is_connection() {
                Self::Connection { doing: doing.to_owned(), source }
            } else {
                Self::Ledger { doing, source }
            }
        }
    }
}

impl From<&Error> for PublicError {
    fn from(error: &Error) -> Self {
        let kind = match error {
            Error::Busy { .. } | Error::LeaseLost | Error::InDoubt { .. } => Kind::Conflict,
            Error::Connection { .. } => Kind::Unavailable,
            Error::Read { .. } | Error::Write { .. } | Error::Ledger { .. } => Kind::Internal,
            _ => Kind::Invalid,
        };
        let public = Self::new(kind, error.code(), error.to_string());
        match error.hint() {
            Some(hint) => public.hint(hint),
            None => public,
        }
    }
}

fn list(files: &[String]) -> String {
    files.join(", ")
}

fn at_commit(commit: bool) -> &'static str {
    if commit { ", when committing" } else { "" }
}
