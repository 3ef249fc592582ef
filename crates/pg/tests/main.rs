//! The crate against real PostgreSQL: one binary, a module a topic. Servers, databases and byte-level faults come from
//! the testkit; what only this crate needs (batches, message-level faults, a server with TLS) is in `support`.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod support;

mod conflicts;
mod conversation;
mod exchange;
mod faults;
mod lanes;
mod leftovers;
mod lines;
mod listen;
mod login;
mod overload;
mod pool;
mod pooler;
mod runaway;
mod sec_13_desync;
mod servers;
mod session;
mod tls;
mod workers;
