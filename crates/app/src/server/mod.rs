//! What `serve` and `dev` have in common: a configuration becomes a running server and ends in good order.
//!
//! [`Server::start`] binds and answers at once (503 until the database is up), [`Server::run`] stays until a signal.
//! SIGHUP reads the configuration again, opens the log anew and reloads certificates and catalog; SIGTERM and SIGINT
//! drain. Read on: `backend` (the database side), `front` (the HTTP side), `sharing` (what several
//! nodes have in common), `connections` and `target` (from keys to values).

mod advice;
pub(crate) mod backend;
mod cluster;
pub(crate) mod connections;
mod front;
mod head_start;
mod installation;
mod keeper;
mod key_fetcher;
mod key_ring;
mod names;
mod numbers;
mod outbound;
mod patroni;
mod rehearsal;
mod sharing;
mod signals;
mod target;
mod texter;
pub(crate) mod top;
mod traces;
mod warnings;
mod watchdog;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use arc_swap::ArcSwap;
use ferrobase_base::config::Problem;
use ferrobase_base::error::causes;
use ferrobase_edge::listener::{Tls, Workers};
use ferrobase_edge::log::{self, LogHandle, LogSettings};
use ferrobase_edge::{App, Grace, Lifecycle, Phase};
use tokio::task::JoinHandle;

use crate::config::{Current, Loaded, Sources, refusals};
use backend::Backend;
pub(crate) use backend::default_privileges;
use front::Front;
pub(crate) use front::auth_settings;
pub(crate) use rehearsal::unusable;
use sharing::Sharing;
pub(crate) use signals::{Heard, Signals};
pub(crate) use target::{exposure, scope};
use traces::Traces;
use watchdog::Watchdog;

/// For sending the traces of the last requests.
const LAST_TRACES: Duration = Duration::from_secs(3);
/// For cancelling what still runs in the database when everything else has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A server that answers.
pub(crate) struct Server {
    current: Current,
    sources: Sources,
    backend: Arc<Backend>,
    app: App,
    sharing: Option<Sharing>,
    tls: Option<Arc<Tls>>,
    rest_settings: Arc<ArcSwap<ferrobase_rest::Settings>>,
    graphql_settings: Arc<ArcSwap<ferrobase_graphql::Settings>>,
    auth_settings: Arc<ArcSwap<ferrobase_auth::Settings>>,
    log: LogHandle,
    traces: Arc<Traces>,
    options: Options,
    lifecycle: Lifecycle,
    serving: JoinHandle<()>,
    /// Sends mails; those that wait are in the database, so it can end at any time.
    sending: JoinHandle<()>,
    _watchdog: Watchdog,
    /// Statements that are still to be cancelled at the end are theirs.
    _workers: Arc<Workers>,
    addresses: (Vec<SocketAddr>, Vec<SocketAddr>),
}

/// Everything that is swapped together.
struct Prepared {
    identities: target::Identities,
    edge: ferrobase_edge::Settings,
    rest: ferrobase_rest::Settings,
    graphql: ferrobase_graphql::Settings,
    auth: ferrobase_auth::Settings,
}

/// What the command line adds to the configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Logs statements.
    pub(crate) log_query: bool,
    /// Between a failing `/ready` and the end of accepting.
    pub(crate) notice: Duration,
    /// Answers this machine only while it listens on loopback: pages of other sites must not reach a developer's data
    /// through the developer's browser (security 27).
    pub(crate) local_only: bool,
    /// Refuses configurations that `serve` must not work with, at start and at every reload.
    pub(crate) in_production: bool,
    /// Logs to the standard error, because the standard output is for data.
    pub(crate) log_to_stderr: bool,
}

/// What `serve` cannot work without, or must not work with.
pub(crate) fn refuse(loaded: &Loaded) -> Result<()> {
    refuse_if_any(&refusals(loaded, false))
}

/// The same, and what no start could use.
pub(crate) fn refuse_start(loaded: &Loaded) -> Result<()> {
    refuse_if_any(&[refusals(loaded, false), unusable(loaded)].concat())
}

