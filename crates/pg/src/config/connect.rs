//! From settings to what `ConnectOptions` and `PoolOptions` need.
//!
//! A URL decides first; the TLS keys and `connect_timeout` refine it where they are written.

use std::time::Duration;

use super::{DatabaseHost, DatabaseSection, DatabaseUrl, PoolerSetting, SslModeSetting};
use crate::options::{ConnectOptions, ConnectOptionsError, Host, RootCert, SslMode};
use crate::pool::{PoolOptions, Pooler};

impl DatabaseSection {
    /// The owner's connection: migrations, LISTEN, leases.
    ///
    /// # Errors
    /// A URL that cannot be read; `check` has said so before.
    pub fn owner(&self) -> Result<ConnectOptions, ConnectOptionsError> {
        let options = match &self.url {
            Some(url) => ConnectOptions::parse(url.expose())?,
            None => ConnectOptions::new()
                .with_hosts(self.primary_hosts()?)
                .with_login(self.user.as_str(), self.password.clone())
                .with_database(self.name.as_str()),
        };
        self.with_all_hosts(self.refine(options))
    }

    /// The owner's connection past a pooler: `listen_url`, else as [`Self::owner`].
    ///
    /// # Errors
    /// A URL that cannot be read.
    pub fn listener(&self) -> Result<ConnectOptions, ConnectOptionsError> {
        match &self.listen_url {
            Some(url) => self.with_all_hosts(self.refine(ConnectOptions::parse(url.expose())?)),
            None => self.owner(),
        }
    }

    /// The bounds that PostgreSQL keeps for the sessions of requests. A pooler in transaction mode takes no settings with a
    /// session's start.
    pub fn guarded(&self, options: ConnectOptions) -> ConnectOptions {
        if self.pooler == PoolerSetting::Transaction {
            return options;
        }
        let milliseconds = |time: Duration| format!("{}ms", time.as_millis());
        let idle = milliseconds(self.idle_in_transaction_timeout);
        let options = options.with_setting("idle_in_transaction_session_timeout", idle);
        match self.lock_timeout {
            Some(time) => options.with_setting("lock_timeout", milliseconds(time)),
            None => options,
        }
    }

    /// Bounds of a pool that gets `max_connections` of this process's connections.
    pub fn pool(&self, max_connections: usize) -> PoolOptions {
        PoolOptions {
            max_connections,
            min_connections: usize::try_from(self.min_connections).unwrap_or(usize::MAX).min(max_connections),
            max_idle_time: self.max_idle_time,
            max_lifetime: self.max_lifetime,
            acquire_timeout: self.acquire_timeout,
            max_waiting: usize::try_from(self.max_waiting).unwrap_or(usize::MAX),
            shed_after: self.shed_after,
            breaker_failures: self.breaker_failures,
            pooler: match self.pooler {
                PoolerSetting::Direct => Pooler::Direct,
                PoolerSetting::Transaction => Pooler::Transaction,
            },
            ..PoolOptions::default()
        }
    }

    fn refine(&self, options: ConnectOptions) -> ConnectOptions {
        let mut ssl = options.ssl().clone();
        if let Some(mode) = self.ssl_mode {
            ssl.mode = mode.into();
        }
        if let Some(file) = &self.ssl_root_cert {
            ssl.root_cert = RootCert::File(file.clone());
        }
        if self.ssl_cert.is_some() {
            ssl.cert.clone_from(&self.ssl_cert);
            ssl.key.clone_from(&self.ssl_key);
        }
        let mut options = options.with_ssl(ssl);
        if !self.fallback_addresses.is_empty() {
            let addresses = self
                .fallback_addresses
                .iter()
                .map(|(name, hosts)| (name.clone(), hosts.iter().filter_map(|host| host.address()).collect()));
            options = options.with_fallback_addresses(addresses.collect());
        }
        if let Some(timeout) = self.connect_timeout {
            options = options.with_connect_timeout(timeout.max(Duration::from_millis(1)));
        }
        options
    }
}

impl DatabaseUrl {
    /// Why this URL cannot be used, without any piece of it.
    pub(super) fn fault(&self) -> Option<ConnectOptionsError> {
        ConnectOptions::parse(self.expose()).err()
    }
}

impl From<SslModeSetting> for SslMode {
    fn from(setting: SslModeSetting) -> Self {
        match setting {
            SslModeSetting::Disable => Self::Disable,
            SslModeSetting::Allow => Self::Allow,
            SslModeSetting::Prefer => Self::Prefer,
            SslModeSetting::Require => Self::Require,
            SslModeSetting::VerifyCa => Self::VerifyCa,
            SslModeSetting::VerifyFull => Self::VerifyFull,
        }
    }
}

pub(super) fn server(host: DatabaseHost, port: u16) -> Host {
    match host {
        DatabaseHost::Tcp(name) => Host::tcp(name.as_str(), port),
        DatabaseHost::Socket(folder) => Host::unix(folder, port),
    }
}

#[cfg(test)]
mod tests {
    use ferrobase_base::config::Atom as _;

    use super::*;
    use crate::options::TargetSessionAttrs;

    fn url(text: &str) -> DatabaseSection {
        DatabaseSection { url: DatabaseUrl::parse(text), ..DatabaseSection::default() }
    }

    #[test]
    fn a_url_keeps_what_no_key_replaces() {
        let options = url("postgresql://o:p@db:6000/app?sslmode=require&connect_timeout=3").owner().unwrap();
        assert_eq!(
            (options.user(), options.database(), options.ssl().mode),
            (Some("o"), Some("app"), SslMode::Require)
        );
        assert_eq!(options.connect_timeout(), Duration::from_secs(3));
        let mut section = url("postgresql://o:p@db:6000/app?sslmode=require");
        section.ssl_mode = Some(SslModeSetting::VerifyFull);
        section.ssl_root_cert = Some("/ca.pem".into());
        let ssl = section.owner().unwrap().ssl().clone();
        assert_eq!((ssl.mode, ssl.root_cert), (SslMode::VerifyFull, RootCert::File("/ca.pem".into())));
    }

    #[test]
    fn keys_without_a_url() {
        let section = DatabaseSection {
            host: vec![DatabaseHost::parse("/run/pg").unwrap(), DatabaseHost::parse("db").unwrap()],
            port: 6000,
            ..DatabaseSection::default()
        };
        let options = section.owner().unwrap();
        assert_eq!(options.hosts(), [Host::unix("/run/pg", 6000), Host::tcp("db", 6000)]);
        assert_eq!((options.user(), options.database()), (Some("postgres"), Some("postgres")));
        assert_eq!(options.target, TargetSessionAttrs::ReadWrite, "of several hosts the primary");
        assert_eq!(DatabaseSection::default().owner().unwrap().hosts(), [Host::tcp("localhost", 5432)]);
    }

    #[test]
    fn the_listener_goes_past_the_pooler() {
        let mut section = url("postgresql://o@pool:6432/app");
        section.listen_url = DatabaseUrl::parse("postgresql://o@db:5432/app");
        assert_eq!(section.listener().unwrap().hosts(), [Host::tcp("db", 5432)]);
        section.listen_url = None;
        assert_eq!(section.listener().unwrap().hosts(), [Host::tcp("pool", 6432)]);
    }

    #[test]
    fn pools_share_the_bounds() {
        let pool = DatabaseSection { pooler: PoolerSetting::Transaction, ..DatabaseSection::default() }.pool(1);
        assert_eq!((pool.max_connections, pool.min_connections, pool.pooler), (1, 1, Pooler::Transaction));
    }
}
