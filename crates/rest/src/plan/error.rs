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
            PlanError::RegistryCast(_) => PublicError::new(Kind::Invalid, "FB102", message)
                .details("Types that name database objects tell about objects that the caller may not see"),
        }
    }
}
