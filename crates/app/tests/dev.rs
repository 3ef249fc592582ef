//! `ferrobase dev` as its users meet it: the binary in a project folder, with real PostgreSQL servers of its own.
//!
//! `project` has the folder and the processes; the others say what is promised. Every test leaves no process and no file.

mod migrations;
pub(crate) mod project;
mod refusals;
mod signals;
mod start;
