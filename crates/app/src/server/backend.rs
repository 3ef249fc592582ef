//! The database side of a running server: it is brought up in the background, and stays up.
//!
//! connect -> install -> target -> notifications -> catalog, the last two begun early where nothing has to be installed
//! (`head_start`). Until a stage is done, requests get 503 and `/ready` says what is missing; a database that is down at
//! start is tried again with back-off. Afterwards pools reconnect by themselves, and a listener that had lost its
//! connection asks for a reload, because it may have missed one.
//! Invariant: a notification is a hint without data (security 25): the most it does is one more load of the catalog.
//! Invariant: the listener listens before the first load begins, so that no change falls between the two.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use arc_swap::ArcSwapOption;
use ferrobase_auth::api_keys::KeyRing;
use ferrobase_auth::keys::{KeyFile, stored};
use ferrobase_base::error::causes;
use ferrobase_base::ports::ApiKeys;
use ferrobase_catalog::{CatalogHandle, ReloadOptions, ReloadState, Reloader, Scope};
use ferrobase_pg::{ConnectOptions, Event, Listener, Session};
use ferrobase_request::install::{DefaultPrivileges, InstallOptions, Installed, Login, Logins};
use ferrobase_request::{Registry, Target};
use tokio::sync::{OnceCell, watch};
use tokio::task::JoinHandle;

use crate::config::{Config, Loaded};

use super::cluster::Cluster;
use super::connections;
use super::head_start::{Ahead, HeadStart};
use super::installation::{Installation, install_what_can_be};
use super::key_fetcher::KeyFetcher;
use super::target::Identities;
use super::{target, warnings};

/// First pause between attempts to bring the database up; doubles up to the last. Short, because a server that waits
/// for its database must answer within two seconds of the database being back; one refused connection a second costs
/// nobody anything.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(1);
/// The same trouble is said again after this.
const SAY_AGAIN: Duration = Duration::from_secs(30);
/// Longest wait for the listener's first connection before the catalog is loaded without it.
const LISTEN_PATIENCE: Duration = Duration::from_secs(2);
/// Longest wait for the first answers of several servers.
const SERVERS_PATIENCE: Duration = Duration::from_secs(2);

/// What Ferrobase itself notifies on; `rest.channel` is PostgREST's.
const CHANNEL: &str = "ferrobase";

/// The database side of a server.
pub(crate) struct Backend {
    registry: Arc<Registry>,
    catalog: CatalogHandle,
    up: OnceCell<Up>,
    /// Who fetches published keys, with `auth.jwks_url`.
    fetcher: ArcSwapOption<KeyFetcher>,
    /// Opaque keys; the same through every reload.
    key_ring: Arc<KeyRing>,
    /// Signing keys of the database; `None` before the database was reached.
    signing_keys: watch::Sender<Option<KeyFile>>,
    /// The servers of the database, where there are several.
    cluster: Option<Cluster>,
    /// The configuration in force. Held while a target is made from it and registered, so that a reload and the
    /// database coming up cannot overwrite each other's target.
    loaded: Arc<Mutex<Arc<Loaded>>>,
}

/// What exists once the database was reached.
struct Up {
    logins: Logins,
    privileges: DefaultPrivileges,
    scope: watch::Sender<Scope>,
    reloader: Reloader,
    /// Taken when it ends.
    listening: Mutex<Option<JoinHandle<()>>>,
}

impl Up {
    /// Listens and loads no longer; the task that listened is left to be waited for.
    fn close(&self) -> Option<JoinHandle<()>> {
        self.reloader.stop();
        let listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner).take();
        listening.inspect(JoinHandle::abort)
    }
}

impl Backend {
    /// A backend that answers 503 until [`Backend::bring_up`] has done its work.
    pub(crate) fn new(loaded: Arc<Loaded>) -> Result<Self> {
        let config = &loaded.config;
        let catalog = CatalogHandle::new();
        let nobody = |user: &str| Login { user: user.to_owned(), password: None };
        let (request, service) = (nobody("authenticator"), nobody("authenticator_service"));
        let logins = Logins { request, service, rooms: HashMap::new() };
        let cluster = Cluster::watch(&config.database)?;
        let owner = guided(cluster.as_ref(), config.database.owner()?);
        let pools = connections::pools(&config.database, &owner, &logins, cluster.as_ref(), None);
        let key_ring = Arc::<KeyRing>::default();
        let Identities { authority, fetcher } =
            target::identities(config, None, Arc::clone(&key_ring) as Arc<dyn ApiKeys>, &KeyFile::default())?;
        let target = target::build(config, authority, pools, catalog.clone(), DefaultPrivileges::default(), 0);
        let registry = Arc::new(Registry::of(target));
        let fetcher = ArcSwapOption::new(fetcher);
        let (up, signing_keys, loaded) = (OnceCell::new(), watch::Sender::default(), Arc::new(Mutex::new(loaded)));
        Ok(Self { registry, catalog, up, fetcher, key_ring, signing_keys, cluster, loaded })
    }

