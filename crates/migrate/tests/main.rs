//! Migrations against real PostgreSQL: order and ledger, failures with their places, runners that collide or die.
//!
//! `folder` makes a folder of files and a database; `up`, `fail`, `step`, `lease` and `seed` are the topics.

#![allow(clippy::unwrap_used, reason = "tests")]

mod fail;
mod folder;
mod lease;
mod seed;
mod step;
mod up;
