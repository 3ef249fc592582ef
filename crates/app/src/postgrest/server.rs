//! The running server of `ferrobase postgrest`: starts, loads, serves, reloads, ends.
//!
//! admin port -> database (settings in it, schema cache; tried again until it works) -> API port -> signals and
//! notifications. While there is no schema cache the API answers 503. With `server-reuseport` the API port opens only with a schema cache in hand, so that a new process can
//! take over from an old one without a failed request.
//! Invariant: a configuration that cannot be used leaves the old one in force.
//! Read on: `parts` (what the rooms are given), `admin`.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use arc_swap::ArcSwap;
use ferrobase_catalog::{CatalogHandle, ReloadOptions, ReloadState, Reloader, Scope};
use ferrobase_edge::listener::{ConnectionLimits, Endpoint, Listener as HttpListener};
use ferrobase_edge::log::{self, LogHandle};
use ferrobase_edge::metrics::Metrics;
use ferrobase_edge::{App, Grace, Lifecycle, Phase};
use ferrobase_pg::{ConnectOptions, Event, Listener, Pool, Session};
use ferrobase_request::{Pools, Registry};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::admin::{self, Admin};
use super::settings::{Listen, Settings, Sources, database};
use super::signals::{Heard, Signals};
use super::{Origin, connection, parts};

/// For requests in flight at the end.
const DRAIN: Duration = Duration::from_secs(60);
/// For statements that still run in the database when everything else has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// A burst of notifications costs one load; loads follow each other at least this far apart.
const BETWEEN_LOADS: Duration = Duration::from_millis(100);

/// Everything that a reload changes or asks.
struct Server {
    origin: Origin,
    settings: Settings,
    connect: ConnectOptions,
    pool: Pool,
    catalog: CatalogHandle,
    registry: Arc<Registry>,
    rest: Arc<ArcSwap<ferrobase_rest::Settings>>,
    app: App,
    log: LogHandle,
    scope: watch::Sender<Scope>,
    epoch: u64,
}

/// Serves until a signal.
pub(super) async fn serve(settings: Settings, origin: Origin) -> Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let log = log::init(&parts::log(&settings))?;
    tracing::info!("Starting Ferrobase {} as PostgREST...", env!("CARGO_PKG_VERSION"));
    warn_about_role_path(&settings);
    let connect = connection::options(&settings, &origin.environment)?;
    let pool = Pool::new(connect.clone(), settings.pool_options());
    let metrics = Metrics::new();
    let mut server = Server::new(settings, origin, connect, pool, log, &metrics)?;

    let (loading_in, loading) = watch::channel(ReloadState::default());
    let is_listening = Arc::new(AtomicBool::new(false));
    let lifecycle = Lifecycle::default();
    admin::register(&metrics, &server.pool, loading.clone(), Arc::clone(&server.registry));
    let admin = Admin {
        is_listening: Arc::clone(&is_listening),
        socket: server.settings.server.socket.clone(),
        loading: loading.clone(),
        catalog: server.catalog.clone(),
        metrics: metrics.clone(),
    };
    let admin = server.open_admin(admin, &lifecycle).await?;

    let mut listener = server.listen();
    let mut owes_settings = !server.first_contact().await?;
    let reloader = server.start_loading();
    publish(reloader.state(), loading_in);
    if let Some(signal) = server.await_cache(&reloader, &mut signals).await? {
        return Ok(server.end(signal, None, admin, &lifecycle).await);
    }

    let api = server.open_api(&lifecycle, &metrics).await?;
    is_listening.store(true, Ordering::Relaxed);
    let mut known = false;
    let mut loading = reloader.state();
    let signal = loop {
        tokio::select! {
            Ok(()) = loading.changed(), if owes_settings => {
                if loading.borrow_and_update().loads > 0 {
                    server.reload_schema(&reloader).await;
                    owes_settings = false;
                }
            }
            heard = signals.next() => match heard {
                Heard::Schema => server.reload_schema(&reloader).await,
                Heard::Configuration => server.reload_configuration(&mut listener).await,
                Heard::Stop(signal) => break signal,
            },
            event = next_event(&mut listener) => server.heard(event, &mut known, &reloader, &mut listener).await?,
        }
    };
    is_listening.store(false, Ordering::Relaxed);
    reloader.stop();
    Ok(server.end(signal, Some(api), admin, &lifecycle).await)
}

