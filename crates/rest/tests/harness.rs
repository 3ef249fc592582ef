//! The room on a database of its own.

use std::sync::{Arc, Once};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use ferrobase_base::Secret;
use ferrobase_base::ports::NoApiKeys;
use ferrobase_catalog::{CatalogHandle, ReloadOptions, Reloader, Scope, connect_with, load};
use ferrobase_edge::App;
use ferrobase_edge::config::{SecuritySection, ServerSection};
use ferrobase_edge::metrics::Metrics;
use ferrobase_pg::{ConnectOptions, Pool, PoolOptions};
use ferrobase_request::credentials::{ConfiguredKeys, TokenCache};
use ferrobase_request::exposure::{DefinerViews, Exposure};
use ferrobase_request::install::{InstallOptions, Login, install};
use ferrobase_request::{AuthRules, Authority, Pools, Registry, Target, TargetParts, TransactionRules};
use ferrobase_rest::config::RestSection;
use ferrobase_rest::openapi::Address;
use ferrobase_rest::{Deps, Settings};
pub use ferrobase_testkit::Answer;
use ferrobase_testkit::{TestDatabase, database_from, token};
use http::{Request, Response};
use serde_json::Value;
use tokio::sync::watch;
use tower::ServiceExt;

/// The room with its database.
pub struct Api {
    pub db: TestDatabase,
    router: Router,
    catalog: Arc<CatalogHandle>,
    scope: Scope,
}

/// How the room differs from the usual.
pub struct Setup {
    pub rest: RestSection,
    pub transaction: TransactionRules,
    pub connections: usize,
    pub allow_unprotected: Vec<String>,
    pub request_timeout: Option<Duration>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            rest: RestSection::default(),
            transaction: TransactionRules::default(),
            connections: 2,
            // Most tests are not about row security.
            allow_unprotected: vec!["*".to_owned()],
            request_timeout: None,
        }
    }
}

/// The room over a database with these tables.
pub async fn api(sql: &str) -> Api {
    Setup::default().start(sql).await
}

impl Setup {
    pub async fn start(self, sql: &str) -> Api {
        show_logs();
        let db = database_from("rest_2", |url| async move {
            install(&ConnectOptions::parse(&url).expect("a URL"), &InstallOptions::default()).await.expect("installed");
        })
        .await;
        let owner = ConnectOptions::parse(db.url()).expect("a URL");
        let logins = install(&owner, &InstallOptions::default()).await.expect("installed").logins;
        db.script(sql).await;
        let options = PoolOptions { max_connections: self.connections, ..PoolOptions::default() };
        let pool =
            |login: &Login| Pool::new(owner.clone().with_login(&login.user, login.password.clone()), options.clone());
        let catalog = CatalogHandle::new();
        let schemas: Vec<String> = self.rest.schemas.iter().map(|schema| schema.as_str().to_owned()).collect();
        let keys = Arc::new(ConfiguredKeys::new(Some(&Secret::new(token::SECRET)), false, None).expect("keys"));
        let authority = Arc::new(Authority {
            keys,
            api_keys: Arc::new(NoApiKeys),
            rules: AuthRules::default(),
            cache: TokenCache::new(TokenCache::DEFAULT_CAPACITY),
        });
        let target = Target::new(TargetParts {
            name: "test".to_owned(),
            pools: Pools {
                request: pool(&logins.request),
                service: pool(&logins.service),
                owner: Pool::new(owner.clone(), PoolOptions::default()),
                rooms: Default::default(),
                replicas: None,
            },
            catalog: catalog.clone(),
            authority: Arc::clone(&authority),
            transaction: self.transaction,
            exposure: Exposure::guarded(
                schemas.clone(),
                true,
                self.allow_unprotected,
                DefinerViews::Refuse,
                Vec::new(),
            ),
            epoch: 1,
        });
        let deps = Deps {
            registry: Arc::new(Registry::of(target)),
            settings: Arc::new(ArcSwap::from_pointee(
                Settings::new(&self.rest, vec!["apikey".to_owned()]).described_at(Address::mounted(None, "/rest/v1")),
            )),
        };
        let mut server = ServerSection::default();
        if let Some(timeout) = self.request_timeout {
            server.request_timeout = timeout;
        }
        let mut settings =
            ferrobase_edge::Settings::from_sections(&server, &SecuritySection::default(), authority).expect("settings");
        settings.server_timing = true;
        let app = App::builder(settings, Metrics::new().http()).room(ferrobase_rest::room("/rest/v1", deps)).build();
        let extra = self.rest.extra_search_path.iter().map(|schema| schema.as_str().to_owned()).collect();
        let scope =
            Scope { request_login: Some(logins.request.user), extra_search_path: extra, ..Scope::exposing(schemas) };
        let api = Api { db, router: app.into_router(), catalog: Arc::new(catalog), scope };
        api.reload().await;
        api
    }
}

impl Api {
    /// Loads the catalog again.
    pub async fn reload(&self) {
        let mut session = self.db.connect().await;
        self.catalog.set(Box::pin(load(&mut session, &self.scope)).await.expect("a catalog"));
    }

    /// Loads it, and works out which relations run only code that is known; until then PostgreSQL makes all JSON.
    pub async fn prove(&self) {
        self.catalog.listens(true);
        let (_kept, seen) = watch::channel(self.scope.clone());
        let connect = connect_with(ConnectOptions::parse(self.db.url()).expect("a URL"));
        let options = ReloadOptions { proves: true, ..ReloadOptions::default() };
        let reloader = Reloader::spawn(connect, seen, (*self.catalog).clone(), options);
        reloader.first_load().await.expect("a catalog");
        while self.catalog.proven().is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        reloader.stop();
    }

    /// Sends a request line (`GET /todos?...` below the room), fields and a body.
    pub async fn send(&self, line: &str, fields: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let (parts, body) = self.begin(line, fields, body).await.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
        let body = String::from_utf8_lossy(&body).into_owned();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// The same, with the body of the answer still to be read.
    pub async fn begin(&self, line: &str, fields: &[(&str, &str)], body: impl Into<Body>) -> Response<Body> {
        let (method, target) = line.split_once(' ').expect("METHOD target");
        let mut request = Request::builder().method(method).uri(format!("/rest/v1{}", encoded(target)));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).expect("a request");
        self.router.clone().oneshot(request).await.expect("an answer")
    }

    /// GET without fields, which must answer with 200.
    pub async fn get(&self, target: &str) -> Value {
        let answer = self.send(&format!("GET {target}"), &[], "").await;
        assert_eq!(answer.status, 200, "{target}: {answer:?}");
        answer.json()
    }

    /// Asks the database as its owner for one value.
    pub async fn value(&self, sql: &str) -> String {
        self.db.value(sql).await
    }
}

/// Encodes what a URL cannot hold, as clients do.
fn encoded(target: &str) -> String {
    [(" ", "%20"), ("\"", "%22"), ("<", "%3C"), (">", "%3E"), ("{", "%7B"), ("}", "%7D")]
        .iter()
        .fold(target.to_owned(), |text, (raw, code)| text.replace(raw, code))
}

/// Log lines of a failing test are part of its story.
fn show_logs() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if std::env::var_os("FERROBASE_TEST_LOG").is_some() {
            let _ = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_test_writer().try_init();
        }
    });
}
