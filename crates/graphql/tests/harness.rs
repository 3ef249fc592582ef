//! The room on a database of its own.

use std::sync::Arc;
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
use ferrobase_graphql::config::GraphqlSection;
use ferrobase_graphql::{Deps, Settings};
use ferrobase_pg::{ConnectOptions, Pool, PoolOptions};
use ferrobase_request::credentials::{ConfiguredKeys, TokenCache};
use ferrobase_request::exposure::{DefinerViews, Exposure};
use ferrobase_request::install::{InstallOptions, Login, install};
use ferrobase_request::{AuthRules, Authority, Pools, Registry, Target, TargetParts, TransactionRules};
pub use ferrobase_testkit::Answer;
use ferrobase_testkit::{TestDatabase, database_from, token};
use http::Request;
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt;

/// The room with its database.
pub struct Api {
    pub db: TestDatabase,
    pub settings: Arc<ArcSwap<Settings>>,
    router: Router,
    catalog: CatalogHandle,
    scope: Scope,
}

/// How the room differs from the usual.
pub struct Setup {
    pub graphql: GraphqlSection,
    pub transaction: TransactionRules,
    pub connections: usize,
    pub allow_unprotected: Vec<String>,
    pub definer_views: DefinerViews,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            graphql: GraphqlSection { introspection: Some(true), ..GraphqlSection::default() },
            transaction: TransactionRules::default(),
            connections: 2,
            // Most tests are not about row security.
            allow_unprotected: vec!["*".to_owned()],
            definer_views: DefinerViews::Refuse,
        }
    }
}

/// What is installed.
fn options() -> InstallOptions {
    let rooms = [InstallOptions::default().rooms, vec![ferrobase_graphql::MIGRATIONS]].concat();
    InstallOptions { rooms, ..InstallOptions::default() }
}

/// The room over a database with these tables.
pub async fn api(sql: &str) -> Api {
    Setup::default().start(sql).await
}

impl Setup {
    pub async fn start(self, sql: &str) -> Api {
        let db = database_from("graphql_3", |url| async move {
            install(&ConnectOptions::parse(&url).expect("a URL"), &options()).await.expect("installed");
        })
        .await;
        let owner = ConnectOptions::parse(db.url()).expect("a URL");
        let logins = install(&owner, &options()).await.expect("installed").logins;
        db.script(sql).await;
        let options = PoolOptions { max_connections: self.connections, ..PoolOptions::default() };
        let pool =
            |login: &Login| Pool::new(owner.clone().with_login(&login.user, login.password.clone()), options.clone());
        let catalog = CatalogHandle::new();
        let schemas: Vec<String> = self.graphql.schemas.iter().map(ToString::to_string).collect();
        let keys = Arc::new(ConfiguredKeys::new(Some(&Secret::new(token::SECRET)), false, None).expect("keys"));
        let authority = Arc::new(Authority {
            keys,
            api_keys: Arc::new(NoApiKeys),
            rules: AuthRules::default(),
            cache: TokenCache::new(TokenCache::DEFAULT_CAPACITY),
        });
        let exposure = Exposure::guarded(schemas.clone(), true, self.allow_unprotected, self.definer_views, Vec::new());
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
            exposure,
            epoch: 1,
        });
        let path = vec!["public".to_owned(), "extensions".to_owned()];
        let settings = Arc::new(ArcSwap::from_pointee(Settings::new(&self.graphql, path.clone(), false)));
        let deps = Deps { registry: Arc::new(Registry::of(target)), settings: Arc::clone(&settings), shared: None };
        let edge =
            ferrobase_edge::Settings::from_sections(&ServerSection::default(), &SecuritySection::default(), authority);
        let room = ferrobase_graphql::room("/graphql/v1", deps);
        let app = App::builder(edge.expect("settings"), Metrics::new().http()).room(room).build();
        let scope = Scope {
            request_login: Some(logins.request.user),
            extra_search_path: path,
            documents: schemas.clone(),
            ..Scope::exposing(schemas)
        };
        let api = Api { db, settings, router: app.into_router(), catalog, scope };
        api.reload().await;
        api
    }
}

impl Api {
    /// Loads the catalog again.
    pub async fn reload(&self) {
        let mut session = self.db.connect().await;
        self.catalog.set(load(&mut session, &self.scope).await.expect("a catalog"));
    }

    /// What comments and names say in vain.
    pub fn mistakes(&self) -> Vec<String> {
        let catalog = self.catalog.get().expect("a catalog");
        let told = ferrobase_graphql::mistakes(&catalog, &self.settings.load()).into_iter();
        told.map(|mistake| format!("{}: {}", mistake.object, mistake.text)).collect()
    }

    /// Loads it, and works out which relations run only code that is known; until then PostgreSQL makes all JSON.
    pub async fn prove(&self) {
        self.catalog.listens(true);
        let (_kept, seen) = watch::channel(self.scope.clone());
        let connect = connect_with(ConnectOptions::parse(self.db.url()).expect("a URL"));
        let options = ReloadOptions { proves: true, ..ReloadOptions::default() };
        let reloader = Reloader::spawn(connect, seen, self.catalog.clone(), options);
        reloader.first_load().await.expect("a catalog");
        while self.catalog.proven().is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        reloader.stop();
    }

    /// Sends a request line (`POST ` and a query string), fields and a body.
    pub async fn send(&self, line: &str, fields: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let (method, target) = line.split_once(' ').expect("METHOD target");
        let mut request = Request::builder().method(method).uri(format!("/graphql/v1{target}"));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).expect("a request");
        let (parts, body) = self.router.clone().oneshot(request).await.expect("an answer").into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
        Answer { status: parts.status, headers: parts.headers, body: String::from_utf8_lossy(&body).into_owned() }
    }

    /// Asks with further fields.
    pub async fn ask_with(&self, fields: &[(&str, &str)], query: &str, variables: Value) -> Answer {
        let fields: Vec<_> = fields.iter().copied().chain([("content-type", "application/json")]).collect();
        self.send("POST ", &fields, json!({"query": query, "variables": variables}).to_string()).await
    }

    /// Asks without a token.
    pub async fn ask(&self, query: &str) -> Answer {
        self.ask_with(&[], query, Value::Null).await
    }

    /// Asks with a token of these claims.
    pub async fn ask_as(&self, claims: Value, query: &str) -> Answer {
        let bearer = format!("Bearer {}", token::with_claims(&claims));
        self.ask_with(&[("authorization", &bearer)], query, Value::Null).await
    }

    /// The data of an answer that has no errors.
    pub async fn data(&self, query: &str) -> Value {
        let answer = self.ask(query).await;
        let mut json = answer.json();
        assert!(json.get("errors").is_none(), "{query}: {json}");
        json["data"].take()
    }

    /// The code of the error with which the database refuses a script of its owner; empty where it does not.
    pub async fn refused(&self, sql: &str) -> String {
        match self.db.connect().await.script(sql).await {
            Ok(()) => String::new(),
            Err(error) => error.db().map(|db| db.code.as_str().to_owned()).unwrap_or_else(|| error.to_string()),
        }
    }

    /// Asks with a token of these claims, for data without errors.
    pub async fn data_as(&self, claims: Value, query: &str) -> Value {
        let answer = self.ask_as(claims, query).await;
        let mut json = answer.json();
        assert!(json.get("errors").is_none(), "{query}: {json}");
        json["data"].take()
    }

    /// Asks the database as its owner for one value.
    pub async fn value(&self, sql: &str) -> String {
        let result = self.db.connect().await.query(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        result.rows.first().and_then(|row| row.text(0).map(str::to_owned)).unwrap_or_default()
    }
}
