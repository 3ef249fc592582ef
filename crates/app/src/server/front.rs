//! The HTTP side of a running server: rooms, settings, listeners, health and numbers.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use arc_swap::ArcSwap;
use ferrobase_auth::keys::KeyFile;
use ferrobase_auth::mail::{Outbox, Sender};
use ferrobase_base::Secret;
use ferrobase_edge::admin::{self, Admin};
use ferrobase_edge::config::ObservabilitySection;
use ferrobase_edge::listener::{ConnectionLimits, Endpoint, Listener, Tls, Workers};
use ferrobase_edge::local_only;
use ferrobase_edge::log::AccessLog;
use ferrobase_edge::metrics::Metrics;
use ferrobase_edge::{Alias, App, FreshnessRules, Lifecycle, LocalOnly, Settings};
use ferrobase_request::Authority;
use ferrobase_request::credentials::ConfiguredKeys;
use ferrobase_request::journal::Statements;
use ferrobase_request::keys::project_keys;
use tokio::runtime::Handle;

use crate::cli::keys::{now, signing_secret};
use crate::config::{Config, GRAPHQL, REST};

use super::backend::Backend;
use super::outbound::Caller;
use super::sharing::Sharing;
use super::texter::HttpTexter;
use super::traces::Traces;
use super::watchdog::{self, Watchdog};
use super::{Options, numbers, top};

/// How long a browser brings a freshness token back, at least.
const FRESHNESS_COOKIE_SECONDS: u64 = 60;

/// Everything that answers HTTP, bound and not yet served.
pub(crate) struct Front {
    pub(crate) app: App,
    pub(crate) api: Listener,
    pub(crate) admin: Listener,
    pub(crate) admin_router: axum::Router,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) rest_settings: Arc<ArcSwap<ferrobase_rest::Settings>>,
    pub(crate) graphql_settings: Arc<ArcSwap<ferrobase_graphql::Settings>>,
    pub(crate) auth_settings: Arc<ArcSwap<ferrobase_auth::Settings>>,
    pub(crate) sharing: Option<Sharing>,
    /// Sends the mails that wait, when it runs.
    pub(crate) sender: Sender,
    pub(super) watchdog: Watchdog,
    pub(super) workers: Arc<Workers>,
}

