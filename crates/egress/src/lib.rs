//! Every outbound HTTP call of the server: key sets, discovery documents and traces now, hooks and webhooks with
//! their rooms.
//!
//! An address that somebody else chose (a URL in the configuration, a redirect, a name that resolves differently today)
//! must not reach what only this machine can reach. So a call goes: URL -> resolve -> [`Guard`] -> connect to exactly the
//! address that was judged -> TLS -> exchange, and every redirect goes through all of it again.
//! Invariant: no other crate opens a socket to anything but PostgreSQL, Redis and the mail server, whose addresses are the
//! operator's.
//! Invariant: time, size and redirects of every call are bounded. Invariant: nothing that identifies us to one host is
//! sent to another.
//! Read on: `guard` (which addresses), `client` (the call), adr/0007.

mod client;
mod connect;
mod error;
mod guard;
mod target;
mod tls;

pub use client::{Answer, Bounds, Client, Message};
pub use error::Error;
pub use guard::{Guard, Realm};
pub use tls::Authorities;
