//! `database`: which PostgreSQL, as whom, with how many connections.
//!
//! Settings of real types; `connect` turns them into what connections and pools take. Two logins exist: the owner's
//! (`url`, or host, user and password) for migrations, LISTEN and leases, and `authenticator` for requests: adr/0004.
//! Invariant: a URL with a password is never printed whole, not even by `Debug`.

mod address;
mod connect;
mod servers;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ferrobase_base::config::{Host, HttpUrl, Identifier, Report};
use ferrobase_base::{Secret, choice, section};

pub use address::{DatabaseHost, DatabaseUrl};
pub use servers::ListedServer;

choice! {
    /// How much TLS a connection to PostgreSQL needs; the meanings are libpq's.
    pub enum SslModeSetting {
        /// Never TLS.
        Disable = "disable",
        /// TLS only when the server refuses without.
        Allow = "allow",
        /// TLS when the server offers it.
        Prefer = "prefer",
        /// TLS, whoever answers.
        Require = "require",
        /// TLS with a certificate from a trusted authority.
        VerifyCa = "verify-ca",
        /// TLS with a trusted certificate that names the host.
        VerifyFull = "verify-full",
    }
}

choice! {
    /// What stands between us and PostgreSQL.
    pub enum PoolerSetting {
        /// Nothing, or a pooler in session mode.
        Direct = "direct",
        /// A pooler in transaction mode (PgBouncer): no prepared statements, no state across transactions.
        Transaction = "transaction",
    }
}

choice! {
    /// Which server answers reads.
    pub enum ReadPreference {
        /// The primary.
        Primary = "primary",
        /// A replica that has caught up with what the caller wrote.
        Replica = "replica",
    }
}

choice! {
    /// What anonymous and signed-in users may do with tables made later.
    pub enum DefaultPrivileges {
        /// All verbs are granted and row security decides, as applications written for Supabase expect. A table
        /// without row security is then hidden from both.
        Supabase = "supabase",
        /// Nothing is granted: every grant is the application's own.
        None = "none",
    }
}

/// What PostgreSQL's timeouts take: its milliseconds are an int4, which is some hours more.
const TIMEOUTS: RangeInclusive<Option<Duration>> = Some(Duration::ZERO)..=Some(Duration::from_secs(24 * 86_400));

