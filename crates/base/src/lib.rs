//! Words that every room shares: errors, secrets, ids, configuration helpers and ports.
//!
//! Foundation: no I/O, no async, no knowledge of HTTP or SQL. Everything here is a value or a tiny trait.
//! Invariant: nothing in this crate reads the environment, a file, a socket or the clock of the database.
//! Read on: `error` (what a caller may be told), `config` (how settings are parsed), `ports` (where rooms meet).

pub mod config;
pub mod error;
pub mod ports;
pub mod scope;
pub mod secret;
pub mod shelf;
pub mod sightings;
pub mod worker;

pub use error::{Kind, PublicError};
pub use secret::Secret;
pub use shelf::Shelf;
pub use sightings::Sightings;
pub use worker::Worker;
