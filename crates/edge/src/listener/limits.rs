//! Bounds that belong to a connection, not to a request: how many, how long, how much head.
//!
//! Whose clock they run on is `activity`'s business; the app's own bounds of a request are in `crate::limits`.

use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Bounds of connections.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Most open connections; one more is answered 503 at once.
    pub connections: usize,
    /// From the first byte of a request's head to its end. Also bounds TLS handshakes.
    pub head: Duration,
    /// Silence between requests. Longer than load balancers keep connections (60 s), or they would find them closed.
    pub idle: Duration,
    /// How long a caller may take nothing of an answer that is ready.
    pub stall: Duration,
    /// Bytes of a head after which HTTP itself refuses: wider than the app's own bounds.
    pub head_bytes: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            head: Duration::from_secs(15),
            idle: Duration::from_secs(75),
            stall: Duration::from_secs(30),
            head_bytes: 192 * 1024,
        }
    }
}

impl ConnectionLimits {
    /// Lets the process open as many files as it may, and takes no more connections than that allows with some left
    /// for the database, logs and files.
    #[must_use]
    pub fn within_open_files(mut self) -> Self {
        if let Ok(files) = raise_open_files() {
            let connections = usize::try_from(files.saturating_sub(RESERVED_FILES)).unwrap_or(usize::MAX);
            self.connections = self.connections.min(connections.max(64));
        }
        self
    }

    /// Leaves room above the app's bounds for URL and fields, so that the app gets to answer in its own shape.
    #[must_use]
    pub fn above(mut self, url_limit: usize, header_limit: usize) -> Self {
        self.head_bytes = self.head_bytes.max(2 * (url_limit + header_limit));
        self
    }
}

/// Open files that connections of callers must leave for everything else.
const RESERVED_FILES: u64 = 512;

/// Raises the soft limit of open files to the hard one, as servers do; the shell's default of 1024 is about
/// `select(2)`, which nothing here uses. Gives the limit in force.
fn raise_open_files() -> nix::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => Ok(hard),
        Err(_) => Ok(soft),
    }
}
