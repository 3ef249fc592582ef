//! How servers stand, and what is wrong where nothing may be written: what `state` finds out and others are told.

use std::fmt;
use std::time::Duration;

use ferrobase_base::{Kind, PublicError};

/// Why nothing may be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Several servers take writes.
    Split(Vec<Leader>),
    /// The only server that takes writes belongs to another cluster than the primary that was there before.
    Foreign(Leader),
    /// The only server that takes writes is on an older timeline than the primary that was there before.
    Outdated(Leader),
}

/// A server that takes writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leader {
    /// Where it is.
    pub server: String,
    /// Identity of its cluster.
    pub system: u64,
    /// Its timeline.
    pub timeline: u32,
}

impl fmt::Display for Leader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (system {}, timeline {})", self.server, self.system, self.timeline)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Split(leaders) => {
                let listed: Vec<String> = leaders.iter().map(Leader::to_string).collect();
                write!(f, "{} servers answer as primary: {}", leaders.len(), listed.join(", "))
            }
            Self::Foreign(leader) => write!(f, "the only primary is of another cluster than before: {leader}"),
            Self::Outdated(leader) => write!(f, "the only primary has an older history than the one before: {leader}"),
        }
    }
}

/// Where servers are and what they say stays in the log.
impl From<&Trouble> for PublicError {
    fn from(_: &Trouble) -> Self {
        not_one_primary()
    }
}

/// What callers hear while it is uncertain where to write.
pub(crate) fn not_one_primary() -> PublicError {
    let message = "Nothing can be written at the moment: it is not certain which database server is the primary";
    PublicError::new(Kind::Unavailable, "FB401", message).retry_after(Duration::from_secs(2))
}

/// How a server stands, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody has asked it yet.
    Unknown,
    /// It does not answer.
    Away,
    /// It takes the writes.
    Primary,
    /// It may answer reads.
    Replica,
    /// It is further behind than allowed.
    Behind,
    /// Another cluster, another timeline, or a primary that is not the one.
    Stranger,
    /// A server that is there already, under another name.
    Twin,
}

impl Standing {
    /// A word for numbers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Away => "away",
            Self::Primary => "primary",
            Self::Replica => "replica",
            Self::Behind => "behind",
            Self::Stranger => "stranger",
            Self::Twin => "twin",
        }
    }
}

/// Which server answers a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// This replica.
    Replica(usize),
    /// One of the replicas soon: none has what the caller wrote yet.
    Later,
    /// The primary.
    Primary,
}
