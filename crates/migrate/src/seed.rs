//! Fills a new database once: `seed.sql`, in one transaction with the note that it was done.
//!
//! A database has one chance: the first call after its migrations are applied decides. Without a seed file that is noted
//! too, so that a file which appears later never runs on a database that people have worked with.

use std::io;
use std::path::Path;

use ferrobase_pg::Session;

use crate::discover;
use crate::error::Error;
use crate::event::{Event, Listener};
use crate::lease::Lease;
use crate::ledger;
use crate::options::UpOptions;
use crate::place::Place;
use crate::plan::Script;
use crate::run;
use crate::split::Problem;
use crate::transactional::{self, Record};

/// What a call came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeedOutcome {
    /// The seed was applied now.
    Applied,
    /// It had been decided before.
    Decided,
    /// There is no seed file; noted.
    NoFile,
}

/// Applies the seed file if this database has not been decided about. Call it after [`crate::up`] succeeded, and only on
/// a database that Ferrobase itself made. A seed that fails leaves nothing, and the next call tries again.
pub async fn seed_once(
    session: &mut Session,
    file: &Path,
    options: &UpOptions,
    listener: Listener<'_>,
) -> Result<SeedOutcome, Error> {
    ledger::prepare(session).await?;
    if is_decided(session).await? {
        return Ok(SeedOutcome::Decided);
    }
    let text = match discover::read_text(file) {
        Ok(text) => Some(text),
        Err(Error::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let script = text.as_deref().map(|text| read(&name, text)).transpose()?;
    let lease = Lease::acquire(session, &options.runner, options.wait, listener).await?;
    let result = decide(session, &lease, script.as_ref(), options, listener).await;
    let cleaned = run::clean(session).await;
    lease.release(session).await;
    let outcome = result?;
    cleaned.map(|()| outcome)
}

fn read<'a>(name: &'a str, text: &'a str) -> Result<Script<'a>, Error> {
    let script = Script::read(name, text)?;
    if script.directives.no_transaction {
        let problem = Problem::Directive("a seed always runs in one transaction".into());
        return Err(Error::Script { file: name.to_owned(), place: Place { line: 1, column: 1 }, problem });
    }
    Ok(script)
}

/// Under the lease: another runner may have decided meanwhile.
async fn decide(
    session: &mut Session,
    lease: &Lease,
    script: Option<&Script<'_>>,
    options: &UpOptions,
    listener: Listener<'_>,
) -> Result<SeedOutcome, Error> {
    if is_decided(session).await? {
        return Ok(SeedOutcome::Decided);
    }
    let Some(script) = script else {
        let noted = session.execute(include_str!("../sql/seed_decide.sql"), &[None]).await;
        noted.map_err(Error::ledger("noting that there is no seed"))?;
        return Ok(SeedOutcome::NoFile);
    };
    listener(&Event::Seeding { file: script.file.to_owned() });
    let checksum = discover::checksum(script.text);
    transactional::apply(session, lease, script, Record::Seed(&checksum), options, listener).await?;
    Ok(SeedOutcome::Applied)
}

async fn is_decided(session: &mut Session) -> Result<bool, Error> {
    let result = session.query(include_str!("../sql/seed_decided.sql"), &[]).await;
    Ok(!result.map_err(Error::ledger("asking whether the database is seeded"))?.rows.is_empty())
}