impl Front {
    /// Assembles rooms and binds both ports.
    pub(crate) async fn bind(
        config: &Config,
        backend: &Arc<Backend>,
        lifecycle: &Lifecycle,
        access: AccessLog,
        traces: &Arc<Traces>,
        options: Options,
    ) -> Result<Self> {
        let metrics = Metrics::new();
        numbers::register(&metrics, backend, traces);
        let workers = Workers::start().context("cannot start the threads that serve connections")?;
        let watchdog = watch(&config.observability, &workers)?;
        metrics.collect(watchdog.samples());
        let statements = Arc::<Statements>::default();
        let rest_settings = Arc::new(ArcSwap::from_pointee(rest_settings(config)));
        let rest = ferrobase_rest::Deps { registry: backend.registry(), settings: Arc::clone(&rest_settings) };
        let graphql_settings = Arc::new(ArcSwap::from_pointee(graphql_settings(config, options)?));
        let authority = Arc::clone(&backend.target().authority);
        let secret = shared_secret(config)?;
        let secret = secret.as_ref().map(|secret| secret.expose().as_bytes());
        let sharing = config.redis.as_ref().map(|redis| Sharing::start(redis, secret, &metrics));
        let sharing = sharing.transpose().context("redis")?;
        let graphql = ferrobase_graphql::Deps {
            registry: backend.registry(),
            settings: Arc::clone(&graphql_settings),
            shared: sharing.as_ref().map(Sharing::texts),
        };
        let mut settings = settings(config, authority, options)?;
        settings.tracer = traces.tracer(&config.observability.tracing);
        if let Some(sharing) = &sharing {
            settings = sharing.in_force(settings);
        }
        let auth_settings = Arc::new(ArcSwap::from_pointee(auth_settings(config, &KeyFile::default())));
        let outbox = Outbox::new(Arc::clone(&auth_settings));
        let sender = Sender::new(backend.registry(), Arc::clone(&auth_settings), outbox.clone());
        let app = App::builder(settings, metrics.http())
            .room(ferrobase_rest::room(REST, rest))
            .room(ferrobase_graphql::room(GRAPHQL, graphql))
            .room(auth(config, backend, &auth_settings, &outbox, sharing.as_ref())?)
            .aliases(Alias::seed())
            .access_log(access)
            .statements(Arc::clone(&statements))
            .build();
        app.register(&metrics);
        let tls = match config.server.tls.files() {
            Some((cert, key)) => Some(Arc::new(Tls::load(cert, key).context("server.tls")?)),
            None => None,
        };
        let limits = ConnectionLimits::default()
            .within_open_files()
            .above(config.server.url_limit.as_usize(), config.server.header_limit.as_usize());
        let bind = async |host: &str, port| {
            Listener::bind(&[Endpoint::Tcp { host: host.to_owned(), port, shared: false }]).await
        };
        let api = bind(&config.server.host, config.server.port).await.context("server.port")?;
        let admin = bind(&config.server.admin_host, config.server.admin_port).await.context("server.admin_port")?;
        let readiness = Arc::clone(backend);
        let admin_router = admin::router(Admin {
            lifecycle: lifecycle.clone(),
            readiness: Arc::new(move || readiness.missing()),
            metrics: config.observability.metrics.enabled.then(|| metrics.clone()),
        })
        .merge(local_only::guarded(
            top::router(top::Sources::new(Arc::clone(backend), statements, metrics.http())),
            LocalOnly::new(config.server.public_url.as_ref()).or_by_address(),
        ));
        Ok(Self {
            app,
            api: api.tls(tls.clone()).limits(limits).metrics(metrics.http()).workers(Arc::clone(&workers)),
            admin: admin.limits(limits),
            admin_router,
            tls,
            rest_settings,
            graphql_settings,
            auth_settings,
            sharing,
            sender,
            watchdog,
            workers,
        })
    }
}

/// The room of signing in.
fn auth(
    config: &Config,
    backend: &Arc<Backend>,
    settings: &Arc<ArcSwap<ferrobase_auth::Settings>>,
    outbox: &Outbox,
    sharing: Option<&Sharing>,
) -> Result<ferrobase_edge::Room> {
    let section = &config.auth.sign_in;
    let deps = ferrobase_auth::Deps {
        registry: backend.registry(),
        settings: Arc::clone(settings),
        hasher: ferrobase_auth::Hasher::new(&section.password).context("auth.password")?,
        outbound: Arc::new(Caller::new(config.security.egress_allow.clone())),
        mailer: Arc::new(outbox.clone()),
        texter: Arc::new(HttpTexter::new(Arc::clone(settings))),
        counts: sharing.map(Sharing::counts),
    };
    Ok(ferrobase_auth::room(&section.path, deps))
}

/// The settings of signing in for a configuration and the keys that the database keeps.
pub(crate) fn auth_settings(config: &Config, stored: &KeyFile) -> ferrobase_auth::Settings {
    let section = &config.auth.sign_in;
    let secret = config.auth.tokens.keys().ok();
    let secret = secret.as_ref().and_then(ConfiguredKeys::shared_secret);
    let external_url = format!("{}{}", external_url(config), section.path);
    let tokens = &config.auth.tokens;
    let keys = config.auth.all_signing_keys(stored);
    ferrobase_auth::Settings {
        audience: tokens.jwt_audience.clone(),
        ..ferrobase_auth::Settings::signed_with(section, tokens.jwt_expiry, external_url, secret.as_deref(), &keys)
    }
}

/// Says when nobody can sign in here.
pub(crate) fn warn_about_signing_in(settings: &ferrobase_auth::Settings) {
    if settings.signer.is_none() {
        tracing::warn!(
            code = "nobody_signs_in",
            "nothing signs tokens here (only keys of other issuers are configured): nobody can sign in; set auth.jwt_secret \
             or auth.signing_keys to change that"
        );
    }
}

