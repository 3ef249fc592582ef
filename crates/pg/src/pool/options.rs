//! Bounds of a pool.

use std::time::Duration;

/// What stands between us and the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pooler {
    /// Nothing, or a pooler in session mode: a connection is one server process, statements are prepared on it, and it
    /// is checked after user code.
    #[default]
    Direct,
    /// A pooler in transaction mode (PgBouncer). Each flush may reach another server process, so nothing is prepared
    /// and nothing can be checked or reset afterwards: set `server_reset_query_always = 1` there when code of users
    /// may run. CancelRequest works; a backend that ignores it is not terminated.
    Transaction,
}

/// Bounds of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolOptions {
    /// Most connections (10).
    pub max_connections: usize,
    /// Connections that are kept even when idle (0).
    pub min_connections: usize,
    /// An idle connection above the minimum is closed after this (10 minutes).
    pub max_idle_time: Duration,
    /// A connection is replaced after this, more or less a tenth (30 minutes).
    pub max_lifetime: Duration,
    /// Longest wait for a connection (10 s).
    pub acquire_timeout: Duration,
    /// Most of the connections that quick reads share, never more than half of all; 0: each batch has one to itself (two for
    /// each processor here, at least 4).
    pub max_shared: usize,
    /// Most callers who wait at the same time (1,000).
    pub max_waiting: usize,
    /// How long a queue may stand before as many may wait as are served in that time; zero: `max_waiting` alone bounds
    /// it (zero).
    pub shed_after: Duration,
    /// How many failures in a row that say something about the server have it asked whether it is there; 0: none (0).
    pub breaker_failures: u32,
    /// What stands between us and the server.
    pub pooler: Pooler,
    /// Budget for prepared statements of one connection, in estimated bytes of server memory (4 MiB, some 200
    /// statements of 1 kB).
    pub statement_cache_bytes: usize,
    /// Whether a connection is refused when its login has settings that it may have given itself. Code that runs as the
    /// login can leave such settings to every later connection (`ALTER ROLE ... SET`): turn it on for logins of which
    /// nobody expects settings (false).
    pub bare_login: bool,
    /// How often a batch that lost against others (40001, 40P01) runs again, after a pause that doubles. Nothing of it was
    /// kept, and nobody has seen anything of it (0).
    pub conflict_retries: u32,
    /// How long a cancelled statement may take to end before its backend is terminated, and how long a returned
    /// connection may take to be checked (5 s).
    pub cancel_grace: Duration,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            max_connections: 10,
            min_connections: 0,
            max_idle_time: Duration::from_secs(600),
            max_lifetime: Duration::from_secs(1800),
            acquire_timeout: Duration::from_secs(10),
            max_shared: (2 * std::thread::available_parallelism().map_or(1, usize::from)).max(4),
            max_waiting: 1000,
            shed_after: Duration::ZERO,
            breaker_failures: 0,
            pooler: Pooler::Direct,
            statement_cache_bytes: 4 * 1024 * 1024,
            bare_login: false,
            conflict_retries: 0,
            cancel_grace: Duration::from_secs(5),
        }
    }
}

impl PoolOptions {
    /// Bounds that contradict each other are brought in line.
    pub(super) fn sane(mut self) -> Self {
        self.max_connections = self.max_connections.max(1);
        self.min_connections = self.min_connections.min(self.max_connections);
        self
    }
}
