//! Redis or Valkey for what several nodes share: rate limits and the documents that GraphQL's clients name, cache and broadcast with their rooms.
//!
//! [`config`] (the `redis` section) -> [`Options`] -> [`Client`]: one multiplexed connection that a keeper makes, watches
//! and makes again, to a single server, to whom Sentinel names, or to the primaries of a cluster. Optional everywhere:
//! whoever asks while there is no connection hears so at once and does with this node's memory.
//! Invariant: a request waits for Redis at most `redis.timeout`, and not at all once somebody waited in vain.
//! Invariant: every key begins with the configured prefix and expires. Invariant: no error holds a password.
//! Read on: `keeper` (how it comes back), `limits` (what is counted how), `texts` (what is remembered), adr/0010.

mod client;
pub mod config;
mod connect;
mod connection;
mod error;
mod keeper;
mod limits;
mod options;
mod texts;

pub use client::{Client, Numbers};
pub use error::{Error, Trouble};
pub use options::{Address, Layout, Login, Options, Tls};
