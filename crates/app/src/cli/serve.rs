//! `ferrobase serve`: production.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use ferrobase_base::error::causes;
use ferrobase_embedded::Running;

use crate::config::{Environment, Flag, Loaded, Sources, load};
use crate::dev::database;
use crate::server::{Options, Server, Signals, refuse_start};

use super::settings::{ConfigArguments, ServerArguments};
use super::terminal;

/// How long load balancers get to see the failing `/ready` before connections are refused.
const NOTICE: Duration = Duration::from_secs(1);

/// Serves a database that is there, or an embedded one.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  ferrobase serve --config /etc/ferrobase/ferrobase.yaml\n  FERROBASE_AUTH__JWT_SECRET=... ferrobase serve --database-url postgresql://owner:secret@db/app\n  FERROBASE_AUTH__JWT_SECRET=... ferrobase serve --embedded\n\nSIGHUP reads the configuration and certificates again and opens the log anew; SIGTERM drains."
)]
pub(super) struct ServeArguments {
    #[command(flatten)]
    config: ConfigArguments,
    #[command(flatten)]
    server: ServerArguments,
    /// Runs a private PostgreSQL and serves it (`database.embedded.enabled`).
    #[arg(long, conflicts_with = "database_url")]
    embedded: bool,
}

pub(super) fn run(arguments: &ServeArguments, environment: Environment) -> Result<ExitCode> {
    let mut flags = arguments.server.flags();
    if arguments.embedded {
        let (key, flag) = ("database.embedded.enabled", "--embedded".to_owned());
        flags.push(Flag { key, flag, text: "true".to_owned() });
    }
    let sources = arguments.config.sources("serve", environment, flags)?;
    let loaded = load(&sources)?;
    refuse_start(&loaded)?;
    let options = Options {
        log_query: arguments.server.log_query,
        notice: NOTICE,
        local_only: false,
        in_production: true,
        log_to_stderr: false,
    };
    terminal::block_on(async move { Box::pin(start(loaded, sources, options)).await })?;
    Ok(ExitCode::SUCCESS)
}

/// With a private PostgreSQL beside it where that is configured.
async fn start(mut loaded: Loaded, sources: Sources, options: Options) -> Result<()> {
    let mut signals = Signals::listen()?;
    if !loaded.config.database.embedded.enabled {
        return serve(loaded, sources, options, &mut signals).await;
    }
    let private = database::options(&loaded, &sources.environment)?;
    let body = async |postgres: &Running, signals: &mut Signals| {
        database::point_at(&mut loaded, &postgres.url())?;
        serve(loaded, sources, options, signals).await
    };
    database::beside(private, &mut signals, body).await
}

/// Answers at once and brings the database up meanwhile.
async fn serve(loaded: Loaded, sources: Sources, options: Options, signals: &mut Signals) -> Result<()> {
    let server = Server::start(loaded, sources, options).await?;
    let backend = server.backend();
    let bringing_up = tokio::spawn(async move {
        match backend.bring_up().await {
            Ok(()) => tracing::info!("ready"),
            Err(error) => tracing::error!(error = causes(error.as_ref()), "cannot come up"),
        }
    });
    if let Some(address) = server.address() {
        tracing::info!(%address, admin = server.admin_address().map(tracing::field::display), "listening");
    }
    let ended = server.run(signals).await;
    bringing_up.abort();
    ended
}
