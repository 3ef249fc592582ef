//! The running server of `ferrobase postgrest`: starts, loads, serves, reloads, ends.
//!
//! admin port -> database (settings in it, schema cache; tried again until it works) -> API port -> signals and
//! notifications. While there is no schema cache the API answers 503. With `server-reuseport` the API port opens only
//! with a schema cache in hand, so that a new process can take over from an old one without a failed request.
//! Invariant: a configuration that cannot be used leaves the old one in force.
//! Read on: `reload` (what changes while it runs), `ports`, `parts` (what the rooms are given).

mod ports;
mod reload;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use arc_swap::ArcSwap;
use ferrobase_catalog::{CatalogHandle, ReloadOptions, ReloadState, Reloader, Scope};
use ferrobase_edge::listener::Workers;
use ferrobase_edge::log::{self, LogHandle};
use ferrobase_edge::metrics::Metrics;
use ferrobase_edge::{App, Grace, Lifecycle, Phase};
use ferrobase_pg::{ConnectOptions, Event, Listener, Pool, Session};
use ferrobase_request::{Pools, Registry};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::admin::{self, Admin};
use super::settings::Settings;
use super::signals::{Heard, Signals};
use super::{Origin, connection, parts};
pub(super) use ports::is_any_address;
use reload::warn_about_role_path;

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
    /// Statements that are still to be cancelled at the end are theirs.
    workers: Arc<Workers>,
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
        pool: server.pool.clone(),
        metrics: metrics.clone(),
    };
    let mut admin_port = None;
    if !server.waits_with_admin().await {
        admin_port = server.open_admin(admin.clone(), &lifecycle).await?;
    }

    let mut listener = server.listen();
    let mut owes_settings = !server.first_contact().await?;
    let reloader = server.start_loading();
    publish(reloader.state(), loading_in);
    if let Some(signal) = server.await_cache(&reloader, &mut signals).await? {
        return Ok(server.end(signal, None, admin_port, &lifecycle).await);
    }

    let api = server.open_api(&lifecycle, &metrics).await?;
    // Whoever asks from now on is told of the load that was waited for, not of the moment before.
    let _ = loading.clone().wait_for(|state| state.loads > 0 || state.failures > 0).await;
    is_listening.store(true, Ordering::Relaxed);
    if admin_port.is_none() {
        admin_port = server.open_admin(admin, &lifecycle).await?;
    }
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
                Heard::Configuration => server.reload_configuration(&reloader, &mut listener).await,
                Heard::Stop(signal) => break signal,
            },
            event = next_event(&mut listener) => server.heard(event, &mut known, &reloader, &mut listener).await?,
        }
    };
    is_listening.store(false, Ordering::Relaxed);
    reloader.stop();
    Ok(server.end(signal, Some(api), admin_port, &lifecycle).await)
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
        let workers = Workers::start().context("cannot start the threads that serve connections")?;
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
        Ok(Self { origin, settings, connect, pool, catalog, registry, rest, app, log, scope, workers, epoch: 0 })
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