    /// Where rooms find the target.
    pub(crate) fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry)
    }

    /// The target in force.
    pub(crate) fn target(&self) -> Arc<Target> {
        self.registry.default_target()
    }

    /// What is not there yet.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let mut missing = self.missing_of_database();
        if self.fetcher().is_some_and(|fetcher| fetcher.is_pending()) {
            missing.push("keys");
        }
        missing
    }

    /// The opaque keys that are good.
    pub(crate) fn api_keys(&self) -> Arc<dyn ApiKeys> {
        Arc::clone(&self.key_ring) as Arc<dyn ApiKeys>
    }

    /// The same, to be kept current.
    pub(super) fn key_ring(&self) -> &KeyRing {
        &self.key_ring
    }

    /// The signing keys of the database, as they change.
    pub(crate) fn signing_keys(&self) -> watch::Receiver<Option<KeyFile>> {
        self.signing_keys.subscribe()
    }

    /// These are the signing keys of the database.
    pub(super) fn found_signing_keys(&self, found: KeyFile) {
        self.signing_keys.send_if_modified(|known| {
            let is_new = known.as_ref() != Some(&found);
            *known = Some(found);
            is_new
        });
    }

    /// Who fetches published keys.
    pub(crate) fn fetcher(&self) -> Option<Arc<KeyFetcher>> {
        self.fetcher.load_full()
    }

    fn missing_of_database(&self) -> Vec<&'static str> {
        match (self.up.get(), self.catalog.get()) {
            (None, _) => vec!["database", "catalog"],
            (Some(_), None) => vec!["catalog"],
            (Some(_), Some(_)) if !self.is_answering() => vec!["database"],
            (Some(_), Some(_)) => Vec::new(),
        }
    }

    /// Whether requests can be answered, if only reads.
    fn is_answering(&self) -> bool {
        let pools = &self.target().pools;
        pools.request.stats().available || pools.replicas.as_ref().is_some_and(|replicas| replicas.is_answering())
    }

    /// Whether a pool of requests could not connect at its last attempt, after the database had been brought up.
    pub(crate) fn is_cut_off(&self) -> bool {
        let pools = &self.target().pools;
        self.up.get().is_some() && (pools.request.outage().is_some() || pools.service.outage().is_some())
    }

    /// Whether a room is not there because its part of the installation failed.
    pub(crate) fn lacks_a_room(&self) -> bool {
        self.up.get().is_some() && !self.target().pools.rooms.contains_key(ferrobase_auth::OWNER.schema)
    }

    /// Gives the rooms that were not there their connections: they are installed by now.
    pub(super) fn adopt_rooms(&self, installed: &Installed) -> Result<()> {
        let loaded = self.loaded();
        let current = self.target();
        let database = &loaded.config.database;
        let owner = guided(self.cluster.as_ref(), database.owner()?);
        let mut pools = current.pools.clone();
        for (schema, login) in &installed.logins.rooms {
            pools.rooms.entry(schema).or_insert_with(|| connections::room(database, &owner, login));
        }
        let privileges = self.up.get().map_or(DefaultPrivileges::default(), |up| up.privileges);
        let (authority, catalog) = (Arc::clone(&current.authority), self.catalog.clone());
        let next = target::build(&loaded.config, authority, pools, catalog, privileges, current.epoch + 1);
        self.registry.replace(next);
        Ok(())
    }

    /// Asks for a new catalog.
    pub(crate) fn reload_catalog(&self) {
        if let Some(up) = self.up.get() {
            up.reloader.trigger().request();
        }
    }

    /// How loading the catalog goes; nothing before the database was reached.
    pub(crate) fn catalog_state(&self) -> Option<ReloadState> {
        self.up.get().map(|up| up.reloader.state().borrow().clone())
    }

    /// Takes no more work, cancels what nobody waits for, listens no longer and closes every connection, so that the
    /// database may end too. The caller bounds the wait.
    pub(crate) async fn finish(&self) {
        if let Some(listening) = self.up.get().and_then(Up::close) {
            let _ = listening.await;
        }
        let pools = self.target().pools.clone();
        let reads = async {
            if let Some(replicas) = &pools.replicas {
                replicas.close().await;
            }
        };
        let rooms = async {
            for pool in pools.rooms.values() {
                pool.close().await;
            }
        };
        tokio::join!(pools.request.close(), pools.service.close(), pools.owner.close(), rooms, reads);
    }

    /// Listens and loads no longer: the server has ended, perhaps without [`Backend::finish`].
    pub(crate) fn close(&self) {
        self.up.get().and_then(Up::close);
    }

    /// Puts a new configuration in force for requests. Connections stay as they are.
    pub(crate) fn reconfigure(&self, next: Arc<Loaded>, identities: Identities) {
        let mut loaded = self.loaded();
        let config = &next.config;
        let current = self.target();
        let privileges = self.up.get().map_or(DefaultPrivileges::default(), |up| up.privileges);
        let (pools, epoch) = (current.pools.clone(), current.epoch + 1);
        let target = target::build(config, identities.authority, pools, self.catalog.clone(), privileges, epoch);
        self.registry.replace(target);
        self.fetcher.store(identities.fetcher);
        if let Some(up) = self.up.get() {
            up.scope.send_replace(target::scope(config, &up.logins.request.user));
        }
        *loaded = next;
    }

    /// Nothing under the lock panics half-way.
    fn loaded(&self) -> MutexGuard<'_, Arc<Loaded>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The configuration in force.
    fn configuration(&self) -> Arc<Loaded> {
        Arc::clone(&self.loaded())
    }

    /// Installs, loads the catalog and keeps listening; returns when requests can be answered. Tries until it works.
    pub(crate) async fn bring_up(&self) -> Result<()> {
        let mut pause = FIRST_PAUSE;
        let mut said: Option<(String, Instant)> = None;
        let (installed, head_start) = loop {
            self.hear_servers().await;
            let loaded = self.configuration();
            let direct = self.listener(&loaded.config);
            let head_start = HeadStart::begin(loaded, direct);
            match self.try_install().await {
                Ok(installed) => break (installed, head_start),
                Err(error) => {
                    let error = causes(error.as_ref());
                    if said.as_ref().is_none_or(|(text, at)| *text != error || at.elapsed() > SAY_AGAIN) {
                        tracing::error!(error, "the database is not usable yet; trying again every second");
                        said = Some((error, Instant::now()));
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LAST_PAUSE);
                }
            }
        };
        self.adopt_after(installed, Some(head_start)).await
    }

    /// Waits, where there are several servers, until it is known which is which, so that nothing is installed on the wrong one.
    async fn hear_servers(&self) {
        if let Some(cluster) = &self.cluster {
            cluster.settle(SERVERS_PATIENCE).await;
        }
    }

    /// The owner's connection past a pooler, led to the primary.
    fn listener(&self, config: &Config) -> Result<ConnectOptions> {
        Ok(guided(self.cluster.as_ref(), config.database.listener()?))
    }

    /// One attempt to install, for commands that explain instead of waiting.
    pub(crate) async fn try_install(&self) -> Result<Installation> {
        let loaded = self.configuration();
        if let Some(trouble) = self.cluster.as_ref().and_then(|cluster| cluster.servers().trouble()) {
            bail!("{trouble}");
        }
        let owner = self.listener(&loaded.config)?;
        Ok(install_what_can_be(&owner, install_options(&loaded.config)).await?)
    }

    /// Takes over an installed database: target, notifications, catalog.
    pub(crate) async fn adopt(&self, installed: Installation) -> Result<()> {
        self.adopt_after(installed, None).await
    }

    async fn adopt_after(&self, installation: Installation, head_start: Option<HeadStart>) -> Result<()> {
        let Installation { installed, failed } = installation;
        report(&installed);
        if let Some(failed) = failed {
            failed.report();
        }
        self.found_signing_keys(stored::read(&installed.room_secrets));
        let loaded = self.configuration();
        let database = &loaded.config.database;
        let owner = guided(self.cluster.as_ref(), database.owner()?);
        let secret = loaded.config.auth.tokens.jwt_secret.as_ref().map(|secret| secret.expose().as_bytes());
        let pools = connections::pools(database, &owner, &installed.logins, self.cluster.as_ref(), secret);
        pools.request.warm();
        // What was read while something was still missing may not hold any more.
        let ahead = match head_start.filter(|_| installed.was_complete) {
            Some(head_start) => head_start.end().await,
            None => None,
        };
        let direct = self.listener(&loaded.config)?;
        let (listener, heard_before, ahead) = match ahead {
            Some(Ahead { listener, scope, catalog }) => (listener, true, Some((scope, catalog))),
            None => {
                let mut listener = listen(&loaded.config, direct.clone());
                let heard_before = hear_first(&mut listener).await;
                (listener, heard_before, None)
            }
        };
        let connect = direct.with_application_name("ferrobase catalog");
        let connect: ferrobase_catalog::Connect = Arc::new(move || {
            let options = connect.clone();
            Box::pin(async move { Session::connect(&options).await })
        });
        self.catalog.listens(heard_before);
        let mut loading = {
            // The configuration may have been replaced while the listener connected.
            let loaded = self.loaded();
            let config = &loaded.config;
            let current = self.target();
            let (authority, privileges) = (Arc::clone(&current.authority), installed.default_privileges);
            let catalog = self.catalog.clone();
            self.registry.replace(target::build(config, authority, pools, catalog, privileges, current.epoch + 1));
            let scope = watch::Sender::new(target::scope(config, &installed.logins.request.user));
            let (seen, handle, options) =
                (scope.subscribe(), self.catalog.clone(), ReloadOptions { proves: true, ..ReloadOptions::default() });
            let reloader = match ahead.filter(|(covered, _)| *covered == *scope.borrow()) {
                Some((_, catalog)) => Reloader::spawn_loaded(catalog, connect, seen, handle, options),
                None => Reloader::spawn(connect, seen, handle, options),
            };
            let listening = reload_on_notice(listener, heard_before, reloader.trigger());
            let listening = Mutex::new(Some(listening));
            let loading = reloader.state();
            // Only the first caller gets here; the database is adopted once.
            let _ = self.up.set(Up { logins: installed.logins, privileges, scope, reloader, listening });
            loading
        };
        loading.wait_for(|state| state.generation > 0).await.context("loading the catalog ended")?;
        let current = Arc::clone(&self.loaded);
        let current = move || Arc::clone(&current.lock().unwrap_or_else(PoisonError::into_inner));
        warnings::tell(self.registry(), loading, current);
        Ok(())
    }
}

