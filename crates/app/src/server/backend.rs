//! The database side of a running server: it is brought up in the background, and stays up.
//!
//! connect -> install -> target -> catalog -> notifications. Until a stage is done, requests get 503 and `/ready` says
//! what is missing; a database that is down at start is tried again with back-off. Afterwards pools reconnect by
//! themselves, and a listener that had lost its connection asks for a reload, because it may have missed one.
//! Invariant: a notification is a hint without data (security 25): the most it does is one more load of the catalog.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use ferrobase_catalog::{CatalogHandle, ReloadOptions, Reloader, Scope};
use ferrobase_pg::{ConnectOptions, Event, Listener, Session};
use ferrobase_request::install::{DefaultPrivileges, InstallOptions, Installed, Login, Logins, install};
use ferrobase_request::{Registry, Target};
use tokio::sync::{OnceCell, watch};

use crate::config::Config;

use super::{connections, target};

/// First pause between attempts to bring the database up; doubles up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(10);

/// What Ferrobase itself notifies on; `rest.channel` is PostgREST's.
const CHANNEL: &str = "ferrobase";

/// The database side of a server.
pub(crate) struct Backend {
    registry: Arc<Registry>,
    catalog: CatalogHandle,
    up: OnceCell<Up>,
}

/// What exists once the database was reached.
struct Up {
    logins: Logins,
    privileges: DefaultPrivileges,
    scope: watch::Sender<Scope>,
    reloader: Reloader,
}

impl Backend {
    /// A backend that answers 503 until [`Backend::bring_up`] has done its work.
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let catalog = CatalogHandle::new();
        let nobody = |user: &str| Login { user: user.to_owned(), password: None };
        let logins = Logins { request: nobody("authenticator"), service: nobody("authenticator_service") };
        let pools = connections::pools(&config.database, &config.database.owner()?, &logins);
        let target = target::build(config, pools, catalog.clone(), DefaultPrivileges::default(), 0)?;
        Ok(Self { registry: Arc::new(Registry::of(target)), catalog, up: OnceCell::new() })
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
        match (self.up.get(), self.catalog.get()) {
            (None, _) => vec!["database", "catalog"],
            (Some(_), None) => vec!["catalog"],
            (Some(_), Some(_)) if !self.target().pools.request.stats().available => vec!["database"],
            (Some(_), Some(_)) => Vec::new(),
        }
    }

    /// Asks for a new catalog.
    pub(crate) fn reload_catalog(&self) {
        if let Some(up) = self.up.get() {
            up.reloader.trigger().request();
        }
    }

    /// Puts a new configuration in force for requests. Connections stay as they are.
    pub(crate) fn reconfigure(&self, config: &Config) -> Result<()> {
        let current = self.target();
        let privileges = self.up.get().map_or(DefaultPrivileges::default(), |up| up.privileges);
        let next = target::build(config, current.pools.clone(), self.catalog.clone(), privileges, current.epoch + 1)?;
        self.registry.replace(next);
        if let Some(up) = self.up.get() {
            up.scope.send_replace(target::scope(config, &up.logins.request.user));
        }
        Ok(())
    }

    /// Installs, loads the catalog and keeps listening; returns when requests can be answered. Tries until it works.
    pub(crate) async fn bring_up(&self, config: &Config) -> Result<()> {
        let mut pause = FIRST_PAUSE;
        let installed = loop {
            match self.try_install(config).await {
                Ok(installed) => break installed,
                Err(error) => {
                    tracing::error!(error = format!("{error:#}"), retry_in = ?pause, "the database is not usable yet");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LAST_PAUSE);
                }
            }
        };
        self.adopt(config, installed).await
    }

    /// One attempt to install, for commands that explain instead of waiting.
    pub(crate) async fn try_install(&self, config: &Config) -> Result<Installed> {
        let owner = config.database.listener()?;
        Ok(install(&owner, &install_options(config)).await?)
    }

    /// Takes over an installed database: target, catalog, notifications.
    pub(crate) async fn adopt(&self, config: &Config, installed: Installed) -> Result<()> {
        report(&installed);
        let owner = config.database.owner()?;
        let direct = config.database.listener()?;
        let pools = connections::pools(&config.database, &owner, &installed.logins);
        let epoch = self.target().epoch + 1;
        let privileges = installed.default_privileges;
        self.registry.replace(target::build(config, pools, self.catalog.clone(), privileges, epoch)?);

        let scope = watch::Sender::new(target::scope(config, &installed.logins.request.user));
        let connect = direct.clone().with_application_name("ferrobase catalog");
        let connect: ferrobase_catalog::Connect = Arc::new(move || {
            let options = connect.clone();
            Box::pin(async move { Session::connect(&options).await })
        });
        let reloader = Reloader::spawn(connect, scope.subscribe(), self.catalog.clone(), ReloadOptions::default());
        listen(config, direct, reloader.trigger());
        let mut loading = reloader.state();
        let up = Up { logins: installed.logins, privileges, scope, reloader };
        // Only the first caller gets here; `bring_up` is called once.
        let _ = self.up.set(up);
        loading.wait_for(|state| state.generation > 0).await.context("loading the catalog ended")?;
        self.warn_about_exposure();
        Ok(())
    }

    fn warn_about_exposure(&self) {
        let target = self.target();
        if let Some(catalog) = target.catalog.get() {
            for warning in target.exposure.warnings(&catalog) {
                tracing::warn!(code = warning.code, relation = warning.subject, "{}", warning.text);
            }
        }
    }
}

fn install_options(config: &Config) -> InstallOptions {
    let section = &config.database;
    let authenticator = section
        .authenticator
        .password
        .clone()
        .map(|password| Login { user: section.authenticator.user.to_string(), password: Some(password) });
    InstallOptions {
        default_privileges: match section.default_privileges {
            ferrobase_pg::config::DefaultPrivileges::Supabase => DefaultPrivileges::Supabase,
            ferrobase_pg::config::DefaultPrivileges::None => DefaultPrivileges::None,
        },
        authenticator,
        ..InstallOptions::default()
    }
}

fn report(installed: &Installed) {
    for step in &installed.done {
        tracing::info!(step, "installed");
    }
    for notice in &installed.notices {
        tracing::warn!(code = notice.code, sql = notice.sql, "{}", notice.text);
    }
}

/// Reloads the catalog when somebody says that the schema changed, or when that may have been missed.
fn listen(config: &Config, options: ConnectOptions, trigger: ferrobase_catalog::Trigger) {
    let mut channels = vec![CHANNEL.to_owned()];
    if config.rest.channel_enabled {
        channels.push(config.rest.channel.to_string());
    }
    let mut listener = Listener::spawn(options.with_application_name("ferrobase listener"), channels);
    tokio::spawn(async move {
        let mut connected_before = false;
        while let Some(event) = listener.recv().await {
            match event {
                Event::Connected if !connected_before => connected_before = true,
                Event::Connected => trigger.request(),
                Event::Notification(notification) if notification.payload == "reload config" => {}
                Event::Notification(_) => trigger.request(),
                // The listener has logged it and connects again by itself.
                Event::Disconnected { .. } => {}
            }
        }
    });
}