fn refuse_if_any(problems: &[Problem]) -> Result<()> {
    if problems.is_empty() {
        return Ok(());
    }
    let listed: Vec<String> = problems.iter().map(ToString::to_string).collect();
    bail!("`ferrobase serve` does not work with this configuration:\n  {}", listed.join("\n  "))
}

impl Server {
    /// Binds and answers; the database is brought up by whoever calls ([`Backend::bring_up`] or [`Backend::adopt`]).
    pub(crate) async fn start(loaded: Loaded, sources: Sources, options: Options) -> Result<Self> {
        let log = log::init(&log_settings(&loaded, options))?;
        warn(&loaded);
        let lifecycle = Lifecycle::default();
        let current = Current::new(loaded);
        let loaded = current.get();
        let backend = Arc::new(Backend::new(Arc::clone(&loaded))?);
        tokio::spawn(keeper::keep(Arc::downgrade(&backend)));
        tokio::spawn(key_ring::keep(Arc::downgrade(&backend)));
        let traces = Arc::<Traces>::default();
        let front = Front::bind(&loaded.config, &backend, &lifecycle, log.access(), &traces, options).await?;
        let addresses = (front.api.addresses(), front.admin.addresses());
        let (app, tls, sharing) = (front.app.clone(), front.tls.clone(), front.sharing);
        let (rest_settings, auth_settings) = (front.rest_settings, front.auth_settings);
        let graphql_settings = front.graphql_settings;
        let sending = tokio::spawn(front.sender.run());
        let api = front.api.serve(front.app, lifecycle.clone());
        let admin = front.admin.serve(front.admin_router, lifecycle.clone());
        let serving = tokio::spawn(async move {
            let (api, _) = tokio::join!(api, admin);
            if api.cut > 0 {
                tracing::warn!(connections = api.cut, "cut at the end of the drain");
            }
        });
        Ok(Self {
            current,
            sources,
            backend,
            app,
            sharing,
            tls,
            rest_settings,
            graphql_settings,
            auth_settings,
            log,
            traces,
            options,
            lifecycle,
            serving,
            sending,
            _watchdog: front.watchdog,
            _workers: front.workers,
            addresses,
        })
    }

    /// The database side.
    pub(crate) fn backend(&self) -> Arc<Backend> {
        Arc::clone(&self.backend)
    }

