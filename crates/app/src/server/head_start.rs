//! What a start does while the installation is still being looked at: it listens, and reads the catalog.
//!
//! Nearly every start finds everything installed. Then looking at it, listening and reading the catalog need not wait for
//! each other, and the first answer comes in half the time. Who adopts the database (`backend`) takes the result when
//! nothing had been missing and the scope is the one in force; otherwise it is dropped and everything done in order.
//! Invariant: the listener listens before the load begins, as always.
//! Invariant: a head start that fails does so silently; whoever comes after it meets the same trouble and tells.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use ferrobase_catalog::{Catalog, Scope, load_in_two};
use ferrobase_pg::{ConnectOptions, Listener, Session};
use ferrobase_request::install::recorded_login;
use tokio::task::JoinHandle;

use crate::config::{Config, Loaded};

use super::{backend, target};

/// A head start under way; given up when dropped.
pub(super) struct HeadStart(JoinHandle<Option<Ahead>>);

/// Where it got to.
pub(super) struct Ahead {
    /// Listens since before the catalog was read, and has said so.
    pub(super) listener: Listener,
    /// What the catalog covers.
    pub(super) scope: Scope,
    /// The catalog and how long its load took.
    pub(super) catalog: (Catalog, Duration),
}

impl HeadStart {
    /// Begins. Must be called on a runtime.
    pub(super) fn begin(loaded: Arc<Loaded>, direct: Result<ConnectOptions>) -> Self {
        Self(tokio::spawn(async move { Box::pin(run(&loaded.config, direct.ok()?)).await }))
    }

    /// Waits for its end; `None` when it came to nothing.
    pub(super) async fn end(mut self) -> Option<Ahead> {
        (&mut self.0).await.ok().flatten()
    }
}

impl Drop for HeadStart {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn run(config: &Config, direct: ConnectOptions) -> Option<Ahead> {
    let connect = direct.clone().with_application_name("ferrobase catalog");
    // Alone: a database that is down is tried once, and the listener, which would complain, not at all.
    let mut session = Session::connect(&connect).await.ok()?;
    let scope = target::scope(config, &login(config, &mut session).await?);
    let mut listener = backend::listen(config, direct);
    let (helper, heard) = tokio::join!(Session::connect(&connect), backend::hear_first(&mut listener));
    let mut helper = helper.ok().filter(|_| heard)?;
    let started = Instant::now();
    let catalog = load_in_two(&mut session, &mut helper, &scope).await.ok()?;
    tokio::spawn(async { tokio::join!(session.close(), helper.close()) });
    Some(Ahead { listener, scope, catalog: (catalog, started.elapsed()) })
}

/// The login that requests will use; `None` when nothing is installed.
async fn login(config: &Config, session: &mut Session) -> Option<String> {
    let configured = &config.database.authenticator;
    match configured.password {
        Some(_) => Some(configured.user.to_string()),
        None => recorded_login(session).await.ok()?,
    }
}
