//! The private PostgreSQL of a project: how it is configured, and its life beside the server that uses it.
//!
//! For `dev` and `serve --embedded`. Invariant: what was started is stopped and waited for, whatever asked us to stop
//! and whenever; only a second signal while it starts leaves the end of its shutdown to itself.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use ferrobase_base::config::Atom as _;
use ferrobase_embedded::{Embedded, Health, Options, Progress, Running};
use ferrobase_pg::config::{DatabaseSection, DatabaseUrl};

use crate::cli::terminal;
use crate::config::environment::PG_BIN;
use crate::config::{Environment, Loaded};
use crate::server::Signals;

/// How to run it. Slow steps are told on the terminal.
pub(crate) fn options(loaded: &Loaded, environment: &Environment) -> Result<Options> {
    let section = &loaded.config.database.embedded;
    let folder = Path::new(".").canonicalize().context("cannot open the current folder")?;
    let mut options = Options::new(folder);
    options.bin_dir = environment.get(PG_BIN).filter(|path| !path.is_empty()).map(Into::into);
    options.port = section.port;
    options.version = section.version;
    options.data_dir.clone_from(&section.data_dir);
    options.progress = Some(Arc::new(|progress: &Progress| terminal::note(&progress.to_string())));
    Ok(options)
}

/// Starts it, runs `body` beside it and stops it. A signal during the start stops it too.
pub(crate) async fn beside<F>(options: Options, signals: &mut Signals, body: F) -> Result<()>
where
    F: AsyncFnOnce(&Running, &mut Signals) -> Result<()>,
{
    let Some(postgres) = start(options, signals).await? else { return Ok(()) };
    let mut health = postgres.health();
    let ended = tokio::select! {
        ended = Box::pin(body(&postgres, signals)) => ended,
        // Its own error comes with the end of its watch.
        _ = health.wait_for(|health| matches!(health, Health::Failed(_))) => Ok(()),
    };
    let stopped = postgres.stop().await;
    ended?;
    stopped?;
    Ok(())
}

/// `None` when a signal came first.
async fn start(options: Options, signals: &mut Signals) -> Result<Option<Running>> {
    let mut starting = Box::pin(Embedded::start(options));
    tokio::select! {
        started = &mut starting => return Ok(Some(started?)),
        () = signals.stop() => {}
    }
    terminal::note("stopping when PostgreSQL has started; once more to stop now");
    tokio::select! {
        started = &mut starting => { started?.stop().await?; }
        // Dropping the start orders the shutdown.
        () = signals.stop() => {}
    }
    Ok(None)
}

/// Makes the private database the one that is served, whatever the configuration says about others.
pub(crate) fn point_at(loaded: &mut Loaded, url: &str) -> Result<()> {
    let section = &mut loaded.config.database;
    section.url = Some(DatabaseUrl::parse(url).context("the private PostgreSQL has no usable URL")?);
    // What belongs to another server (its TLS, its pooler) does not belong to this one.
    let defaults = DatabaseSection::default();
    section.ssl_mode = defaults.ssl_mode;
    section.ssl_cert = defaults.ssl_cert;
    section.ssl_key = defaults.ssl_key;
    section.ssl_root_cert = defaults.ssl_root_cert;
    section.pooler = defaults.pooler;
    section.listen_url = defaults.listen_url;
    section.authenticator = defaults.authenticator;
    Ok(())
}
