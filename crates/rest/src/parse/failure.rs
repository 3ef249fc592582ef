//! What went wrong while the query string was read.
//!
//! First stage. Texts are for the caller: they show the caller's own words and nothing else.

use std::fmt;

/// Longest piece of the caller's text that an error repeats, in characters.
const SHOWN: usize = 2_000;

/// A value that does not follow the grammar (PGRST100).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which value, and where it stopped making sense.
    pub message: String,
    /// What was there and what would have been right.
    pub details: String,
}

impl Failure {
    /// Both texts.
    pub(super) fn new(message: impl Into<String>, details: impl Into<String>) -> Self {
        Self { message: message.into(), details: details.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.message, self.details)
    }
}

/// Why a query string was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A value does not follow its grammar.
    #[error("{0}")]
    Grammar(Failure),
    /// `limit` is below zero.
    #[error("negative limit")]
    NegativeLimit,
}

impl From<Failure> for ParseError {
    fn from(failure: Failure) -> Self {
        Self::Grammar(failure)
    }
}

/// The caller's text as an error repeats it: cut where it is very long.
pub(super) fn shown(text: &str) -> &str {
    text.char_indices().nth(SHOWN).map_or(text, |(at, _)| &text[..at])
}