/// Waits for the order to end; before the first load there is nothing to reload.
async fn stopped(signals: &mut Signals) -> &'static str {
    loop {
        if let Heard::Stop(signal) = signals.next().await {
            return signal;
        }
    }
}

/// The next notification; never one when nobody listens.
async fn next_event(listener: &mut Option<Listener>) -> Event {
    if let Some(listener) = listener
        && let Some(event) = listener.recv().await
    {
        return event;
    }
    std::future::pending().await
}

/// Shows the state of the reloader, which exists only once the database was reached, to who asked for it earlier.
fn publish(mut from: watch::Receiver<ReloadState>, to: watch::Sender<ReloadState>) {
    tokio::spawn(async move {
        let mut failures = 0;
        loop {
            let state = from.borrow_and_update().clone();
            if state.failures > failures
                && let Some(error) = &state.last_error
            {
                tracing::info!("Failed to load the schema cache. {error}");
            }
            failures = state.failures;
            to.send_replace(state);
            if from.changed().await.is_err() {
                return;
            }
        }
    });
}

impl Server {
    fn new(
        settings: Settings,
        origin: Origin,
        connect: ConnectOptions,
        pool: Pool,
        log: LogHandle,
        metrics: &Metrics,
    ) -> Result<Self> {
        let catalog = CatalogHandle::new();
        let authority = parts::authority(&settings)?;
        let edge = parts::edge(&settings, Arc::clone(&authority))?;
        let target = parts::target(&settings, authority, Pools::single(&pool), catalog.clone(), 0);
        let registry = Arc::new(Registry::of(target));
        let rest = Arc::new(ArcSwap::from_pointee(parts::rest(&settings)));
        let deps = ferrobase_rest::Deps { registry: Arc::clone(&registry), settings: Arc::clone(&rest) };
        let app =
            App::builder(edge, metrics.http()).room(ferrobase_rest::room("", deps)).access_log(log.access()).build();
        app.register(metrics);
        let scope = watch::Sender::new(parts::scope(&settings));
        Ok(Self { origin, settings, connect, pool, catalog, registry, rest, app, log, scope, epoch: 0 })
    }

    /// Listens for notifications, when that is wanted.
    fn listen(&self) -> Option<Listener> {
        self.settings
            .channel_enabled
            .then(|| Listener::spawn(connection::listener(self.connect.clone()), [self.settings.channel.clone()]))
    }

    /// Takes over the settings in the database; false when it cannot be reached yet.
    async fn first_contact(&mut self) -> Result<bool> {
        let error = match Session::connect(&self.connect).await {
            Ok(mut session) => {
                tracing::info!(
                    "Successfully connected to PostgreSQL {}",
                    session.parameter("server_version").unwrap_or("?")
                );
                self.take_from_database(&mut session).await;
                session.close().await;
                return Ok(true);
            }
            Err(error) => error,
        };
        if error.is_login() {
            return Err(error).context("Failed to establish a connection.");
        }
        if !self.settings.pool.automatic_recovery {
            return Err(error).context("Automatic recovery disabled, exiting.");
        }
        tracing::info!("Failed to connect to the database; trying again. {error}");
        Ok(false)
    }

    fn start_loading(&self) -> Reloader {
        let options = ReloadOptions { min_interval: BETWEEN_LOADS, rest: 0, ..ReloadOptions::default() };
        let connect = ferrobase_catalog::connect_with(self.connect.clone());
        let (scope, catalog) = (self.scope.subscribe(), self.catalog.clone());
        Reloader::spawn(connect, scope, catalog, options)
    }

