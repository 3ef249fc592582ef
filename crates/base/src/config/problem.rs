//! What can be wrong with a configuration, each with its key and its place.
//!
//! The reader and the checks collect [`Problem`]s; `load` gives them together as [`ConfigErrors`], which is what a user
//! reads. Invariant: the text of a secret is in none of them.

use std::fmt;

use thiserror::Error;

use super::Place;

/// One thing wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct Problem {
    /// Full path of the key, `server.cors.max_age`; empty when the whole file is meant.
    pub key: String,
    /// Where it was written.
    pub place: Place,
    /// What is wrong with it.
    pub fault: Fault,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.key.is_empty(), &self.place) {
            (true, place) => write!(f, "{place}: {}", self.fault),
            (false, Place::Default) => write!(f, "{}: {}", self.key, self.fault),
            (false, place) => write!(f, "{} ({place}): {}", self.key, self.fault),
        }
    }
}

/// The ways in which a setting can be wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// The text is not YAML, or uses a part of YAML that we do not read.
    #[error("{0}")]
    Syntax(String),
    /// A key stands twice in one mapping.
    #[error("the key is written twice, first at {first}")]
    Duplicate {
        /// The first of the two.
        first: Place,
    },
    /// No such key.
    #[error("unknown key{}", suggestion(.nearest.as_deref()))]
    UnknownKey {
        /// The known key that looks most like it.
        nearest: Option<String>,
    },
    /// The value is not of the key's type. `found` is safe to print.
    #[error("{found} is not {expected}")]
    WrongValue {
        /// What stands there: its text, what was written instead of a secret, or its shape.
        found: String,
        /// What the key takes.
        expected: String,
    },
    /// `${VAR}` without a value and without a default.
    #[error(
        "the environment variable {variable} is not set and has no default; write ${{{variable}:-value}} to give one"
    )]
    Undefined {
        /// Its name.
        variable: String,
    },
    /// `${` that is not `${NAME}` or `${NAME:-default}`.
    #[error("`${{` must be followed by NAME}} or NAME:-default}}; write $${{ for the characters themselves")]
    BadExpansion,
    /// A file that cannot be read.
    #[error("cannot read {path}: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// A secret that cannot be had.
    #[error("the secret {reference} cannot be read: {reason}")]
    Secret {
        /// The reference, as written.
        reference: String,
        /// Why.
        reason: String,
    },
    /// Right on its own, wrong together with something else or outside of what we serve.
    #[error("{0}")]
    Refused(String),
    /// Known, and not built yet.
    #[error("{what} is not built yet, and serving without it would be unsafe: remove the key")]
    NotBuilt {
        /// The feature in the user's words.
        what: String,
    },
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map(|key| format!("; did you mean `{key}`?")).unwrap_or_default()
}

/// Everything wrong with a configuration, at least one problem.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct ConfigErrors(pub Vec<Problem>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [problem] => write!(f, "the configuration is not valid: {problem}"),
            problems => {
                write!(f, "the configuration has {} problems:", problems.len())?;
                problems.iter().try_for_each(|problem| write!(f, "\n  - {problem}"))
            }
        }
    }
}

impl From<Problem> for ConfigErrors {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}
