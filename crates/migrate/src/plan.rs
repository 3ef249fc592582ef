//! What `up` would do: the pending files and their statements, without doing it.

use std::path::Path;

use ferrobase_pg::Session;
use serde::Serialize;

use crate::directive::{self, Directives};
use crate::discover::{Migration, Version, discover};
use crate::error::Error;
use crate::ledger::{self, Ledger};
use crate::place::Place;
use crate::split::{Problem, Statement, split};
use crate::status::{State, compare};

/// What is to be applied, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The pending files.
    pub files: Vec<PlannedFile>,
    /// Names of applied files that were changed; `up` refuses to run while there are any.
    pub edited: Vec<String>,
}

/// A file that is to be applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedFile {
    /// Its number.
    pub version: Version,
    /// Its name.
    pub file: String,
    /// Whether it runs in one transaction.
    pub transaction: bool,
    /// How many of its statements are applied already.
    pub done: usize,
    /// All its statements.
    pub statements: Vec<PlannedStatement>,
}

/// A statement that is to be run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedStatement {
    /// The line on which it begins.
    pub line: usize,
    /// Its first words.
    pub summary: String,
}

/// What `up` would do. Changes nothing.
pub async fn plan(session: &mut Session, dir: &Path) -> Result<Plan, Error> {
    let files = discover(dir)?;
    let ledger = ledger::read(session).await?;
    let status = compare(&files, &ledger);
    let edited = status.of_state(State::Edited).filter_map(|entry| entry.file.clone()).collect();
    let pending = pending(&files, &ledger, None).map(|file| planned(file, &ledger));
    Ok(Plan { files: pending.collect::<Result<_, _>>()?, edited })
}

fn planned(file: &Migration, ledger: &Ledger) -> Result<PlannedFile, Error> {
    let script = Script::read(&file.file, &file.text)?;
    let statements = script
        .statements
        .iter()
        .map(|statement| PlannedStatement { line: statement.place.line, summary: statement.summary() });
    Ok(PlannedFile {
        version: file.version,
        file: file.file.clone(),
        transaction: !script.directives.no_transaction,
        done: ledger.partial.get(&file.version).map_or(0, |partial| partial.done),
        statements: statements.collect(),
    })
}

/// Files that are not applied, in order, up to a number.
pub(crate) fn pending<'a>(
    files: &'a [Migration],
    ledger: &'a Ledger,
    to: Option<Version>,
) -> impl Iterator<Item = &'a Migration> {
    files
        .iter()
        .filter(|file| !ledger.applied.contains_key(&file.version))
        .take_while(move |file| to.is_none_or(|to| file.version <= to))
}

/// A file that can be run.
#[derive(Clone, Debug)]
pub(crate) struct Script<'a> {
    /// Its name, for messages.
    pub(crate) file: &'a str,
    pub(crate) text: &'a str,
    pub(crate) statements: Vec<Statement<'a>>,
    pub(crate) directives: Directives,
}

impl<'a> Script<'a> {
    pub(crate) fn read(file: &'a str, text: &'a str) -> Result<Self, Error> {
        let fail = |(problem, place)| Error::Script { file: file.to_owned(), place, problem };
        let statements = split(text).map_err(fail)?;
        let at = |(problem, offset)| fail((problem, Place::of(text, offset)));
        let directives = directive::read(text, &statements).map_err(at)?;
        if directives.no_transaction
            && let Some(statement) = statements.iter().find(|statement| statement.changes_role())
        {
            return Err(at((Problem::RoleChange, statement.start)));
        }
        Ok(Self { file, text, statements, directives })
    }
}
