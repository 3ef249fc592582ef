//! The project's migrations while `dev` runs: applied at start and whenever the folder changes.
//!
//! A new file that fails is reported and the server goes on with what is there; the next change tries again. A file
//! that was edited after it was applied stops the start: the database would not be what the files say.
//! Invariant: a file without a statement is never applied, nor one behind it. `ferrobase migrate new` has just made it,
//! and what is applied cannot be written any more.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Result;
use ferrobase_migrate::{Error, Report, SeedOutcome, UpOptions, Version};
use ferrobase_pg::{ConnectOptions, Session};

use crate::cli::explain::explain;
use crate::cli::migrate::say;
use crate::cli::terminal;

use super::project::Project;

/// How often the folder is looked at. Polling works on every file system, and a dozen files cost nothing.
const INTERVAL: Duration = Duration::from_millis(250);

/// Names, sizes and times of the SQL files.
pub(crate) type Fingerprint = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// What a round came to.
struct Round {
    seeding: Option<SeedOutcome>,
}

/// Applies what is pending and the seed, at start. Gives what was dealt with, for [`watch`].
///
/// # Errors
/// The files contradict the database, so that serving would show something else than they say.
pub(crate) async fn apply(project: &Project, owner: &ConnectOptions) -> Result<Fingerprint> {
    let seen = fingerprint(project);
    match round(project, owner).await {
        Ok(_) => Ok(seen),
        Err(error @ (Error::Edited { .. } | Error::PartialEdited { .. })) => Err(error.into()),
        Err(error) => {
            terminal::failure(&error);
            Ok(if passes(&error) { Fingerprint::new() } else { seen })
        }
    }
}

/// Applies what is pending whenever a file appears or changes.
pub(crate) async fn watch(project: Project, owner: ConnectOptions, mut seen: Fingerprint) {
    let mut said = String::new();
    loop {
        let now = change(&project, &seen).await;
        match round(&project, &owner).await {
            Ok(round) => {
                said.clear();
                tell_late_seed(&project, &round, &seen, &now);
                seen = now;
            }
            Err(error) => {
                let text = explain(&error);
                if text != said {
                    terminal::failure(&error);
                    said = text;
                }
                // What passes by itself is tried again without a change.
                if !passes(&error) {
                    seen = now;
                    said.clear();
                }
            }
        }
    }
}

/// A seed that is written when the database is not new any more does nothing, which must not look like a failure.
fn tell_late_seed(project: &Project, round: &Round, seen: &Fingerprint, now: &Fingerprint) {
    let seed = project.seed();
    let changed = now.contains_key(&seed) && now.get(&seed) != seen.get(&seed);
    if changed && round.seeding == Some(SeedOutcome::Decided) {
        terminal::note("seed.sql runs on a new database only: `ferrobase dev --reset` makes one");
    }
}

/// Waits until the files are others than these and nobody is writing them any more.
async fn change(project: &Project, seen: &Fingerprint) -> Fingerprint {
    let mut before = fingerprint(project);
    loop {
        tokio::time::sleep(INTERVAL).await;
        let now = fingerprint(project);
        if now == before && now != *seen {
            return now;
        }
        before = now;
    }
}

/// Migrations, then the seed once they are all there.
async fn round(project: &Project, owner: &ConnectOptions) -> Result<Round, Error> {
    let (migrations, seed) = (project.migrations(), project.seed());
    if !migrations.exists() && !seed.exists() {
        return Ok(Round { seeding: None });
    }
    let options = owner.clone().with_application_name("ferrobase migrate");
    let doing = "connecting to the private PostgreSQL".to_owned();
    let mut session = Session::connect(&options).await.map_err(|source| Error::Connection { doing, source })?;
    let (_, empty) = up(&mut session, &migrations, UpOptions::default()).await?;
    let seeding = if empty.is_none() { Some(seed_once(&mut session, &seed).await?) } else { None };
    session.close().await;
    Ok(Round { seeding })
}

async fn seed_once(session: &mut Session, seed: &Path) -> Result<SeedOutcome, Error> {
    ferrobase_migrate::seed_once(session, seed, &UpOptions::default(), &mut say).await
}

/// Applies the pending files of a folder, up to the first without a statement; also says which that was.
pub(crate) async fn up(
    session: &mut Session,
    folder: &Path,
    options: UpOptions,
) -> Result<(Report, Option<Empty>), Error> {
    let empty = first_empty(session, folder).await?;
    if let Some(Empty { file, .. }) = &empty {
        terminal::note(&format!("{file} has no statement yet: it is applied when it has, and so are those after it"));
    }
    let to = empty.as_ref().map(|empty| empty.version.0.checked_sub(1).map(Version));
    // Nothing comes before number 0.
    let Some(to) = to.map_or(Some(None), |to| to.map(Some)) else { return Ok((Report::default(), empty)) };
    let options = UpOptions { to, ..options };
    let report = ferrobase_migrate::up(session, folder, &options, &mut say).await;
    // A schema that changed, if only in part, is told to every server of this database.
    let _ = session.execute("notify ferrobase", &[]).await;
    Ok((report?, empty))
}

/// The first file without a statement, before which a round ends.
pub(crate) struct Empty {
    /// Its name.
    pub(crate) file: String,
    version: Version,
    /// Files with statements that are not applied because they come after it.
    pub(crate) held_back: Vec<String>,
}

async fn first_empty(session: &mut Session, folder: &Path) -> Result<Option<Empty>, Error> {
    let mut files = ferrobase_migrate::plan(session, folder).await?.files.into_iter();
    let Some(empty) = files.find(|file| file.statements.is_empty()) else { return Ok(None) };
    let held_back = files.filter(|file| !file.statements.is_empty()).map(|file| file.file).collect();
    Ok(Some(Empty { file: empty.file, version: empty.version, held_back }))
}

/// Whether the same files may do a moment later.
fn passes(error: &Error) -> bool {
    matches!(error, Error::Connection { .. } | Error::Busy { .. } | Error::LeaseLost)
}

fn fingerprint(project: &Project) -> Fingerprint {
    let entries = std::fs::read_dir(project.migrations()).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sql")))
        .chain([project.seed()])
        .filter_map(|path| {
            let metadata = std::fs::metadata(&path).ok()?;
            Some((path, (metadata.len(), metadata.modified().ok())))
        })
        .collect()
}
