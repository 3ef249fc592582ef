//! Changes to rows of one table or view.

use bytes::Bytes;
use ferrobase_catalog::QualifiedName;

use super::{Columns, Condition, MergeInto, SetInside};
use crate::sql::CatalogSql;

/// A change.
#[derive(Clone, Debug, PartialEq)]
pub enum Mutation {
    /// New rows, or with a conflict clause new or changed ones.
    Insert(Insert),
    /// Changed rows.
    Update(Update),
    /// Changed rows, each with values of its own.
    UpdateEach(UpdateEach),
    /// Removed rows.
    Delete(Delete),
    /// Rows that earlier statements of the transaction wrote.
    Pick(Pick),
}

/// `INSERT`.
#[derive(Clone, Debug, PartialEq)]
pub struct Insert {
    /// Into.
    pub table: QualifiedName,
    /// Columns that the payload gives.
    pub columns: Vec<InputColumn>,
    /// The rows.
    pub payload: Payload,
    /// Keys that an object does not have get the column's default, not NULL.
    pub missing_is_default: bool,
    /// What happens to rows that are there already.
    pub conflict: Option<Conflict>,
    /// Rows of the payload that do not satisfy these are left out (PUT: they are not the row of the URL).
    pub matching: Vec<Condition>,
    /// What of the rows is needed afterwards.
    pub returning: Columns,
    /// Columns that make the address of a single inserted row; none when it is not asked for.
    pub location: Vec<String>,
}

/// `UPDATE`. Without columns it changes nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// What.
    pub table: QualifiedName,
    /// Columns that the payload gives.
    pub columns: Vec<InputColumn>,
    /// Values inside of `jsonb` columns that the payload gives.
    pub inside: Vec<SetInside>,
    /// Documents that are merged into `jsonb` columns.
    pub merge: Vec<MergeInto>,
    /// The new values.
    pub payload: Payload,
    /// Keys that the object does not have get the column's default, not NULL.
    pub missing_is_default: bool,
    /// Which rows.
    pub filters: Vec<Condition>,
    /// What of the rows is needed afterwards.
    pub returning: Columns,
}

/// `UPDATE` of rows that the payload names by a key, each with values of its own. Two rows of the payload with the same
/// key fail the statement.
#[derive(Clone, Debug, PartialEq)]
pub struct UpdateEach {
    /// What.
    pub table: QualifiedName,
    /// Columns by which a row of the payload finds its row: a unique key. They are compared, not written.
    pub key: Vec<InputColumn>,
    /// Other columns that the payload gives, at least one.
    pub columns: Vec<InputColumn>,
    /// A JSON list of rows.
    pub json: Bytes,
    /// Keys that an object does not have get the column's default, not NULL.
    pub missing_is_default: bool,
    /// Rows that do not satisfy these are not changed.
    pub filters: Vec<Condition>,
    /// A row of the payload that changes nothing fails the statement.
    pub all_must_exist: bool,
    /// What of the rows is needed afterwards, by name: rows come back in the order of the payload.
    pub returning: Vec<String>,
}

/// `DELETE`.
#[derive(Clone, Debug, PartialEq)]
pub struct Delete {
    /// From.
    pub table: QualifiedName,
    /// Which rows.
    pub filters: Vec<Condition>,
    /// What of the rows is needed afterwards.
    pub returning: Columns,
}

/// Rows found by their key, in the order of a list of keys: what came of a change that took several statements.
#[derive(Clone, Debug, PartialEq)]
pub struct Pick {
    /// From.
    pub table: QualifiedName,
    /// Columns of the key.
    pub key: Vec<InputColumn>,
    /// A JSON list of keys.
    pub json: Bytes,
    /// What of the rows is needed.
    pub returning: Columns,
}

/// A column that the payload gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputColumn {
    /// Its name, which is also the key in the payload.
    pub name: String,
    /// The type as which the payload's value is read.
    pub type_name: CatalogSql,
    /// How the column's value is made of it.
    pub convert: Option<Convert>,
    /// The column's default.
    pub default: Option<CatalogSql>,
}

/// How a value is made of what a payload gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Convert {
    /// By a function.
    Call(CatalogSql),
    /// By a cast to this type. A document of the payload whose text is cast may be `null`, which is not NULL.
    Cast(CatalogSql),
}

/// Where the rows of a write come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// JSON text, passed on as it came.
    Json {
        /// The text.
        json: Bytes,
        /// It is an object, not a list of objects.
        is_object: bool,
    },
    /// A table of the transaction with one JSON object a row (`doc`) and its number (`line`); only for an insert. Its
    /// name is text of ours.
    Staged {
        /// The table.
        table: &'static str,
        /// A sequence that is set to the number of each row as it is read.
        progress: &'static str,
    },
}

impl Payload {
    /// The JSON text, where the payload is one; an empty list stands for rows that are elsewhere.
    pub fn json(&self) -> &[u8] {
        match self {
            Self::Json { json, .. } => json,
            Self::Staged { .. } => b"[]",
        }
    }
}

/// What happens to rows that are there already.
#[derive(Clone, Debug, PartialEq)]
pub struct Conflict {
    /// Merge or leave.
    pub resolution: Resolution,
    /// Columns of the unique key that decides; none: no conflict clause at all.
    pub columns: Vec<String>,
    /// Columns that take the new values; all that the payload gives where nothing is said.
    pub update: Option<Vec<String>>,
    /// Rows that are there and do not satisfy these stay as they are and are not returned.
    pub filters: Vec<Condition>,
}

impl Conflict {
    /// One in which all given columns take part.
    pub fn of(resolution: Resolution, columns: Vec<String>) -> Self {
        Self { resolution, columns, update: None, filters: Vec::new() }
    }
}

/// How a conflict is resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The row takes the new values.
    Merge,
    /// The row stays as it is and is not returned.
    Ignore,
}
