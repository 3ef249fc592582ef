//! What of the catalog a caller may know of.
//!
//! Privileges and policies are PostgreSQL's. This is about what is hidden although PostgreSQL would answer (tables
//! without row security), and about hints, which may name only what the caller could use.

use ferrobase_catalog::{Function, Relation};

/// How the refusal of a hidden relation is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hidden {
    /// Its code; with [`Hidden::UNKNOWN`] a hidden relation looks like none at all.
    pub code: &'static str,
    /// What the operator can do.
    pub hint: Option<&'static str>,
}

impl Hidden {
    /// Nobody need know that there is something.
    pub const UNKNOWN: Self = Self { code: "PGRST205", hint: None };
}

/// Says what one caller may know of.
pub trait Sight {
    /// Why a relation is hidden, when it is.
    fn hidden(&self, relation: &Relation) -> Option<Hidden>;

    /// Whether a hint may name a relation.
    fn suggests(&self, relation: &Relation) -> bool {
        self.hidden(relation).is_none()
    }

    /// Whether a hint may name a function.
    fn suggests_function(&self, function: &Function) -> bool {
        let _ = function;
        true
    }
}

/// Sees everything, as in PostgREST mode.
#[derive(Clone, Copy, Debug, Default)]
pub struct Everything;

impl Sight for Everything {
    fn hidden(&self, _: &Relation) -> Option<Hidden> {
        None
    }
}