section! {
    /// The PostgreSQL server behind everything.
    pub struct DatabaseSection {
        /// Owner's connection URL, `postgresql://user:password@host:port/name?sslmode=...`. Used for migrations, LISTEN
        /// and leases; requests log in as `authenticator`. Takes the place of host, port, name, user and password.
        url: Option<DatabaseUrl> = None;
        /// Host name, address, or folder of a unix socket; several are tried in order.
        host: Vec<DatabaseHost> = Vec::new();
        /// Port.
        port: u16 = 5432, in 1..=65535;
        /// Addresses of servers by their name, used while the name cannot be resolved and was not before either. A name that was is
        /// then where it was last.
        fallback_addresses: BTreeMap<String, Vec<Host>> = BTreeMap::new();
        /// Database name.
        name: Identifier = Identifier::from_static("postgres");
        /// Owner's login.
        user: Identifier = Identifier::from_static("postgres");
        /// Owner's password.
        password: Option<Secret> = None;
        /// The primary, when replicas are listed beside it; the same as `host` and `port` otherwise.
        primary: Option<ServerAddress> = None;
        /// Streaming replicas that may answer reads; one that is promoted becomes the primary.
        replicas: Vec<ReplicaAddress> = Vec::new();
        /// Where Patroni answers HTTP, for example `http://db-a:8008`; several are tried in order. The members of its cluster are used
        /// while it names them, also those that join later; those that it keeps out of reads (`noloadbalance`) answer none.
        patroni: Vec<HttpUrl> = Vec::new();
        /// Which server answers reads, when the request does not say (`X-Ferrobase-Read`).
        read_preference: ReadPreference = ReadPreference::Primary;
        /// A replica that is further behind the primary answers no reads.
        max_replica_lag: Duration = Duration::from_millis(500), in Duration::from_millis(10)..=Duration::from_secs(3600);
        /// Longest wait for a replica that does not have yet what the caller wrote; then the primary answers.
        freshness_wait: Duration = Duration::from_secs(5), in Duration::ZERO..=Duration::from_secs(60);
        /// Most connections of this process to one server for requests, service keys among them. On top come a quarter as
        /// many for sign-in, at least 2, and up to 4 of its own.
        max_connections: u32 = 30, in 1..=10_000;
        /// Connections that are kept open.
        min_connections: u32 = 2, in 0..=10_000;
        /// A connection that nobody used for so long is closed.
        max_idle_time: Duration = Duration::from_secs(30 * 60), in Duration::from_secs(1)..=Duration::from_secs(7 * 86_400);
        /// A connection is replaced when it is so old.
        max_lifetime: Duration = Duration::from_secs(60 * 60), in Duration::from_secs(10)..=Duration::from_secs(30 * 86_400);
        /// Longest wait for a free connection before the answer is 503.
        acquire_timeout: Duration = Duration::from_secs(5), in Duration::from_millis(10)..=Duration::from_secs(600);
        /// Longest time to open a connection to one host; what the URL says, else 10s, when absent.
        connect_timeout: Option<Duration> = None, in Some(Duration::from_millis(10))..=Some(Duration::from_secs(600));
        /// Most requests that wait for a connection; the next ones are answered 503 at once.
        max_waiting: u32 = 1000, in 0..=1_000_000;
        /// While requests find others waiting for so long without a break, only as many may wait as are served in that time; the
        /// next ones are answered 503 at once. `0s`: `max_waiting` alone bounds them.
        shed_after: Duration = Duration::from_secs(1), in Duration::ZERO..=Duration::from_secs(60);
        /// So many failures in a row that are not a statement's own (lost connections, deadlines, no connection free) have the
        /// database asked whether it is there; while it does not answer, requests are answered 503 at once. 0: it is not asked.
        breaker_failures: u32 = 5, in 0..=10_000;
        /// Upper bound of one statement. Without it, and with `0s`, the request's own deadline and the role's setting decide.
        statement_timeout: Option<Duration> = None, in TIMEOUTS;
        /// The same on replicas, where it is shorter. A read that takes longer there is not tried on the primary.
        replica_statement_timeout: Option<Duration> = None, in TIMEOUTS;
        /// Longest wait of a statement for somebody else's lock; then the answer is 409 (55P03). Without it, and with `0s`, the
        /// request's own deadline decides.
        lock_timeout: Option<Duration> = None, in TIMEOUTS;
        /// A transaction that waits so long for this process is ended by PostgreSQL, with its locks: for a process that was
        /// stopped or cut off in the middle of one. Not behind a pooler in transaction mode.
        idle_in_transaction_timeout: Duration = Duration::from_secs(60), in Duration::from_secs(1)..=Duration::from_secs(86_400);
        /// TLS towards PostgreSQL; what the URL says, else `prefer`, when absent.
        ssl_mode: Option<SslModeSetting> = None;
        /// Client certificate, PEM.
        ssl_cert: Option<PathBuf> = None;
        /// Key of the client certificate, PEM.
        ssl_key: Option<PathBuf> = None;
        /// Trusted authorities, PEM; the system's when absent.
        ssl_root_cert: Option<PathBuf> = None;
        /// `transaction` behind PgBouncer in transaction mode.
        pooler: PoolerSetting = PoolerSetting::Direct;
        /// Connection past the pooler, for LISTEN, migrations and leases; `url` when absent.
        listen_url: Option<DatabaseUrl> = None;
        /// The login of requests.
        authenticator: AuthenticatorSection = AuthenticatorSection::default();
        /// Grants on tables that are made later, set at first install.
        default_privileges: DefaultPrivileges = DefaultPrivileges::Supabase;
        /// Servers by region.
        regions: BTreeMap<String, RegionSection> = BTreeMap::new();
        /// The region in which this process runs: one of `regions`.
        region: Option<String> = None;
        /// A private PostgreSQL that this process runs itself.
        embedded: EmbeddedSection = EmbeddedSection::default();
    }
}

section! {
    /// Where a server listens.
    pub struct ServerAddress {
        /// Host name, address, or folder of a unix socket.
        host: DatabaseHost = DatabaseHost::localhost();
        /// Port.
        port: u16 = 5432, in 1..=65535;
    }
}

section! {
    /// A replica, with a login of its own where it has one.
    pub struct ReplicaAddress {
        /// Host name, address, or folder of a unix socket.
        host: DatabaseHost = DatabaseHost::localhost();
        /// Port.
        port: u16 = 5432, in 1..=65535;
        /// Login of reads there, when it is not that of requests. Service keys then read elsewhere.
        user: Option<Identifier> = None;
        /// Its password.
        password: Option<Secret> = None;
    }
}