    /// Waits for the first schema cache, or with a port of our own only for the first attempt. Gives the signal that
    /// came before.
    async fn await_cache(&self, reloader: &Reloader, signals: &mut Signals) -> Result<Option<&'static str>> {
        let mut state = reloader.state();
        let must_have = self.settings.reuse_port;
        let ready = |state: &ReloadState| state.loads > 0 || (!must_have && state.failures > 0);
        tokio::select! {
            ended = state.wait_for(ready) => ended.map(|_| None).context("loading the schema cache ended"),
            signal = stopped(signals) => Ok(Some(signal)),
        }
    }

    /// The settings in the database, silently: they are read before every load of the schema cache.
    async fn take_from_database(&mut self, session: &mut Session) {
        if !self.settings.db_config {
            return;
        }
        match database::read(session, self.settings.pre_config.as_ref()).await {
            Ok(found) => {
                if let Err(error) = self.reread(found) {
                    tracing::info!("Failed reloading config: {error:#}");
                }
            }
            Err(error) => tracing::info!("Failed to query database settings for the config parameters. {error}"),
        }
    }

    /// Reads file and environment again, with what the database says, and puts it in force.
    fn reread(&mut self, database: BTreeMap<String, String>) -> Result<()> {
        let mut sources = Sources::read(self.origin.path.as_deref(), &self.origin.environment)?;
        sources.database = database;
        let next = Settings::new(&sources, Some(&self.settings.uri))?;
        // Everything that can fail is made before anything is swapped.
        let mut authority = parts::authority(&next)?;
        let current = Arc::clone(&self.registry.default_target().authority);
        if is_same_identity(&self.settings, &next) {
            authority = current;
        }
        let edge = parts::edge(&next, Arc::clone(&authority))?;
        self.log.set_level(&parts::log(&next).level)?;
        self.epoch += 1;
        let pools = Pools::single(&self.pool);
        self.registry.replace(parts::target(&next, authority, pools, self.catalog.clone(), self.epoch));
        self.app.reload(edge);
        self.rest.store(Arc::new(parts::rest(&next)));
        let scope = parts::scope(&next);
        self.scope.send_if_modified(|current| std::mem::replace(current, scope.clone()) != scope);
        self.settings = next;
        Ok(())
    }

    /// SIGUSR1, an empty notification or `reload schema`.
    async fn reload_schema(&mut self, reloader: &Reloader) {
        if self.settings.db_config
            && let Ok(mut session) = Session::connect(&self.connect).await
        {
            self.take_from_database(&mut session).await;
            session.close().await;
        }
        reloader.trigger().request();
    }

    /// SIGUSR2 or `reload config`.
    async fn reload_configuration(&mut self, listener: &mut Option<Listener>) {
        let found = if self.settings.db_config { self.database_settings().await } else { Ok(BTreeMap::new()) };
        let found = found.unwrap_or_else(|error| {
            tracing::info!("Failed to query database settings for the config parameters. {error}");
            BTreeMap::new()
        });
        match self.reread(found) {
            Err(error) => tracing::info!("Failed reloading config: {error:#}"),
            Ok(()) => {
                tracing::info!("Config reloaded");
                warn_about_role_path(&self.settings);
            }
        }
        if self.settings.channel_enabled != listener.is_some() {
            *listener = self.listen();
        }
    }

    async fn database_settings(&self) -> Result<BTreeMap<String, String>, ferrobase_pg::Error> {
        let mut session = Session::connect(&self.connect).await?;
        let found = database::read(&mut session, self.settings.pre_config.as_ref()).await;
        session.close().await;
        found
    }

    /// Does what a notification says, and loads again when some may have been missed.
    async fn heard(
        &mut self,
        event: Event,
        known: &mut bool,
        reloader: &Reloader,
        listener: &mut Option<Listener>,
    ) -> Result<()> {
        let channel = self.settings.channel.clone();
        match event {
            Event::Connected => {
                tracing::info!(
                    "Listener connected to {} and listening for database notifications on the \"{channel}\" channel",
                    self.connect
                );
                if std::mem::replace(known, true) {
                    self.reload_schema(reloader).await;
                }
            }
            Event::Disconnected { cause, retry_in } => {
                tracing::info!("Failed listening for database notifications on the \"{channel}\" channel. {cause}");
                if !self.settings.pool.automatic_recovery {
                    bail!("Automatic recovery disabled, exiting.");
                }
                let seconds = retry_in.as_secs_f64();
                tracing::info!("Retrying listening for database notifications in {seconds} seconds...");
            }
            Event::Notification(notification) => match notification.payload.as_str() {
                "" | "reload schema" => {
                    tracing::info!("Received a schema cache reload message on the \"{channel}\" channel");
                    self.reload_schema(reloader).await;
                }
                "reload config" => {
                    tracing::info!("Received a config reload message on the \"{channel}\" channel");
                    self.reload_configuration(listener).await;
                }
                _ => {}
            },
        }
        Ok(())
    }

    async fn open_admin(&self, admin: Admin, lifecycle: &Lifecycle) -> Result<Option<JoinHandle<()>>> {
        let Some(endpoint) = endpoint(&self.settings.admin, false) else { return Ok(None) };
        let listener = HttpListener::bind(&[endpoint]).await.context("admin-server-port")?;
        tracing::info!("Admin server listening on {}", place(&listener, &self.settings.admin));
        let (router, lifecycle) = (admin::router(admin), lifecycle.clone());
        Ok(Some(tokio::spawn(async move {
            listener.limits(ConnectionLimits::default().within_open_files()).serve(router, lifecycle).await;
        })))
    }

    async fn open_api(&self, lifecycle: &Lifecycle, metrics: &Metrics) -> Result<JoinHandle<()>> {
        let endpoint = endpoint(&self.settings.server, self.settings.reuse_port).context("server-port")?;
        let listener = HttpListener::bind(&[endpoint]).await.context("server-port")?;
        tracing::info!("API server listening on {}", place(&listener, &self.settings.server));
        let (app, lifecycle, metrics) = (self.app.clone(), lifecycle.clone(), metrics.http());
        Ok(tokio::spawn(async move {
            let limits = ConnectionLimits::default().within_open_files();
            listener.limits(limits).metrics(metrics).serve(app, lifecycle).await;
        }))
    }

    /// No new connections; requests in flight end; then the database.
    async fn end(
        &self,
        signal: &str,
        api: Option<JoinHandle<()>>,
        admin: Option<JoinHandle<()>>,
        lifecycle: &Lifecycle,
    ) -> ExitCode {
        tracing::info!("Received termination unix signal {signal}");
        let ending = {
            let lifecycle = lifecycle.clone();
            tokio::spawn(async move { lifecycle.shut_down(Grace { notice: Duration::ZERO, bound: DRAIN }).await })
        };
        if let Some(api) = api {
            let _ = api.await;
        }
        ending.abort();
        lifecycle.enter(Phase::Ended);
        if let Some(admin) = admin {
            let _ = admin.await;
        }
        let _ = tokio::time::timeout(LAST_WORDS, self.pool.close()).await;
        self.log.flush();
        ExitCode::SUCCESS
    }
}