    /// Where the API listens.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.addresses.0.first().copied()
    }

    /// Where health and metrics are.
    pub(crate) fn admin_address(&self) -> Option<SocketAddr> {
        self.addresses.1.first().copied()
    }

    /// The configuration in force.
    pub(crate) fn loaded(&self) -> Arc<Loaded> {
        self.current.get()
    }

    /// Stays until SIGTERM or SIGINT, then drains. A second signal ends at once.
    pub(crate) async fn run(mut self, signals: &mut Signals) -> Result<()> {
        let mut keys = self.backend.signing_keys();
        if keys.borrow().is_some() {
            keys.mark_changed();
        }
        // Whether keys of the database are in force.
        let mut turned = false;
        loop {
            tokio::select! {
                heard = signals.next() => match heard {
                    Heard::Reload => self.reload(),
                    Heard::Stop => break,
                },
                // Its other end lives as long as the backend.
                Ok(()) = keys.changed() => {
                    let are_some = keys.borrow_and_update().as_ref().is_some_and(|keys| !keys.is_empty());
                    if std::mem::replace(&mut turned, are_some) || are_some {
                        self.turn_keys();
                    } else {
                        front::warn_about_signing_in(&self.auth_settings.load());
                    }
                }
            }
        }
        tracing::info!("draining");
        let bound = self.current.get().config.server.drain_timeout;
        let grace = Grace { notice: self.options.notice, bound };
        let lifecycle = self.lifecycle.clone();
        let ending = tokio::spawn(async move { lifecycle.shut_down(grace).await });
        let is_served = tokio::select! {
            _ = &mut self.serving => true,
            () = signals.stop() => false,
        };
        ending.abort();
        self.lifecycle.enter(Phase::Ended);
        let last = async {
            if !is_served {
                let _ = (&mut self.serving).await;
            }
            self.sending.abort();
            // Statements of callers who were cut are cancelled; left alone they would run on in the database.
            self.backend.finish().await;
        };
        if tokio::time::timeout(LAST_WORDS, last).await.is_err() {
            tracing::warn!("the database did not end every statement in time");
        }
        if tokio::time::timeout(LAST_TRACES, self.traces.finish()).await.is_err() {
            tracing::warn!("the last traces could not be sent in time");
        }
        tracing::info!("stopped");
        self.log.flush();
        Ok(())
    }

    /// Validates the new configuration and swaps it in, or keeps the old one and says why.
    fn reload(&self) {
        if let Err(error) = self.log.reopen() {
            tracing::error!(error = &error as &dyn std::error::Error, "the log file could not be opened anew");
        }
        if let Err(error) = self.reload_configuration() {
            tracing::error!(error = causes(error.as_ref()), "the old configuration stays in force");
        }
        if let Some(Err(error)) = self.tls.as_ref().map(|tls| tls.reload()) {
            tracing::error!(error = &error as &dyn std::error::Error, "the old certificate stays in force");
        }
        self.backend.reload_catalog();
    }

    fn reload_configuration(&self) -> Result<()> {
        let mut next = crate::config::load(&self.sources.reread()?)?;
        if self.options.in_production {
            refuse(&next)?;
        }
        // The connections are those of the start.
        next.config.database = self.current.get().config.database.clone();
        // Everything that can fail is made before anything is swapped.
        let prepared = self.prepare(&next)?;
        warn(&next);
        let reloaded = self.current.replace(next);
        let next = self.current.get();
        self.put_in_force(&next, prepared);
        self.log.set_level(&log_settings(&next, self.options).level)?;
        tracing::info!(changed = ?reloaded.changed, at_restart = ?reloaded.at_restart, "configuration reloaded");
        Ok(())
    }

    /// Puts the signing keys in force that the database has now.
    fn turn_keys(&self) {
        let loaded = self.current.get();
        match self.prepare(&loaded) {
            Ok(prepared) => {
                let keys = self.backend.signing_keys().borrow().as_ref().map_or(0, |keys| keys.list().len());
                self.put_in_force(&loaded, prepared);
                tracing::info!(keys, "the signing keys of the database are in force");
            }
            Err(error) => tracing::error!(error = causes(error.as_ref()), "the old signing keys stay in force"),
        }
    }

    /// What follows from a configuration and the signing keys of the database.
    fn prepare(&self, loaded: &Loaded) -> Result<Prepared> {
        let config = &loaded.config;
        let stored = self.backend.signing_keys().borrow().clone().unwrap_or_default();
        let (fetcher, api_keys) = (self.backend.fetcher(), self.backend.api_keys());
        let identities = target::identities(config, fetcher.as_deref(), api_keys, &stored)?;
        let mut edge = front::settings(config, Arc::clone(&identities.authority), self.options)?;
        if let Some(sharing) = &self.sharing {
            edge = sharing.in_force(edge);
        }
        edge.tracer = self.traces.tracer(&config.observability.tracing);
        let (rest, auth) = (front::rest_settings(config), front::auth_settings(config, &stored));
        let graphql = front::graphql_settings(config, self.options)?;
        Ok(Prepared { identities, edge, rest, graphql, auth })
    }

    fn put_in_force(&self, loaded: &Arc<Loaded>, prepared: Prepared) {
        front::warn_about_signing_in(&prepared.auth);
        self.backend.reconfigure(Arc::clone(loaded), prepared.identities);
        self.app.reload(prepared.edge);
        self.rest_settings.store(Arc::new(prepared.rest));
        self.graphql_settings.store(Arc::new(prepared.graphql));
        self.auth_settings.store(Arc::new(prepared.auth));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.sending.abort();
        self.backend.close();
    }
}

fn warn(loaded: &Loaded) {
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
}

fn log_settings(loaded: &Loaded, options: Options) -> LogSettings {
    let mut settings = LogSettings::from(&loaded.config.observability.log);
    settings.to_stderr = options.log_to_stderr;
    if options.log_query {
        settings.level.push_str(",ferrobase::sql=debug");
    }
    settings
}