/// Where the outside finds this server, without a slash at the end.
fn external_url(config: &Config) -> String {
    let server = &config.server;
    if let Some(url) = &server.public_url {
        return url.to_string().trim_end_matches('/').to_owned();
    }
    let scheme = if server.tls.files().is_some() { "https" } else { "http" };
    let host = match server.host.address() {
        Some(address) if address.is_unspecified() => "localhost".to_owned(),
        Some(std::net::IpAddr::V6(address)) => format!("[{address}]"),
        _ => server.host.to_string(),
    };
    format!("{scheme}://{host}:{}", server.port)
}

/// Watches all threads that serve.
fn watch(section: &ObservabilitySection, workers: &Workers) -> Result<Watchdog> {
    let bounds = watchdog::Bounds { stalled_after: section.stalled_after, abort_after: section.abort_when_stalled };
    let runtimes = workers.runtimes().into_iter().chain([Handle::current()]).collect();
    Watchdog::start(bounds, runtimes).context("cannot start the watchdog's thread")
}

/// A secret that all nodes of an installation have: that of tokens, else the password of the database.
fn shared_secret(config: &Config) -> Result<Option<Secret>> {
    let of_database = || Ok::<_, anyhow::Error>(config.database.listener()?.password().cloned());
    let of_tokens = config.auth.tokens.jwt_secret.clone();
    if of_tokens.is_some() { Ok(of_tokens) } else { of_database() }
}

/// The REST room's settings for a configuration. No parameter is reserved by another part of the server yet.
pub(crate) fn rest_settings(config: &Config) -> ferrobase_rest::Settings {
    let secret = config.auth.tokens.jwt_secret.as_ref().map(|secret| secret.expose().as_bytes());
    let address = ferrobase_rest::openapi::Address::mounted(config.server.public_url.as_ref(), REST);
    let settings = ferrobase_rest::Settings::new(&config.rest, Vec::new());
    let mut settings = settings.sealed_by(secret).described_at(address);
    settings.anonymous &= !config.security.require_api_key;
    settings
}

/// The GraphQL room's settings for a configuration. Whoever develops looks at the schema, and has a key to do so.
pub(crate) fn graphql_settings(config: &Config, options: Options) -> Result<ferrobase_graphql::Settings> {
    let path = config.rest.extra_search_path.iter().map(ToString::to_string).collect();
    let trusted = config.graphql.trusted_documents.as_deref().map(ferrobase_graphql::Trusted::read);
    let trusted = trusted.transpose().context("graphql.trusted_documents")?;
    let secret = if options.in_production { None } else { signing_secret(&config.auth.tokens)? };
    let role_claim = &config.auth.tokens.jwt_role_claim;
    let key = secret.map(|secret| project_keys(&secret, role_claim, now())).transpose()?.map(|keys| keys.anon);
    let settings = ferrobase_graphql::Settings::new(&config.graphql, path, !options.in_production);
    Ok(settings.trusting(trusted).with_editor_key(key))
}

/// The edge's settings for a configuration.
pub(crate) fn settings(config: &Config, authority: Arc<Authority>, options: Options) -> Result<Settings> {
    let mut settings = Settings::from_sections(&config.server, &config.security, authority).context("server.cors")?;
    settings.server_timing = config.rest.server_timing;
    settings.slow_query = config.observability.slow_query;
    settings.trace_header = match &config.rest.trace_header {
        Some(name) => Some(name.parse().context("rest.trace_header")?),
        None => None,
    };
    settings.freshness = (config.database.servers()?.len() > 1).then(|| FreshnessRules {
        secure_cookie: config.server.tls.files().is_some()
            || config.server.public_url.as_ref().is_some_and(|url| url.is_https()),
        cookie_seconds: FRESHNESS_COOKIE_SECONDS.max(2 * config.database.max_replica_lag.as_secs()),
    });
    let is_loopback = config.server.host.address().is_some_and(|address| address.is_loopback());
    settings.local_only =
        (options.local_only && is_loopback).then(|| LocalOnly::new(config.server.public_url.as_ref()));
    Ok(settings)
}
