//! The request crate against real PostgreSQL: identities, transactions, installation, attacks.

mod support;

mod attacks;
mod identity;
mod install;
mod isolation;
mod leases;
mod logins;
mod transaction;