/// Whether verified tokens stay valid: nothing that judged them changed.
fn is_same_identity(before: &Settings, after: &Settings) -> bool {
    let secret = |settings: &Settings| settings.jwt.secret.as_ref().map(|secret| secret.expose().to_owned());
    let rest = |settings: &Settings| {
        let jwt = &settings.jwt;
        (jwt.is_base64, jwt.audience.clone(), jwt.role.to_string(), jwt.cache_entries, settings.anon_role.clone())
    };
    secret(before) == secret(after) && rest(before) == rest(after)
}

fn warn_about_role_path(settings: &Settings) {
    if settings.jwt.role.is_legacy() {
        tracing::info!(
            "WARNING: The config `jwt-role-claim-key={}` is in the older notation; write it as a JSONPath that begins with `$`",
            settings.jwt.role
        );
    }
}

/// Whether a host means every address of this machine.
pub(super) fn is_any_address(host: &str) -> bool {
    matches!(host, "*" | "*4" | "!4" | "*6" | "!6")
}

fn endpoint(listen: &Listen, shared: bool) -> Option<Endpoint> {
    if let Some(path) = &listen.socket {
        return Some(Endpoint::Unix { path: path.clone(), mode: listen.socket_mode });
    }
    let host = match listen.host.as_str() {
        "*" | "*4" | "!4" => "0.0.0.0",
        "*6" | "!6" => "::",
        host => host,
    };
    Some(Endpoint::Tcp { host: host.to_owned(), port: listen.port?, shared })
}

fn place(listener: &HttpListener, listen: &Listen) -> String {
    match (listener.addresses().first(), &listen.socket) {
        (Some(address), _) => address.to_string(),
        (None, Some(path)) => path.display().to_string(),
        (None, None) => String::new(),
    }
}
