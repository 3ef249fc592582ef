//! The client against real servers on loopback that do what hostile and broken servers do.
#![allow(clippy::unwrap_used)]

mod calls;
mod server;
