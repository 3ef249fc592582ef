//! PostgreSQL: connections, TLS, pools, the request pipeline on the wire, notifications.
pub mod batch;
pub use batch::{Batch, Column, End, Isolation, Mode, Reply, Row, Statement, StatementResult, Timing};
