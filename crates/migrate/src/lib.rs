//! The user's migrations: numbered SQL files, applied once, in order, each completely or not at all.
//!
//! discover (files) -> status (against the ledger) -> plan (statements) -> up (lease, apply, record). `seed` fills a new
//! database once, `scaffold` makes the next file. Works on any folder of `NNNN_name.sql` or `<14-digit stamp>_name.sql`
//! files, so `supabase/migrations` does too.
//! Invariants: one runner at a time, proved in the transaction that records (never by a blocking lock); an applied file is
//! never applied again nor silently different; nothing outside schema `ferrobase` is touched but by the user's own SQL.
//! Read on: `apply` (the order of things), `split` (how a file becomes statements), `lease` (who may).

mod apply;
mod directive;
mod discover;
mod error;
mod event;
mod lease;
mod ledger;
mod options;
mod patience;
mod place;
mod plan;
mod run;
mod scaffold;
mod scan;
mod seed;
mod split;
mod status;
mod stepwise;
mod transactional;

pub use apply::{AppliedFile, Report, up};
pub use discover::{Migration, Version, discover};
pub use error::{Error, Failure};
pub use event::{Event, Listener};
pub use options::{InDoubt, UpOptions};
pub use place::Place;
pub use plan::{Plan, PlannedFile, PlannedStatement, plan};
pub use scaffold::new;
pub use seed::{SeedOutcome, seed_once};
pub use split::{Problem, Statement, split};
pub use status::{Entry, PartialProgress, State, Status, status};
