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
    /// Removed rows.
    Delete(Delete),
}

impl Mutation {
    /// What of the affected rows is needed afterwards. Only that is returned: a role may be allowed to write columns
    /// that it may not read.
    pub fn returning(&self) -> &Columns {
        match self {
            Self::Insert(insert) => &insert.returning,
            Self::Update(update) => &update.returning,
            Self::Delete(delete) => &delete.returning,
        }
    }
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

/// A column that the payload gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputColumn {
    /// Its name, which is also the key in the payload.
    pub name: String,
    /// The type as which the payload's value is read.
    pub type_name: CatalogSql,
    /// Function that makes the column's value of it.
    pub convert: Option<CatalogSql>,
    /// The column's default.
    pub default: Option<CatalogSql>,
}

/// Rows as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// JSON text, passed on as it came.
    pub json: Bytes,
    /// It is an object, not a list of objects.
    pub is_object: bool,
}

/// What happens to rows that are there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Merge or leave.
    pub resolution: Resolution,
    /// Columns of the unique key that decides; none: no conflict clause at all.
    pub columns: Vec<String>,
}

/// How a conflict is resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The row takes the new values.
    Merge,
    /// The row stays as it is and is not returned.
    Ignore,
}
