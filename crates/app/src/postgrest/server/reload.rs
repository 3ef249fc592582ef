//! What changes while the server runs: settings, schema cache, listener.
//!
//! A signal or a notification -> settings of file, environment and database -> everything that is made from them, swapped.
//! Invariant: everything that can fail is made before anything is swapped.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use ferrobase_base::error::causes;
use ferrobase_catalog::Reloader;
use ferrobase_pg::{Event, Listener, Session};
use ferrobase_request::Pools;

use super::Server;
use crate::postgrest::parts;
use crate::postgrest::settings::{Settings, Sources, database};

impl Server {
    /// The settings in the database, silently: they are read before every load of the schema cache.
    pub(super) async fn take_from_database(&mut self, session: &mut Session) {
        if !self.settings.db_config {
            return;
        }
        match database::read(session, self.settings.pre_config.as_ref()).await {
            Ok(found) => {
                if let Err(error) = self.reread(found) {
                    tracing::info!("Failed reloading config: {}", causes(error.as_ref()));
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
    pub(super) async fn reload_schema(&mut self, reloader: &Reloader) {
        if self.settings.db_config
            && let Ok(mut session) = Session::connect(&self.connect).await
        {
            self.take_from_database(&mut session).await;
            session.close().await;
        }
        reloader.trigger().request();
    }

    /// SIGUSR2 or `reload config`. Settings of roles are read with the schema cache.
    pub(super) async fn reload_configuration(&mut self, reloader: &Reloader, listener: &mut Option<Listener>) {
        let found = if self.settings.db_config { self.database_settings().await } else { Ok(BTreeMap::new()) };
        // Upstream goes on without what the database would have said; a secret or the schemas may be among it.
        match found.context("the settings in the database could not be read").and_then(|found| self.reread(found)) {
            Err(error) => {
                let cause = causes(error.as_ref());
                tracing::info!("Failed reloading config: {cause}. The settings in force stay.");
            }
            Ok(()) => {
                tracing::info!("Config reloaded");
                warn_about_role_path(&self.settings);
            }
        }
        if self.settings.channel_enabled != listener.is_some() {
            *listener = self.listen();
        }
        reloader.trigger().request();
    }

    async fn database_settings(&self) -> Result<BTreeMap<String, String>, ferrobase_pg::Error> {
        let mut session = Session::connect(&self.connect).await?;
        let found = database::read(&mut session, self.settings.pre_config.as_ref()).await;
        session.close().await;
        found
    }

    /// Does what a notification says, and loads again when some may have been missed.
    pub(super) async fn heard(
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
                    self.reload_configuration(reloader, listener).await;
                }
                _ => {}
            },
        }
        Ok(())
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

pub(super) fn warn_about_role_path(settings: &Settings) {
    if settings.jwt.role.is_legacy() {
        tracing::info!(
            "WARNING: The config `jwt-role-claim-key={}` is in the older notation; write it as a JSONPath that begins with `$`",
            settings.jwt.role
        );
    }
}
