//! The project's migrations while `dev` runs: applied at start and whenever the folder changes.
//!
//! A new file that fails is reported and the server goes on with what is there; the next change tries again. A file
//! that was edited after it was applied stops the start: the database would not be what the files say.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Result;
use ferrobase_migrate::{Error, Report, UpOptions};
use ferrobase_pg::{ConnectOptions, Session};

use crate::cli::migrate::{say, say_failure};
use crate::cli::terminal;

use super::project::Project;

/// How often the folder is looked at. Polling works on every file system, and a dozen files cost nothing.
const INTERVAL: Duration = Duration::from_millis(500);

/// Applies what is pending, then the seed on a database that was just made.
pub(crate) async fn apply(project: &Project, owner: &ConnectOptions, fresh: bool) -> Result<()> {
    match up(project, owner).await {
        Ok(_) => {}
        Err(error) if stops_the_start(&error) => return Err(error.into()),
        Err(error) => {
            say_failure(&error);
            return Ok(());
        }
    }
    if fresh && project.seed().exists() {
        let mut session = connect(owner).await?;
        if let Err(error) =
            ferrobase_migrate::seed_once(&mut session, &project.seed(), &UpOptions::default(), &mut say).await
        {
            say_failure(&error);
        }
        session.close().await;
    }
    Ok(())
}

/// Applies what is pending whenever a file of the folder appears or changes.
pub(crate) async fn watch(project: Project, owner: ConnectOptions) {
    let mut seen = fingerprint(&project.migrations());
    loop {
        tokio::time::sleep(INTERVAL).await;
        let now = fingerprint(&project.migrations());
        if now == seen {
            continue;
        }
        seen = now;
        match up(&project, &owner).await {
            Ok(report) if report.applied.is_empty() => {}
            Ok(_) => terminal::note("migrations applied"),
            Err(error) => say_failure(&error),
        }
    }
}

async fn up(project: &Project, owner: &ConnectOptions) -> std::result::Result<Report, Error> {
    if !project.migrations().exists() {
        return Ok(Report::default());
    }
    let mut session = connect(owner).await?;
    let report = ferrobase_migrate::up(&mut session, &project.migrations(), &UpOptions::default(), &mut say).await;
    // A schema that changed is told to every server of this database, ours included.
    let _ = session.execute("notify ferrobase", &[]).await;
    session.close().await;
    report
}

async fn connect(owner: &ConnectOptions) -> std::result::Result<Session, Error> {
    let options = owner.clone().with_application_name("ferrobase migrate");
    let doing = "connecting to the private PostgreSQL".to_owned();
    Session::connect(&options).await.map_err(|source| Error::Connection { doing, source })
}

/// Whether the files contradict the database, so that serving would show something else than they say.
fn stops_the_start(error: &Error) -> bool {
    matches!(error, Error::Edited { .. })
}

/// Names, sizes and times of the SQL files.
fn fingerprint(folder: &Path) -> BTreeMap<PathBuf, (u64, Option<SystemTime>)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "sql"))
        .filter_map(|entry| {
            let metadata = entry.metadata().ok()?;
            Some((entry.path(), (metadata.len(), metadata.modified().ok())))
        })
        .collect()
}
