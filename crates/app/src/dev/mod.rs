//! `ferrobase dev`: everything on one machine, for one project folder.
//!
//! lock -> secret -> private PostgreSQL -> server -> own schemas -> migrations -> seed -> catalog -> banner, and then a
//! watch on the migrations folder. Data and keys stay between runs; `--reset` starts anew.
//! Invariant: whatever happens after the private PostgreSQL was started, it is stopped cleanly before we end.

pub(crate) mod database;
mod migrations;
pub(crate) mod project;

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context as _, Result};
use ferrobase_embedded::{Embedded, Running};
use ferrobase_request::keys::project_keys;
use jiff::Timestamp;

use crate::cli::terminal;
use crate::config::{Loaded, Sources, load};
use crate::server::{Options, Server};
use project::{Project, RunningDev};

/// Ports that are tried when none is set, from the usual one on.
const PORTS: std::ops::Range<u16> = 8000..8100;
const ADMIN_PORTS: std::ops::Range<u16> = 9090..9190;

/// What the command line chose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choices {
    /// Deletes the database first.
    pub(crate) reset: bool,
    /// For the server.
    pub(crate) server: Options,
    /// Prints how to reach the server as JSON.
    pub(crate) json: bool,
}

/// Runs until a signal. `sources` has everything but what `dev` itself chooses.
pub(crate) async fn run(project: &Project, mut sources: Sources, choices: Choices) -> Result<()> {
    let Some(_lock) = project.lock()? else { return show_running(project, choices.json) };
    project.withdraw();
    sources.command = ("dev", preferences(project)?);
    let mut loaded = load(&sources)?;
    let postgres_options = database::options(&loaded, &sources.environment)?;
    if choices.reset {
        terminal::note("deleting the database of this project");
        Embedded::reset(&postgres_options).await?;
    }
    let postgres = Embedded::start(postgres_options).await?;
    database::point_at(&mut loaded, &postgres.url())?;
    let outcome = serve(project, &postgres, loaded, sources, choices).await;
    project.withdraw();
    let stopped = postgres.stop().await;
    outcome?;
    stopped?;
    Ok(())
}

async fn serve(
    project: &Project,
    postgres: &Running,
    loaded: Loaded,
    sources: Sources,
    choices: Choices,
) -> Result<()> {
    let server = Server::start(loaded, sources, choices.server).await?;
    let (backend, loaded) = (server.backend(), server.loaded());
    let installed = backend.try_install().await?;
    let owner = loaded.config.database.listener()?;
    migrations::apply(project, &owner, postgres.created()).await?;
    backend.adopt(installed).await?;
    let running = describe(&server, postgres, &loaded)?;
    project.announce(&running)?;
    show(&running, choices.json)?;
    let watch = tokio::spawn(migrations::watch(project.clone(), owner));
    let ended = server.run().await;
    watch.abort();
    ended
}

/// Settings that `dev` prefers unless the project says otherwise.
fn preferences(project: &Project) -> Result<Vec<(&'static str, String)>> {
    Ok(vec![
        ("server.host", Ipv4Addr::LOCALHOST.to_string()),
        ("server.port", free_port(PORTS)?),
        ("server.admin_port", free_port(ADMIN_PORTS)?),
        ("auth.jwt_secret", project.secret()?.expose().to_owned()),
        ("observability.log.format", "text".to_owned()),
    ])
}

/// The first port of the range that nobody listens on. It can be lost until it is bound; then the start says so.
fn free_port(mut range: std::ops::Range<u16>) -> Result<String> {
    let free = range.find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    Ok(free.with_context(|| format!("no free port from {} to {}", range.start, range.end))?.to_string())
}

fn describe(server: &Server, postgres: &Running, loaded: &Loaded) -> Result<RunningDev> {
    let (address, admin) =
        (server.address().context("not listening")?, server.admin_address().context("not listening")?);
    let secret = loaded.config.auth.tokens.jwt_secret.as_ref().context("dev always has a secret")?;
    let keys = project_keys(secret.expose().as_bytes(), Timestamp::now().as_second())?;
    let scheme = if loaded.config.server.tls.files().is_some() { "https" } else { "http" };
    Ok(RunningDev {
        pid: std::process::id(),
        url: format!("{scheme}://{address}"),
        admin_url: format!("http://{admin}"),
        anon_key: keys.anon,
        service_key: keys.service,
        database_url: postgres.access().tcp_url_for("postgres"),
    })
}

fn show_running(project: &Project, json: bool) -> Result<()> {
    let running = project.running()?.context("`ferrobase dev` is starting in this folder; try again in a moment")?;
    terminal::note(&format!("`ferrobase dev` runs here already (process {})", running.pid));
    show(&running, json)
}

fn show(running: &RunningDev, json: bool) -> Result<()> {
    if json {
        return terminal::print_json(running);
    }
    let RunningDev { url, admin_url, anon_key, service_key, database_url, .. } = running;
    terminal::print(&format!(
        "\n  REST         {url}/rest/v1\n  health       {admin_url}/ready\n  metrics      {admin_url}/metrics\n  \
         database     {database_url}\n  anon key     {anon_key}\n  service key  {service_key}\n\n  \
         try          curl '{url}/rest/v1/' -H 'apikey: {anon_key}'\n\n"
    ))
}