section! {
    /// The login with which requests come: no superuser, no owner of anything, a member of the API roles only.
    pub struct AuthenticatorSection {
        /// Role name. A second login, `<name>_service`, serves service keys.
        user: Identifier = Identifier::from_static("authenticator");
        /// Password; made at install and kept in the database when absent.
        password: Option<Secret> = None;
    }
}

section! {
    /// The servers of one region.
    pub struct RegionSection {
        /// The region's primary, or what would be: the one that takes writes is found out.
        primary: Option<ServerAddress> = None;
        /// The region's replicas.
        replicas: Vec<ReplicaAddress> = Vec::new();
    }
}

section! {
    /// A private PostgreSQL that lives and dies with this process.
    pub struct EmbeddedSection {
        /// Runs one instead of using `database.url`.
        enabled: bool = false;
        /// Its data folder; `.ferrobase/pg` of the project when absent.
        data_dir: Option<PathBuf> = None;
        /// Major version that must be used; the newest found when absent.
        version: Option<u32> = None;
        /// Its port; the next free one when absent.
        port: Option<u16> = None;
    }
}

impl DatabaseSection {
    /// Where the primary is: `primary`, else `host` and `port`, else this machine.
    pub fn primary_addresses(&self) -> Vec<(DatabaseHost, u16)> {
        match (&self.primary, self.host.as_slice()) {
            (Some(primary), _) => vec![(primary.host.clone(), primary.port)],
            (None, []) => vec![(DatabaseHost::localhost(), self.port)],
            (None, hosts) => hosts.iter().map(|host| (host.clone(), self.port)).collect(),
        }
    }

    /// Whether a database was named at all.
    pub fn is_located(&self) -> bool {
        let in_regions = self.regions.values().any(|region| region.primary.is_some());
        self.url.is_some() || self.primary.is_some() || !self.host.is_empty() || in_regions
    }

    /// Whether servers besides the primary are listed that may answer reads.
    pub fn has_replicas(&self) -> bool {
        !self.replicas.is_empty() || !self.regions.is_empty() || !self.patroni.is_empty()
    }

    /// What only shows when keys are compared.
    pub fn check(&self, report: &mut Report<'_>) {
        for (key, url) in [("url", &self.url), ("listen_url", &self.listen_url)] {
            if let Some(fault) = url.as_ref().and_then(DatabaseUrl::fault) {
                report.refuse(key, fault.to_string());
            }
        }
        report.excludes("url", &["host", "port", "primary", "name", "user", "password"]);
        report.excludes("primary", &["host", "port"]);
        for (name, addresses) in &self.fallback_addresses {
            if addresses.iter().any(|host| host.address().is_none()) {
                report.refuse(&format!("fallback_addresses.{name}"), "IP addresses are needed here, not names");
            }
        }
        // A default above what was written gives way.
        if self.min_connections > self.max_connections && report.place("min_connections").is_some() {
            report.refuse("min_connections", format!("is more than max_connections ({})", self.max_connections));
        }
        if self.ssl_cert.is_some() != self.ssl_key.is_some() {
            let alone = if self.ssl_cert.is_some() { "ssl_cert" } else { "ssl_key" };
            report.refuse(alone, "ssl_cert and ssl_key belong together; one is missing");
        }
        if self.embedded.enabled {
            report.excludes("embedded.enabled", &["url", "host", "primary"]);
        }
        if let Some(region) = &self.region
            && !self.regions.contains_key(region)
        {
            report.refuse("region", "no such name in `database.regions`");
        }
        if self.read_preference == ReadPreference::Replica && !self.has_replicas() {
            report.refuse(
                "read_preference",
                "there are no replicas: list them in `database.replicas` or `database.regions`",
            );
        }
        if self.pooler == PoolerSetting::Transaction && self.lock_timeout.is_some() {
            report.refuse(
                "lock_timeout",
                "has no effect behind a pooler in transaction mode; give it to the login there",
            );
        }
        if self.pooler == PoolerSetting::Transaction && self.listen_url.is_none() {
            report.warn("pooler", "without `database.listen_url` LISTEN goes through the pooler, where it may be lost");
        }
    }
}
