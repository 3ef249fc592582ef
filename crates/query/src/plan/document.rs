//! Changes inside of `jsonb` columns, beside or instead of whole values.

use super::{InputColumn, PathKey};

/// A value at a path in a `jsonb` column. What is missing on the way is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetInside {
    /// The column.
    pub column: String,
    /// The way, at least one step.
    pub path: Vec<PathKey>,
    /// Where in the payload the value is; read as `jsonb`.
    pub input: InputColumn,
}

/// A `jsonb` column into which a document is merged (RFC 7396).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeInto {
    /// The column.
    pub column: String,
    /// What changes.
    pub patch: Patch,
}

/// What changes in an object. Anything that is no object becomes an empty one first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    /// Keys that go.
    pub remove: Vec<String>,
    /// JSON text of an object of the keys that get a new value.
    pub set: Option<String>,
    /// Keys whose own value is patched.
    pub inside: Vec<(String, Patch)>,
}
