//! The schema cache: what `pg_catalog` says, as an immutable snapshot.
//!
//! A loader runs a few set-based queries and builds a [`Catalog`]; readers hold an `Arc` of it and never wait for a
//! reload. The types stand apart from the loader, so that plans are tested without a database.
//! Invariant: a `Catalog` never changes after it is built. Invariant: identifiers that reach SQL text come from here.

pub mod exposure;
mod handle;
pub mod model;

pub use exposure::{ExposureRules, Hidden};
pub use handle::CatalogHandle;
pub use model::*;
