//! The schema cache: what `pg_catalog` says, as an immutable snapshot.
//!
//! A loader runs a few set-based queries and builds a [`Catalog`]; readers hold an `Arc` of it and never wait for a
//! reload. The types stand apart from the loader, so that plans are tested without a database.
//! Invariant: a `Catalog` never changes after it is built. Invariant: identifiers that reach SQL text come from here.
//! Read on: `model` (the types), `load` (the queries under `sql/`), `relationships` (how keys become embeddings).

pub mod model;

pub use model::*;
