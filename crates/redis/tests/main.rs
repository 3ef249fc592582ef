//! The client against real servers of every layout, and against what happens to them.
#![allow(clippy::unwrap_used)]

mod cluster;
mod failures;
mod harness;
mod login;
mod sentinel;
mod texts;
mod tls;
mod windows;
