//! The request crate against real PostgreSQL: identities, transactions, installation, attacks.

// Helpers of tests may panic like tests do; the lint knows only the functions that are marked as tests.
#![allow(clippy::unwrap_used)]

mod support;

mod answers;
mod attacks;
mod epochs;
mod fresh_cluster;
mod identity;
mod install;
mod isolation;
mod leases;
mod logins;
mod proofs;
mod transaction;
