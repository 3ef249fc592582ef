//! `ferrobase serve`: production.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use ferrobase_embedded::Embedded;

use crate::config::{Environment, load};
use crate::dev::database;
use crate::server::{Options, Server, refuse};

use super::settings::{ConfigArguments, ServerArguments};
use super::terminal;

/// How long load balancers get to see the failing `/ready` before connections are refused.
const NOTICE: Duration = Duration::from_secs(1);

/// Serves a database that is there, or an embedded one.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  ferrobase serve --config /etc/ferrobase/ferrobase.yaml\n  FERROBASE_DATABASE__URL=postgresql://owner:secret@db/app FERROBASE_AUTH__JWT_SECRET=... ferrobase serve\n\nSignals: SIGHUP reads the configuration and certificates again and reopens the log, SIGTERM drains."
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
        let flag = crate::config::Flag {
            key: "database.embedded.enabled",
            flag: "--embedded".to_owned(),
            text: "true".to_owned(),
        };
        flags.push(flag);
    }
    let sources = arguments.config.sources("serve", Vec::new(), environment, flags)?;
    let mut loaded = load(&sources)?;
    refuse(&loaded)?;
    let options =
        Options { log_query: arguments.server.log_query, notice: NOTICE, local_only: false, in_production: true };
    terminal::block_on(async move {
        let postgres = if loaded.config.database.embedded.enabled {
            let postgres = Embedded::start(database::options(&loaded, &sources.environment)?).await?;
            database::point_at(&mut loaded, &postgres.access().url())?;
            Some(postgres)
        } else {
            None
        };
        let server = Server::start(loaded, sources, options).await?;
        let backend = server.backend();
        let bringing_up = tokio::spawn(async move {
            match backend.bring_up().await {
                Ok(()) => tracing::info!("ready"),
                Err(error) => tracing::error!(error = format!("{error:#}"), "cannot come up"),
            }
        });
        if let Some(address) = server.address() {
            tracing::info!(%address, admin = ?server.admin_address(), "listening");
        }
        let ended = server.run().await;
        bringing_up.abort();
        if let Some(postgres) = postgres {
            postgres.stop().await?;
        }
        ended
    })?;
    Ok(ExitCode::SUCCESS)
}
