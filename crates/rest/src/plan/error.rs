//! Why a request cannot be planned.
//!
//! What PostgREST also refuses is told by the room's [`Error`] in its words; the rest has codes of our own, listed
//! here.

use ferrobase_base::{Kind, PublicError};
use ferrobase_catalog::QualifiedName;

use crate::error::{Error, LookupError};

/// A request that has no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// As PostgREST refuses it.
    #[error(transparent)]
    Refused(#[from] Error),
    /// A relation that this caller may not know of, where the refusal has a code of its own.
    #[error("Could not find the table '{relation}' in the schema cache")]
    Hidden {
        /// The relation.
        relation: QualifiedName,
        /// Stable code.
        code: &'static str,
        /// What the operator can do.
        hint: Option<&'static str>,
    },
    /// FB101: embeds nest deeper than `rest.max_embed_depth`.
    #[error("Embedded resources are nested too deeply")]
    TooDeep {
        /// The bound.
        most: usize,
    },
    /// FB102: a cast that looks names up in the database's catalog.
    #[error("Casting to the type \"{0}\" is not allowed")]
    RegistryCast(String),
    /// FB119: a parameter that only reading has.
    #[error("distinct, group_by, having and cursor are for reading")]
    NotReading,
    /// FB121: an aggregate with conditions below a spread.
    #[error("An aggregate of a spread relation cannot have a filter")]
    SpreadFilter,
    /// FB127: an extension that is not installed.
    #[error("This needs the extension {0}")]
    NoExtension(&'static str),
    /// FB128: a place or distance that is none.
    #[error("Not a place: {0}")]
    Place(&'static str),
    /// FB129: a key of a body that is no path into a `jsonb` column.
    #[error("'{key}' cannot be set: {why}")]
    Inside {
        /// The key.
        key: String,
        /// Why not.
        why: &'static str,
    },
    /// FB130: a merge patch that is none.
    #[error("The merge patch cannot be applied: {0}")]
    MergePatch(&'static str),
    /// PGRST102: objects of one table that are written together have different keys; the table.
    #[error("All object keys must match")]
    Keys(String),
    /// FB134: a condition that the method cannot keep; which field it is in.
    #[error("The request cannot be made to depend on this {0}")]
    NotConditional(&'static str),
    /// FB135: a write with `limit` or `offset`.
    #[error("A write takes every row that its filters name: it has no limit or offset")]
    Limited,
    /// FB136: an order by a column of an embed that is not among those selected of it.
    #[error("'{column}' is not among what is selected of '{target}'")]
    OrderNotShown {
        /// The embed.
        target: String,
        /// The column.
        column: String,
    },
    /// FB137: an upsert, asked for strictly, of a table where nothing says which rows are the same.
    #[error("Nothing tells which rows of '{0}' are the same: it has no primary key")]
    NoConflict(String),
    /// FB122: a cursor that is damaged, or was made for another order.
    #[error("The cursor is not one of this list in this order")]
    Cursor,
    /// FB123: nothing tells the rows of a list apart.
    #[error("Pages of '{0}' cannot be told apart: it has no unique key without NULLs")]
    NoKey(String),
    /// FB124: what cannot be paged by cursor.
    #[error("A cursor cannot be combined with {0}")]
    NoPages(&'static str),
    /// FB108: a cast to the pseudo-type of literals.
    #[error("Casting to the type \"unknown\" is not possible")]
    UnknownCast,
    /// FB107: a view or foreign table that cannot be written this way.
    #[error("Rows of '{relation}' cannot be {verb}")]
    Unwritable {
        /// The relation.
        relation: QualifiedName,
        /// What was asked for: `inserted`, `updated`, `deleted`.
        verb: &'static str,
    },
    /// FB110: a list of changes that does not say which rows they are for; what it lacks.
    #[error("The changes do not say which rows they are for")]
    KeyNotGiven(String),
    /// FB111: rows are to be found by columns that do not name one row.
    #[error("The columns ({columns}) are not a unique key of '{relation}'")]
    NotUnique {
        /// The relation.
        relation: String,
        /// The columns.
        columns: String,
    },
    /// FB140: related rows that cannot be written with their parent.
    #[error("The rows of '{key}' cannot be written together with the row that holds them")]
    NotWritable {
        /// The key of the body.
        key: String,
        /// Why.
        why: &'static str,
    },
    /// FB141: a key that names a relationship holds something else than rows.
    #[error("The value of '{key}' must be {}", if *.to_one { "an object or null" } else { "a list of objects" })]
    NotRows {
        /// The key of the body.
        key: String,
        /// One row belongs there.
        to_one: bool,
    },
    /// FB144: too many tables and keys.
    #[error("The body holds related rows in too many places")]
    TooManyGroups {
        /// The bound.
        most: usize,
    },
    /// FB145: rows that are to be shown cannot be found again.
    #[error("'{relation}' has no primary key by which its new rows could be shown")]
    NoKeyToShow {
        /// The relation.
        relation: String,
    },
}

impl From<LookupError> for PlanError {
    fn from(error: LookupError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<PlanError> for PublicError {
    fn from(error: PlanError) -> Self {
        let message = error.to_string();
        match error {
            PlanError::Refused(error) => error.into(),
            PlanError::Hidden { code, hint, .. } => {
                let mut public = PublicError::new(Kind::NotFound, code, message);
                public.hint = hint.map(str::to_owned);
                public
            }
            PlanError::TooDeep { most } => {
                PublicError::new(Kind::Invalid, "FB101", message).details(format!("At most {most} levels are allowed"))
            }
            PlanError::UnknownCast => PublicError::new(Kind::Invalid, "FB108", message),
            PlanError::Unwritable { .. } => PublicError::new(Kind::MethodNotAllowed, "FB107", message)
                .hint("OPTIONS tells which methods a relation has"),
            PlanError::KeyNotGiven(lack) => PublicError::new(Kind::Invalid, "FB110", message)
                .details(format!("The elements of the list have {lack}"))
                .hint("Give each element the primary key of its row, or name the columns of a unique key with 'on='."),
            PlanError::NotUnique { .. } => PublicError::new(Kind::Invalid, "FB111", message)
                .hint("'on=' takes all columns of the primary key or of a unique constraint."),
            PlanError::NotWritable { why, .. } => {
                PublicError::new(Kind::Invalid, "FB140", message).details(why.to_owned())
            }
            PlanError::NotRows { .. } => PublicError::new(Kind::Invalid, "FB141", message),
            PlanError::TooManyGroups { most } => PublicError::new(Kind::Invalid, "FB144", message)
                .details(format!("At most {most} combinations of a table and a key are allowed")),
            PlanError::NoKeyToShow { .. } => {
                PublicError::new(Kind::Invalid, "FB145", message).hint("Ask for it with 'Prefer: return=minimal'.")
            }
            PlanError::RegistryCast(_) => PublicError::new(Kind::Invalid, "FB102", message)
                .details("Types that name database objects tell about objects that the caller may not see"),
            PlanError::NotReading => PublicError::new(Kind::Invalid, "FB119", message),
            PlanError::SpreadFilter => PublicError::new(Kind::Invalid, "FB121", message)
                .details("The parent aggregates, and does not know the columns that the filter names"),
            PlanError::Cursor => {
                let mut public = PublicError::new(Kind::Invalid, "FB122", message);
                public.hint =
                    Some("Begin again with cursor=first, or ask with the order that the cursor is from".to_owned());
                public
            }
            PlanError::NoKey(_) => {
                let mut public = PublicError::new(Kind::Invalid, "FB123", message);
                public.hint = Some("Add a primary key, or page with limit and offset".to_owned());
                public
            }
            PlanError::NoExtension(name) => {
                let mut public = PublicError::new(Kind::Invalid, "FB127", message);
                public.hint = Some(format!("create extension {name} schema extensions"));
                public
            }
            PlanError::Inside { .. } => PublicError::new(Kind::Invalid, "FB129", message),
            PlanError::Keys(table) => PublicError::new(Kind::Invalid, "PGRST102", message)
                .details(format!("The objects for the table '{table}' do not all have the same keys"))
                .hint("With 'Prefer: missing=default', what an object leaves out gets the column's default."),
            PlanError::NotConditional(_) => PublicError::new(Kind::Invalid, "FB134", message).hint(
                "PATCH, PUT and DELETE take If-Match; PUT takes If-None-Match: *, which writes only a row that is new.",
            ),
            PlanError::Limited => PublicError::new(Kind::Invalid, "FB135", message)
                .hint("Nothing was written. Name the rows by their key, or bound them with 'Prefer: handling=strict, max-affected=N'."),
            PlanError::OrderNotShown { target, .. } => PublicError::new(Kind::Invalid, "FB136", message)
                .hint(format!("Rows are ordered by what an embed shows, under its alias if it has one: select it there, or nothing: {target}().")),
            PlanError::NoConflict(_) => PublicError::new(Kind::Invalid, "FB137", message)
                .hint("Name the columns of a unique key with on_conflict=."),
            PlanError::MergePatch(_) => PublicError::new(Kind::Invalid, "FB130", message),
            PlanError::Place(_) => PublicError::new(Kind::Invalid, "FB128", message),
            PlanError::NoPages(_) => PublicError::new(Kind::Invalid, "FB124", message),
        }
    }
}
