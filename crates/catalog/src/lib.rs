//! The schema cache: what `pg_catalog` says, as an immutable snapshot.
//!
//! A loader runs a few set-based queries and builds a [`Catalog`]; readers hold an `Arc` of it and never wait for a
//! reload. The types stand apart from the loader, so that plans are tested without a database.
//! Invariant: a `Catalog` never changes after it is built. Invariant: identifiers that reach SQL text come from here.
//! Read on: `model` (the types), `load` (`snapshot`: the queries under `sql/`; `assemble`: rows to types),
//! `relationships` (how keys become embeddings), `exposure` (what is hidden), `proven` (what runs no unknown code, and in
//! `depends` what answers depend on), `shapes` (what JSON documents of views have),
//! `handle` and `reload` (how it stays new), `pace` (how that leaves room for requests).

mod acl;
mod assemble;
mod cells;
mod declared;
mod description;
mod error;
pub mod exposure;
mod functions;
mod handle;
mod keys;
mod load;
pub mod model;
mod node_tree;
mod pace;
mod parts;
mod portions;
mod proven;
mod relations;
mod relationships;
mod reload;
mod renewal;
mod retire;
mod roles;
mod row_keys;
mod scope;
mod settings_read;
mod shadows;
mod shapes;
mod snapshot;
mod sql;
mod views;

pub use error::LoadError;
pub use exposure::{ExposureRules, Hidden};
pub use handle::CatalogHandle;
pub use load::{load, load_in_two};
pub use model::*;
pub use proven::depends::{Dependencies, Depends, dependencies};
pub use proven::{Proof, Proven, Stands, Verb};
pub use reload::{Connect, Connecting, ReloadOptions, ReloadState, Reloader, Trigger, connect_with};
pub use scope::Scope;
pub use settings_read::SettingsRead;
