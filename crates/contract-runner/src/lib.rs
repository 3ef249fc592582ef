//! Reads `contract/`, speaks HTTP, knows nothing of our internals.
//!
//! A topic file holds cases, a case holds exchanges: a request as it goes over the wire and the answer that is
//! promised. The same file can be pointed at the original server to record its answers and at ours to compare.
//! The format is described in contract/README.md. Read on: `topic` (files), `wire` (HTTP), `judge` (comparing).

mod judge;
mod run;
mod topic;
mod wire;

pub use run::{Failure, record, run};
pub use topic::{Answer, Case, Exchange, Topic, Variables};