fn guided(cluster: Option<&Cluster>, connect: ConnectOptions) -> ConnectOptions {
    match cluster {
        Some(cluster) => cluster.guide(connect),
        None => connect,
    }
}

fn install_options(config: &Config) -> InstallOptions {
    let section = &config.database;
    let authenticator = section
        .authenticator
        .password
        .clone()
        .map(|password| Login { user: section.authenticator.user.to_string(), password: Some(password) });
    let replicas = section.replicas.iter().chain(section.regions.values().flat_map(|region| &region.replicas));
    let readers = replicas.filter_map(|replica| replica.user.as_ref()).map(ToString::to_string).collect();
    let default_privileges = default_privileges(section);
    let rooms =
        [InstallOptions::default().rooms, vec![ferrobase_auth::MIGRATIONS, ferrobase_graphql::MIGRATIONS]].concat();
    InstallOptions { rooms, default_privileges, authenticator, readers, ..InstallOptions::default() }
}

/// What the configuration grants by default, in the installation's words.
pub(crate) fn default_privileges(section: &ferrobase_pg::config::DatabaseSection) -> DefaultPrivileges {
    match section.default_privileges {
        ferrobase_pg::config::DefaultPrivileges::Supabase => DefaultPrivileges::Supabase,
        ferrobase_pg::config::DefaultPrivileges::None => DefaultPrivileges::None,
    }
}

