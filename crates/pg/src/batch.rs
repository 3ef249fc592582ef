//! What one request asks of PostgreSQL and what comes back: plain values, no connection.
//!
//! A [`Batch`] is written as one contiguous buffer: the settings, then each statement, then a single Sync
//! (with BEGIN and COMMIT around when the mode asks for it). Its [`Reply`] exists only after ReadyForQuery, because
//! deferred constraints and the commit itself can still fail after the rows were sent.
//! Invariant: no type of another client library appears here.

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bytes::Bytes;

use crate::error::Error;
use crate::lsn::Position;
use crate::row::Rows;

/// Transaction-local settings in the order in which they are set; a later one counts. All values are one text, because a
/// request has a dozen of them and lives for less than a millisecond.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Names, and where in `values` each value ends.
    names: Vec<(Cow<'static, str>, usize)>,
    values: String,
}

impl Settings {
    /// None so far, with room for so many and for so many bytes of values.
    pub fn with_capacity(settings: usize, bytes: usize) -> Self {
        Self { names: Vec::with_capacity(settings), values: String::with_capacity(bytes) }
    }

    /// Sets one.
    pub fn set(&mut self, name: impl Into<Cow<'static, str>>, value: &str) {
        self.write(name, |out| out.push_str(value));
    }

    /// Sets one to what is appended here.
    pub fn write(&mut self, name: impl Into<Cow<'static, str>>, append: impl FnOnce(&mut String)) {
        append(&mut self.values);
        self.names.push((name.into(), self.values.len()));
    }

    /// Names and values.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &str)> {
        self.names.iter().enumerate().map(|(index, (name, end))| {
            let start = index.checked_sub(1).map_or(0, |before| self.names[before].1);
            (&**name, &self.values[start..*end])
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Bytes of all names and values.
    pub(crate) fn bytes(&self) -> usize {
        self.names.iter().map(|(name, _)| name.len()).sum::<usize>() + self.values.len()
    }
}

impl<N: Into<Cow<'static, str>>, V: AsRef<str>> FromIterator<(N, V)> for Settings {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(settings: I) -> Self {
        let mut all = Self::default();
        settings.into_iter().for_each(|(name, value)| all.set(name, value.as_ref()));
        all
    }
}

/// Everything that one request runs, in one network flush.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Transaction-local settings in the order in which they are set, before any statement. `role` is one of them;
    /// what must be set with the login's own rights comes before it.
    pub settings: Settings,
    /// Statements in order. In [`Mode::Implicit`] only statements that we generate, never CALL or COMMIT.
    pub statements: Vec<Statement>,
    /// How the transaction is opened and ended.
    pub mode: Mode,
    /// Distinguishes cached statements: the role and search_path under which they are analysed.
    pub scope: Arc<str>,
    /// Whether code that we do not know (functions, triggers, policies) may run; such a connection is checked or
    /// reset before anybody else gets it.
    pub runs_user_code: bool,
    /// Whether it may count up sequences and leaves nothing else behind: they are forgotten at its end, in the same flush.
    /// Only in [`Mode::Implicit`].
    pub counts_up: bool,
    /// Becomes false when what was known of the code that it runs is no longer so: then it is as if it ran any, and a
    /// shareable one that did not begin by then, or waits behind others, fails with [`Error::Doubt`].
    pub proof: Option<Arc<AtomicBool>>,
    /// Whether it may write: not while it is uncertain which server is the primary.
    pub writes: bool,
    /// Whether it may share a connection with others while it runs: it only reads, in [`Mode::Implicit`], and runs no
    /// code that we do not know. It may be asked twice.
    pub shareable: bool,
    /// Since when the caller waits: of those who share a connection the oldest goes first.
    pub since: Instant,
    /// When the caller stops waiting: then the statement is cancelled, and after a grace the backend is terminated.
    pub deadline: Instant,
}

impl Batch {
    /// Whether it ran something else than was known when it was made, for all that anybody can say.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.proof.as_ref().is_some_and(|stands| !stands.load(Ordering::Acquire))
    }
}

/// What begins a transaction of several flushes ([`crate::Pool::converse`]).
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// Isolation level.
    pub isolation: Isolation,
    /// READ ONLY.
    pub read_only: bool,
    /// Deferrable constraints are looked at when the transaction ends.
    pub defer_constraints: bool,
    /// When the caller stops waiting for the whole of it.
    pub deadline: Instant,
}

/// One flush of such a transaction. Only statements that we generate, never CALL or COMMIT.
#[derive(Clone, Debug)]
pub struct Turn {
    /// All settings, as in a [`Batch`]: nothing of an earlier turn's is left when these are set.
    pub settings: Settings,
    /// Statements in order.
    pub statements: Vec<Statement>,
    /// The second half of the last turn: what that set stays.
    pub continues: bool,
}

