//! `redis`: where it is and how to log in.
//!
//! Read at start only: a reload names what changed and waits for a restart.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ferrobase_base::config::{Host, Report};
use ferrobase_base::{Secret, choice, section};

use crate::error::Error;
use crate::options::{Address, Layout, Login, Options, Tls};

choice! {
    /// How Redis is laid out.
    pub enum RedisMode {
        /// One server.
        Single = "single",
        /// Sentinels name the primary.
        Sentinel = "sentinel",
        /// Keys are spread over several primaries.
        Cluster = "cluster",
    }
}

section! {
    /// Redis (5 or newer) or Valkey, for rate limits that several nodes share. Optional everywhere: without it this
    /// node's memory or PostgreSQL does the work, and so it does while Redis cannot be reached.
    pub struct RedisSection {
        /// Host name or address.
        host: Host = Host::from_static("localhost");
        /// Port.
        port: u16 = 6379, in 1..=65535;
        /// Database number.
        db: u32 = 0, in 0..=1_000_000;
        /// Login, where there is one.
        user: Option<String> = None;
        /// Password.
        password: Option<Secret> = None;
        /// Connects with TLS, to sentinels too; certificates must name the host, or the address that sentinels or
        /// the cluster announce.
        tls: bool = false;
        /// Trusted authorities, PEM; the system's when absent.
        tls_root_cert: Option<PathBuf> = None;
        /// Client certificate, PEM.
        tls_cert: Option<PathBuf> = None;
        /// Key of the client certificate, PEM.
        tls_key: Option<PathBuf> = None;
        /// How it is laid out.
        mode: RedisMode = RedisMode::Single;
        /// `host:port` of sentinels or cluster nodes.
        nodes: Vec<Address> = Vec::new();
        /// What the sentinels call the primary.
        sentinel_primary: String = "mymaster".to_owned();
        /// Login at the sentinels, where they have one of their own.
        sentinel_user: Option<String> = None;
        /// Password at the sentinels; `redis.password` is not sent to them.
        sentinel_password: Option<Secret> = None;
        /// What every key begins with: nodes with the same prefix share their limits.
        prefix: String = "ferrobase".to_owned();
        /// Longest wait of a request for Redis; then its node counts alone.
        timeout: Duration = Duration::from_millis(100), in Duration::from_millis(5)..=Duration::from_secs(2);
    }
}

impl RedisSection {
    /// What only shows when keys are compared.
    pub fn check(&self, report: &mut Report<'_>) {
        if self.mode != RedisMode::Single && self.nodes.is_empty() {
            report.refuse("nodes", format!("the mode `{}` needs the addresses of nodes", self.mode));
        }
        if self.mode == RedisMode::Single && !self.nodes.is_empty() {
            report.refuse("nodes", "the mode `single` has one host; set mode to `sentinel` or `cluster`");
        }
        if self.mode == RedisMode::Cluster && self.db != 0 {
            report.refuse("db", "a cluster has only database 0; `redis.prefix` keeps installations apart");
        }
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            let alone = if self.tls_cert.is_some() { "tls_cert" } else { "tls_key" };
            report.refuse(alone, "tls_cert and tls_key belong together; one is missing");
        }
        let certificates = [("tls_root_cert", &self.tls_root_cert), ("tls_cert", &self.tls_cert)];
        for (key, _) in certificates.iter().filter(|(_, file)| !self.tls && file.is_some()) {
            report.refuse(key, "it does nothing without `tls: true`");
        }
        if self.user.is_some() && self.password.is_none() {
            report.refuse("user", "a user needs a password");
        }
        if self.sentinel_user.is_some() && self.sentinel_password.is_none() {
            report.refuse("sentinel_user", "a user needs a password");
        }
        if self.mode == RedisMode::Sentinel && self.sentinel_primary.is_empty() {
            report.refuse("sentinel_primary", "the primary needs a name");
        }
        // Braces would say which part of a key decides about its slot of a cluster.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        if self.prefix.is_empty() || self.prefix.len() > 64 || !self.prefix.bytes().all(plain) {
            report.refuse("prefix", "1 to 64 letters, digits and `-_.:`");
        }
    }

    /// What the client is told; `key` keys the names of callers. Reads the files that the section names.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn options(&self, key: [u8; 32]) -> Result<Options, Error> {
        let layout = match self.mode {
            RedisMode::Single => Layout::Single(Address { host: self.host.clone(), port: self.port }),
            RedisMode::Sentinel => Layout::Sentinel {
                sentinels: self.nodes.clone(),
                primary: self.sentinel_primary.clone(),
                login: Login { user: self.sentinel_user.clone(), password: self.sentinel_password.clone() },
            },
            RedisMode::Cluster => Layout::Cluster(self.nodes.clone()),
        };
        Ok(Options {
            layout,
            login: Login { user: self.user.clone(), password: self.password.clone() },
            database: self.db,
            tls: if self.tls { Some(self.certificates()?) } else { None },
            prefix: self.prefix.clone(),
            key,
            timeout: self.timeout,
        })
    }

    fn certificates(&self) -> Result<Tls, Error> {
        let file = |key, path: &Option<PathBuf>| path.as_deref().map(|path| read(key, path)).transpose();
        let (cert, key) = (file("redis.tls_cert", &self.tls_cert)?, file("redis.tls_key", &self.tls_key)?);
        Ok(Tls { authorities: file("redis.tls_root_cert", &self.tls_root_cert)?, client: cert.zip(key) })
    }
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::File { key, file: path.display().to_string(), source })
}
