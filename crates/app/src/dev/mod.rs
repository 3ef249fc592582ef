//! `ferrobase dev`: everything on one machine, for one project folder.
//!
//! lock -> ports -> secret -> private PostgreSQL -> server -> own schemas -> migrations -> seed -> catalog -> banner, and
//! then a watch on the migrations folder. Data and keys stay between runs; `--reset` starts anew.
//! Invariant: whatever happens after the private PostgreSQL was started, it is stopped cleanly before we end.
//! Read on: `project` (the folder and its secret), `database` (PostgreSQL's life), `migrations`, `banner`, `ports`.

mod banner;
pub(crate) mod database;
pub(crate) mod migrations;
mod ports;
pub(crate) mod project;

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use ferrobase_embedded::{Embedded, Running};
use ferrobase_pg::ConnectOptions;

use crate::cli::terminal;
use crate::config::{Loaded, Sources, load};
use crate::server::{Options, Server, Signals};
use banner::RunningDev;
use migrations::Fingerprint;
use ports::Ports;
use project::Project;

/// How long a second `dev` waits for the first one, which may be making its database or applying migrations.
const FIRST_IS_READY_WITHIN: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(100);

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
pub(crate) async fn run(project: &Project, sources: Sources, choices: Choices) -> Result<()> {
    let Some(_lock) = project.lock()? else { return attach(project, choices).await };
    project.withdraw();
    let mut signals = Signals::listen_on_terminal()?;
    let (loaded, sources, ports) = configure(project, sources)?;
    if loaded.config.database.is_located() {
        terminal::note("the configured database is left alone: `dev` serves the private one of this project");
    }
    let postgres = database::options(&loaded, &sources.environment)?;
    if choices.reset {
        terminal::note("deleting the database of this project");
        Embedded::reset(&postgres).await?;
    }
    let ended = database::beside(postgres, &mut signals, async |postgres, signals| {
        serve(Start { project, postgres, loaded, sources, ports, choices }, signals).await
    });
    let ended = ended.await;
    project.withdraw();
    ended
}

/// The configuration with what `dev` prefers unless the project says otherwise, and the ports that come of it.
fn configure(project: &Project, mut sources: Sources) -> Result<(Loaded, Sources, Ports)> {
    let preferences = [
        ("server.host", Ipv4Addr::LOCALHOST.to_string()),
        ("auth.jwt_secret", project.secret()?.expose().to_owned()),
        ("observability.log.format", "text".to_owned()),
        // Nobody reads mail on a developer's machine before the first sign-up.
        ("auth.email.autoconfirm", "true".to_owned()),
        // And nobody has a mail server there: `ferrobase auth mails` shows what would have been sent.
        ("auth.mailer.catch", "true".to_owned()),
    ];
    let unset = ["server.port", "server.admin_port"].map(|key| (key, "0".to_owned()));
    sources.command = ("dev", preferences.iter().cloned().chain(unset).collect());
    let ports = Ports::take(&load(&sources)?.config.server)?;
    sources.command = ("dev", preferences.into_iter().chain(ports.settings()).collect());
    Ok((load(&sources)?, sources, ports))
}

/// Everything that the server of a project is started from.
struct Start<'a> {
    project: &'a Project,
    postgres: &'a Running,
    loaded: Loaded,
    sources: Sources,
    ports: Ports,
    choices: Choices,
}

async fn serve(start: Start<'_>, signals: &mut Signals) -> Result<()> {
    let project = start.project.clone();
    let (server, owner, seen) = tokio::select! {
        started = Box::pin(bring_up(start)) => started?,
        () = signals.stop() => return Ok(()),
    };
    let watch = tokio::spawn(migrations::watch(project, owner, seen));
    let ended = server.run(signals).await;
    watch.abort();
    ended
}

/// From a database that answers to a server that does, and everything told. Dropped half-way, it leaves nothing.
async fn bring_up(start: Start<'_>) -> Result<(Server, ConnectOptions, Fingerprint)> {
    let Start { project, postgres, mut loaded, sources, ports, choices } = start;
    database::point_at(&mut loaded, &postgres.url())?;
    drop(ports);
    let server = Server::start(loaded, sources, choices.server).await?;
    let (backend, loaded) = (server.backend(), server.loaded());
    let installed = backend.try_install().await?;
    let owner = loaded.config.database.listener()?;
    if !project.has_migrations() {
        terminal::note("there is no ferrobase/migrations here: `ferrobase init` makes a first one");
    }
    let seen = migrations::apply(project, &owner).await?;
    backend.adopt(installed).await?;
    let running = RunningDev::of(&server, postgres, &loaded)?;
    project.announce(&running)?;
    running.show(choices.json)?;
    Ok((server, owner, seen))
}

/// A second `dev` in the folder of one that runs shows how to reach the first.
async fn attach(project: &Project, choices: Choices) -> Result<()> {
    let running = first(project).await?;
    let pid = running.pid;
    if choices.reset {
        bail!("`ferrobase dev` runs in this folder (process {pid})\n  stop it, then run `ferrobase dev --reset`");
    }
    terminal::note(&format!("`ferrobase dev` runs here already (process {pid})"));
    running.show(choices.json)
}

/// What the first one tells, as soon as it can be reached.
async fn first(project: &Project) -> Result<RunningDev> {
    let began = Instant::now();
    let mut told = false;
    while began.elapsed() < FIRST_IS_READY_WITHIN {
        if let Some(running) = project.running()? {
            return Ok(running);
        }
        if !told {
            terminal::note("`ferrobase dev` is starting in this folder: waiting for it");
            told = true;
        }
        tokio::time::sleep(POLL).await;
        project.lock()?.is_none().then_some(()).context("the `ferrobase dev` that was starting here has ended")?;
    }
    bail!("the `ferrobase dev` that is starting in this folder is not ready yet")
}
