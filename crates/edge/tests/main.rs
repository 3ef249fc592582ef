//! The edge from outside: a real socket, a tiny room behind it, well-behaved and hostile clients before it.
//!
//! One binary for the crate; a module a topic. No database: what SQL would do is the business of other crates' tests.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod bounds;
mod browser;
mod compression;
mod ending;
mod framing;
mod harness;
mod identity;
mod logs;
mod numbers;
mod quotas;
mod request_lines;
mod requests;
mod room;
mod sockets;
mod tls;
