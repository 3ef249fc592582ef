//! What this room keeps in schema `auth`, a file for each table.
//!
//! Every function takes the transaction that it belongs to ([`Tx`]). SQL is constant text with parameters; rows come back as
//! one JSON value each, so that a column added by a later release changes nothing here. Times are compared in SQL, by
//! the database's clock.
//! Invariant: everything runs as the schema's owner, never as the caller.

pub mod amr;
pub mod api_keys;
pub mod audit;
pub mod challenges;
pub mod custom_providers;
pub mod factors;
pub mod flow_state;
pub mod identities;
pub mod oauth_authorizations;
pub mod oauth_clients;
pub mod oauth_states;
pub mod one_time_tokens;
pub mod outbox;
pub mod param;
pub mod passkeys;
pub mod refresh_tokens;
pub mod send_limits;
pub mod sessions;
mod tx;
pub mod users;
pub mod verify_limits;
pub mod waiting_passwords;
pub mod web3_messages;

pub use tx::{Database, Tx, is_duplicate};
