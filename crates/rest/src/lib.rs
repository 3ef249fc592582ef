//! PostgREST's dialect over HTTP: a table, view or function is a resource, the query string says what of it.
//!
//! A room: parse (`request`, `parse`, `body`) -> plan (`plan`) -> query -> execute -> render (`render`). Everything
//! but `execute` is synchronous and pure; only `execute` touches PostgreSQL, through `request::run`.
//! Invariants: names reach SQL only through the catalog, values only as parameters; an answer is sent only after its
//! transaction ended, a streamed one excepted (`stream`, docs/adr/0005); JSON that PostgreSQL made is passed on byte for byte.
//! Read on: docs/architecture.md (a request's way), `flow` (the stages), `error` (codes).

pub mod ast;
mod batch;
pub mod body;
pub mod conditional;
pub mod config;
pub mod cursor;
mod denial;
mod element;
pub mod error;
mod execute;
mod flow;
pub mod media;
pub mod negotiate;
mod nested;
pub mod openapi;
pub mod parse;
pub mod plan;
mod plan_cache;
pub mod prefer;
pub mod profile;
pub mod range;
pub mod render;
pub mod request;
mod router;
mod settings;
mod sight;
mod stream;
mod summary;

pub use router::{Deps, room};
pub use settings::Settings;
