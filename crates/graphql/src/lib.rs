//! GraphQL over HTTP: a schema reflected from the database, one statement for an operation that reads.
//!
//! A room: parse (`request`, `reflected`, `limits`) -> plan (`plan`) -> query -> execute -> render (`flow`). The schema is
//! the caller's own: `reflect` makes a `model` of what a role sees, `schema` draws types from it. JSON views (`documents`: their types; `made`: what functions
//! return) come beside the tables. Reading documents, checking
//! them and introspection are the library's; names and shapes are pg_graphql's.
//! Invariants: every statement runs through `request::run` or one of its transactions; names reach SQL only through the
//! catalog, values only as parameters. Read on: docs/guide/graphql.md, `flow`.

mod breaking;
pub mod config;
mod cost;
mod directive;
mod documents;
mod editor;
mod error;
mod exact;
mod flow;
mod introspect;
mod limits;
mod made;
mod mistakes;
mod model;
mod naming;
mod plan;
mod prepared;
mod reflect;
mod reflected;
mod request;
mod router;
mod scalar;
mod schema;
mod settings;
mod suggest;
mod summary;
#[cfg(test)]
mod tests;
mod usages;
mod view;
mod views;
mod write;

pub use documents::{Trusted, TrustedError};
pub use error::Error;
pub use mistakes::{Mistake, mistakes};
pub use router::{Deps, room};
pub use settings::Settings;
pub use view::{Checked, Explained, View};

use ferrobase_request::install::{Migration, RoomMigrations};

/// What JSON views and functions that write are made with, in the schema `app`.
pub const MIGRATIONS: RoomMigrations = RoomMigrations {
    room: "graphql",
    owner: None,
    migrations: &[Migration { version: 1, name: "views", sql: include_str!("../migrations/0001_views.sql") }],
};
