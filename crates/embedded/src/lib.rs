//! A private PostgreSQL for one project: found, initialised, started, watched, recovered and stopped.
//!
//! [`Embedded::start`] goes through named stages: place (folders) -> lock -> binaries -> init -> orphan -> launch -> watch.
//! Nothing here speaks PostgreSQL's protocol: readiness is read from `postmaster.pid`, as `pg_ctl` does it.
//! Invariants: the server never runs as root, listens on 127.0.0.1 and a 0700 socket folder only, accepts scram only
//! and never turns fsync off (outside the profile for tests); a process is signalled only after it was shown to
//! belong to our data folder; this crate does not read the environment.
//! Read on: `place` (where everything lies), `start` (the stages), `supervisor` (what happens while it runs).

mod account;
mod binaries;
mod error;
mod files;
mod init;
mod install;
mod journal;
mod options;
mod orphan;
mod pidfile;
mod place;
mod port;
mod postmaster;
mod process;
mod settings;
mod start;
mod state;
mod supervisor;

pub use binaries::{Binaries, Rejected, SUPPORTED, Version, find};
pub use error::Error;
pub use options::{Options, Profile, Progress, ProgressFn};
pub use start::{Access, Embedded};
pub use supervisor::{Health, Running, Stopped};