fn report(installed: &Installed) {
    for step in &installed.done {
        tracing::debug!(step, "installed");
    }
    if !installed.done.is_empty() {
        tracing::info!(steps = installed.done.len(), "own schemas and roles are installed");
    }
    for notice in &installed.notices {
        tracing::warn!(code = notice.code, sql = notice.sql, "{}", notice.text);
    }
}

/// Listens to what says that the schema changed.
pub(super) fn listen(config: &Config, options: ConnectOptions) -> Listener {
    let mut channels = vec![CHANNEL.to_owned()];
    if config.rest.channel_enabled {
        channels.push(config.rest.channel.to_string());
    }
    Listener::spawn(options.with_application_name("ferrobase listener"), channels)
}

/// Waits until the listener listens; false when that takes too long or fails, and the catalog is loaded without it.
pub(super) async fn hear_first(listener: &mut Listener) -> bool {
    matches!(tokio::time::timeout(LISTEN_PATIENCE, listener.recv()).await, Ok(Some(Event::Connected)))
}

/// Reloads the catalog when somebody says that the schema changed, or when that may have been missed.
fn reload_on_notice(
    mut listener: Listener,
    mut connected: bool,
    trigger: ferrobase_catalog::Trigger,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        while let Some(event) = listener.recv().await {
            match event {
                // Whatever was notified while nobody listened is lost.
                Event::Connected => {
                    trigger.listens(true);
                    trigger.request();
                    if !std::mem::replace(&mut connected, true) {
                        tracing::info!("listening to notifications again");
                    }
                }
                // `reload config` too: settings of roles are part of the catalog, and `ALTER ROLE` tells nobody.
                Event::Notification(_) => trigger.request(),
                // The listener has logged it and connects again by itself.
                Event::Disconnected { .. } => {
                    trigger.listens(false);
                    connected = false;
                }
            }
        }
    })
}
