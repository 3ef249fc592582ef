//! A database with the installation in it, and a target on it, as `serve` would have them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrobase_base::Secret;
use ferrobase_base::ports::NoApiKeys;
use ferrobase_catalog::{CatalogHandle, Scope, load};
use ferrobase_pg::{ConnectOptions, Formats, Pool, PoolOptions, Reply, Session, Statement, StatementResult};
use ferrobase_request::credentials::{ConfiguredKeys, TokenCache};
use ferrobase_request::exposure::{DefinerViews, Exposure};
use ferrobase_request::install::{InstallOptions, Installed, install};
use ferrobase_request::{
    AuthRules, Authority, Credentials, Error, Gate, Identity, Pools, RequestContext, SearchPath, Target, TargetParts,
    TransactionRules, Work, run,
};
use ferrobase_testkit::{TestDatabase, database_from, token};

/// A database with roles, logins, schemas and helpers.
pub async fn installed_database() -> TestDatabase {
    // The name changes with what the installation makes, so that a newer one is not hidden by an old template.
    database_from("request_3", |url| async move {
        install(&ConnectOptions::parse(&url).unwrap(), &InstallOptions::default()).await.unwrap();
    })
    .await
}

/// The owner's options.
pub fn owner(db: &TestDatabase) -> ConnectOptions {
    ConnectOptions::parse(db.url()).unwrap()
}

/// A target of `serve` with the public schema exposed.
///
/// Tests with one run on several threads: dropping a database waits for every backend of the cluster, also for one
/// whose login a pool has begun and that a stopped runtime would never finish.
pub struct Fixture {
    pub installed: Installed,
    pub target: Target,
    /// Last, so that it is dropped after the pools.
    pub db: TestDatabase,
}

/// How the target differs from the usual.
pub struct Options {
    pub sql: &'static str,
    pub connections: usize,
    pub auth: AuthRules,
    pub transaction: TransactionRules,
}

impl Default for Options {
    fn default() -> Self {
        Self { sql: "", connections: 4, auth: AuthRules::default(), transaction: TransactionRules::default() }
    }
}

impl Fixture {
    /// Installs, runs the script as the owner, loads the catalog.
    pub async fn new(sql: &'static str) -> Self {
        Self::with(Options { sql, ..Options::default() }).await
    }

    pub async fn with(options: Options) -> Self {
        let db = installed_database().await;
        let installed = install(&owner(&db), &InstallOptions::default()).await.unwrap();
        db.script(options.sql).await;
        let catalog = CatalogHandle::new();
        let pool = |login: &ferrobase_request::install::Login| {
            let connect = owner(&db).with_login(&login.user, login.password.clone());
            Pool::new(
                connect,
                PoolOptions { max_connections: options.connections, conflict_retries: 4, ..PoolOptions::default() },
            )
        };
        let target = Target::new(TargetParts {
            name: "test".to_owned(),
            pools: Pools {
                request: pool(&installed.logins.request),
                service: pool(&installed.logins.service),
                owner: Pool::new(owner(&db), PoolOptions::default()),
                rooms: Default::default(),
                replicas: None,
            },
            catalog,
            authority: Arc::new(Authority {
                keys: Arc::new(ConfiguredKeys::new(Some(&Secret::new(token::SECRET)), false, None).unwrap()),
                api_keys: Arc::new(NoApiKeys),
                rules: options.auth,
                cache: TokenCache::new(TokenCache::DEFAULT_CAPACITY),
            }),
            transaction: options.transaction,
            exposure: Exposure::guarded(vec!["public".to_owned()], true, Vec::new(), DefinerViews::Refuse, Vec::new()),
            epoch: 1,
        });
        let fixture = Self { installed, target, db };
        fixture.reload().await;
        fixture
    }

    /// Loads the catalog again.
    pub async fn reload(&self) {
        let mut session = self.db.connect().await;
        let scope =
            Scope { request_login: Some(self.installed.logins.request.user.clone()), ..Scope::exposing(["public"]) };
        self.target.catalog.set(load(&mut session, &scope).await.unwrap());
    }

    /// The identity behind a Bearer token.
    pub fn bearer(&self, token: &str) -> Identity {
        let credentials = Credentials { bearer: Some(token.to_owned()), apikey: None };
        self.target.authority.authenticate(Gate::default(), &credentials).unwrap()
    }

    /// Nobody.
    pub fn anonymous(&self) -> Identity {
        self.target.authority.authenticate(Gate::default(), &Credentials::default()).unwrap()
    }

    /// A user with role authenticated.
    pub fn user(&self, sub: &str) -> Identity {
        self.bearer(&token::of_user(sub))
    }

    /// A caller with a service key.
    pub fn service(&self) -> Identity {
        self.bearer(&token::of_role("service_role"))
    }

    /// Runs work as somebody.
    pub async fn run(&self, identity: Identity, work: Work) -> Result<Reply, Error> {
        run(&self.target, &context(identity), work).await
    }

    /// Runs one statement that may write, and gives its result.
    pub async fn query(&self, identity: Identity, sql: &str) -> Result<StatementResult, Error> {
        let mut reply = self.run(identity, Work::write(path(), statement(sql))).await?;
        assert_eq!(reply.results.len(), 1);
        Ok(reply.results.remove(0))
    }

    /// The first value of one statement that may write.
    pub async fn value(&self, identity: Identity, sql: &str) -> Result<Option<String>, Error> {
        Ok(first(&self.query(identity, sql).await?))
    }
}

/// The first value of a result.
pub fn first(result: &StatementResult) -> Option<String> {
    result.rows.first().and_then(|row| row.text(0)).map(str::to_owned)
}

/// A request as the edge would describe it.
pub fn context(identity: Identity) -> RequestContext {
    RequestContext {
        identity,
        request_id: "req-1".into(),
        method: "GET".into(),
        path: "/rest/v1/todos".into(),
        headers: r#"{"user-agent":"tests"}"#.into(),
        cookies: "{}".into(),
        client_ip: Some("192.0.2.7".parse().unwrap()),
        arrived: Instant::now(),
        deadline: Instant::now() + Duration::from_secs(10),
        trace: None,
        journal: Default::default(),
        freshness: None,
    }
}

pub fn path() -> SearchPath {
    ["public", "extensions"].into_iter().collect()
}

pub fn statement(sql: &str) -> Statement {
    Statement { sql: sql.into(), params: Vec::new(), param_types: Vec::new(), formats: Formats::Text }
}

/// One value, asked by a session of the test.
pub async fn ask(session: &mut Session, sql: &str) -> Option<String> {
    first(&session.query(sql, &[]).await.unwrap_or_else(|e| panic!("{e}\nin {sql}")))
}

/// The SQLSTATE of a failed run.
pub fn code(error: &Error) -> String {
    error.db().map(|db| db.code.as_str().to_owned()).unwrap_or_else(|| panic!("not refused by a statement: {error}"))
}
