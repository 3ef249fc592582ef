//! The `ferrobase` program: composes rooms, reads the command line, reloads, shuts down.
//!
//! `main.rs` only calls [`cli::run`]. A command is a module of `cli`; `server` is what `serve` and `dev` have in common:
//! configuration -> pools -> own schemas -> catalog -> rooms -> listeners. `dev` adds the private PostgreSQL, migrations
//! and keys of a project folder.
//! Invariant: nothing below this crate reads the environment, the command line or a terminal.

pub mod cli;
pub mod config;
mod dev;
mod postgrest;
mod server;
