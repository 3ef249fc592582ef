//! PostgreSQL: connections, TLS, pools, the request pipeline on the wire, notifications.
pub mod batch;
pub mod config;
mod row;
pub use batch::{Batch, Column, End, Isolation, Mode, Reply, Statement, StatementResult, Timing};
pub use row::Row;
