//! Where a setting was written, so that every message can point at it.
//!
//! Made by the sources (`yaml`, `overlay`), carried by every [`Node`](super::Node), shown by messages and by
//! `config show --origin`. Invariant: a place names a source and never holds a value.

use std::fmt;
use std::sync::Arc;

/// The origin of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nobody wrote it: the default of the key.
    Default,
    /// The command chose it (`dev` binds loopback); anything that the user writes comes before it.
    Command(Arc<str>),
    /// A line of a file, counted from 1.
    File {
        /// The path as it was found or given.
        name: Arc<str>,
        /// The line.
        line: u32,
    },
    /// An environment variable.
    Environment(Arc<str>),
    /// A command line flag, with its dashes.
    Flag(Arc<str>),
}

impl Place {
    /// How strong it is: a value replaces those of weaker places.
    pub fn rank(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::Command(_) => 1,
            Self::File { .. } => 2,
            Self::Environment(_) => 3,
            Self::Flag(_) => 4,
        }
    }

    /// Whether text from here is one string, in which lists are comma-separated or written in YAML's flow style.
    pub(crate) fn is_text_only(&self) -> bool {
        matches!(self, Self::Environment(_) | Self::Flag(_) | Self::Command(_))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Command(command) => write!(f, "{command}"),
            Self::File { name, line } => write!(f, "{name}:{line}"),
            Self::Environment(variable) => write!(f, "{variable}"),
            Self::Flag(flag) => write!(f, "{flag}"),
        }
    }
}
