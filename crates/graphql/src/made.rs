//! What functions return that has no relation behind it: rows of their own, outcomes of writes, nothing.
//!
//! Plain data, made by `reflect`. An outcome is known by the columns of the type that a function returns: three
//! (`success`, `message`, `data`), or thirteen that begin with `succeeded`.

use indexmap::IndexMap;

use crate::scalar::ValueType;
use crate::views::{Place, Sort};

/// The type of what returns nothing.
pub(crate) const DONE: &str = "Done";

/// What a function returns.
#[derive(Clone, Debug)]
pub(crate) enum Made {
    /// Nothing: it ran.
    Done,
    /// A JSON value, as it is.
    Json,
    /// A row of its own, or several in the function's own order.
    Rows {
        /// Whether there may be several.
        set: bool,
        /// What they are.
        row: RowType,
    },
    /// What became of a write.
    Outcome(Outcome),
}

/// A row type that belongs to a function.
#[derive(Clone, Debug)]
pub(crate) struct RowType {
    /// Its name.
    pub(crate) name: String,
    /// Its fields by their names in GraphQL.
    pub(crate) fields: IndexMap<String, RowField>,
}

/// A field of such a row.
#[derive(Clone, Debug)]
pub(crate) struct RowField {
    /// The column.
    pub(crate) column: String,
    /// What it is.
    pub(crate) value: RowValue,
}

/// What a column of such a row is.
#[derive(Clone, Debug)]
pub(crate) enum RowValue {
    Plain(ValueType),
    /// A `jsonb` document.
    Document(Place),
}

/// What became of a write: an interface and the two types that have it.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// The name of the interface.
    pub(crate) interface: String,
    /// The column that says which of the two it is.
    pub(crate) flag: String,
    pub(crate) success: RowType,
    pub(crate) error: RowType,
}

/// The keys of an object that is an argument.
#[derive(Clone, Debug)]
pub(crate) struct InputShape {
    /// The name of its type.
    pub(crate) name: String,
    /// By their names in GraphQL: the key in the object, and the type as GraphQL writes it.
    pub(crate) fields: IndexMap<String, (String, String)>,
}

impl Made {
    /// What was a document is a JSON value.
    pub(crate) fn forget_documents(&mut self) {
        let rows = match self {
            Self::Done | Self::Json => return,
            Self::Rows { row, .. } => vec![row],
            Self::Outcome(outcome) => vec![&mut outcome.success, &mut outcome.error],
        };
        for field in rows.into_iter().flat_map(|row| row.fields.values_mut()) {
            if let RowValue::Document(place) = &mut field.value {
                *place = Place::Scalar(Sort::Json);
            }
        }
    }
}

impl Outcome {
    /// The fields that both types have.
    pub(crate) fn common(&self) -> impl Iterator<Item = (&String, &RowField)> {
        self.success.fields.iter().filter(|(name, _)| self.error.fields.contains_key(*name))
    }
}
