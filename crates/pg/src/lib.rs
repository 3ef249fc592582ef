//! PostgreSQL: connections, TLS, pools, the request pipeline on the wire, notifications.
//!
//! Our own client, because the request path needs what general ones do not do: one contiguous flush with one Sync for
//! settings and statements together, an answer only after ReadyForQuery, a nonce that proves whose answer it is, and
//! connections that are proven clean before the next request gets them.
//!
//! Layers, each using only those above it: `options` (how to connect), `wire` (messages and buffers), `connect` (socket,
//! TLS, login), `session` (one connection), `pool` (many), `listen` (notifications that survive reconnects), `servers` (which
//! of several is the primary, and which replica may answer).
//!
//! Invariants: statements and values never mix into one text here; no state of one request reaches the next on the
//! same connection; every wait has a bound; no type of another client library appears in a public signature.

pub mod batch;
pub mod config;
mod connect;
mod db_error;
mod error;
pub mod listen;
mod lsn;
pub mod options;
pub mod pool;
mod row;
pub mod servers;
pub mod session;
pub mod sqlstate;
mod wire;

pub use batch::{
    Batch, Column, End, Formats, Held, Isolation, Judge, Mode, Opening, Reply, Settings, Statement, StatementResult,
    Terms, Timing, Turn,
};
pub use connect::cancel::CancelToken;
pub use connect::guide::Guide;
pub use db_error::{DbError, Severity};
pub use error::Error;
pub use listen::{Event, Listener};
pub use lsn::{Lsn, Position};
pub use options::{ConnectOptions, ConnectOptionsError, Host, SslMode};
pub use pool::{Conversation, Lines, Pool, PoolOptions, PoolStats, PooledSession, Pooler, Standing};
pub use row::{Row, Rows};
pub use servers::Servers;
pub use session::{Load, LoadError, Notification, Session};
pub use sqlstate::SqlState;