/// One statement with its parameters, which are in text format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// SQL text with `$1`...; values are never part of it.
    pub sql: Arc<str>,
    /// Values; `None` is NULL.
    pub params: Vec<Option<Bytes>>,
    /// Type OIDs of the parameters, 0 where PostgreSQL infers; may be shorter than `params`.
    pub param_types: Vec<u32>,
    /// In which format its rows come.
    pub formats: Formats,
}

/// In which format the columns of a statement's rows come ([format codes](https://www.postgresql.org/docs/current/protocol-overview.html#PROTOCOL-FORMAT-CODES)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Formats {
    /// All as text.
    #[default]
    Text,
    /// Whether each comes in binary format. A statement with another number of columns fails with 08P01, but one code is for
    /// all of them.
    Each(Arc<[bool]>),
    /// The same, once the session knows that there are so many columns; until then all come as text. For `*`, whose columns
    /// may be others by now, and for values of which one can tell in what format they came.
    Wished(Arc<[bool]>),
}

impl Formats {
    /// Those of a statement with so many columns, where that is known: whether each comes in binary format. None for text.
    pub(crate) fn codes(&self, known: Option<usize>) -> &[bool] {
        match self {
            Self::Each(each) => each,
            Self::Wished(each) if known == Some(each.len()) => each,
            Self::Text | Self::Wished(_) => &[],
        }
    }
}

/// How a batch becomes a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The implicit transaction up to the Sync. Read-only through the setting `transaction_read_only`.
    Implicit,
    /// BEGIN ... COMMIT or ROLLBACK.
    Explicit {
        /// Isolation level.
        isolation: Isolation,
        /// READ ONLY.
        read_only: bool,
        /// What ends it when nothing failed.
        end: End,
    },
    /// In a transaction that is open already ([`crate::session::Load`]).
    Within {
        /// What ends it when nothing failed; none leaves it open.
        end: Option<End>,
    },
}

/// Isolation level of an explicit transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// READ COMMITTED.
    ReadCommitted,
    /// REPEATABLE READ.
    RepeatableRead,
    /// SERIALIZABLE.
    Serializable,
}

/// End of an explicit transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// COMMIT.
    Commit,
    /// `SET CONSTRAINTS ALL IMMEDIATE`, then ROLLBACK, so that deferred errors are seen and nothing is kept.
    Rollback,
}

/// A condition in the middle of a batch: its first statements are answered before the others are sent, in the same
/// transaction. Costs a round trip.
#[derive(Clone, Copy)]
pub struct Judge<'a> {
    /// How many statements are answered first.
    pub leading: usize,
    /// Whether the others may run, by the results of the first. If not, everything is rolled back and the reply holds
    /// the results of the first only.
    pub passes: &'a (dyn Fn(&[StatementResult]) -> bool + Send + Sync),
}

impl std::fmt::Debug for Judge<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Judge").field("leading", &self.leading).finish_non_exhaustive()
    }
}

/// How a batch runs, beside what it holds.
#[derive(Clone, Copy, Default)]
pub struct Terms<'a> {
    /// A condition in the middle.
    pub judge: Option<Judge<'a>>,
    /// Asks where the log is once the transaction has ended: what the reply then tells ([`Reply::position`]) is behind
    /// everything that the batch wrote. Costs a statement in the same flush.
    pub position: bool,
    /// What its caller holds beside the connection.
    pub held: Option<&'a dyn Held>,
}

/// Something that others wait for, held for a batch while it runs.
pub trait Held: Send + Sync {
    /// The batch pauses: others may have it.
    fn let_go(&self);

    /// The batch is to run again.
    fn take(&self) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send + '_>>;
}

/// Results of the statements of a batch, in order.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// One per statement.
    pub results: Vec<StatementResult>,
    /// Time from the first byte sent until ReadyForQuery, and time spent waiting for a connection before that.
    pub timing: Timing,
    /// Where the log was after the transaction had ended, when that was asked for and the server told.
    pub position: Option<Position>,
}

/// Where the time of a batch went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timing {
    /// Waiting for a connection.
    pub wait: std::time::Duration,
    /// On the wire and in the server.
    pub execute: std::time::Duration,
}

/// Rows of one statement.
#[derive(Clone, Debug, Default)]
pub struct StatementResult {
    /// Columns, empty for statements without rows.
    pub columns: Arc<[Column]>,
    /// Rows, in text format unless the statement says otherwise.
    pub rows: Rows,
    /// Command tag, for example `INSERT 0 1`.
    pub tag: String,
}

/// A result column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub type_oid: u32,
}
