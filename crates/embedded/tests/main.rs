//! The private PostgreSQL, tested with real processes: started, killed, starved, moved, and run as root and as a user.
//!
//! Every test that does not need root runs a second time as an unprivileged user when the tests run as root
//! (`as_user!`), because the two lay their files out differently.
//! `project` has the folder, the SQL client and the child processes; `start`, `recover`, `refuse` and `root` the tests.

#![allow(clippy::unwrap_used, reason = "tests")]

mod project;
mod recover;
mod refuse;
mod root;
mod start;
