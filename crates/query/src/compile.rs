//! From plan to SQL: one statement whose single row is the whole answer.
//!
//! Its shape, which docs/adr/0003 argues for with numbers:
//! `[WITH mutation or call] SELECT counts, body, settings, guard FROM (rows of the read tree)`.
//! The rows are built in `read` (one node), `embed` (what hangs below it), `condition` and `field`; `mutation` and
//! `call` write what goes first; `answer` writes the outer select.
//! Invariant: same plan, same text. Aliases come from names and positions only, values never reach the text.

mod alias;
mod answer;
mod bulk;
mod call;
mod change;
mod condition;
mod document;
mod drawn;
mod embed;
mod field;
mod flat;
mod inside;
mod keyset;
mod mutation;
mod near;
mod packed;
mod page;
mod read;
mod selection;
mod summed;

use std::sync::Arc;

use ferrobase_catalog::Catalog;
use ferrobase_pg as pg;

pub use self::mutation::CHANGED_SETTING;

use self::alias::Aliases;
use self::read::{Level, Origin};
use self::selection::Selection;
use crate::plan::{Body, Document, Lock, LockStrength, LockWait, Query, Source};
use crate::rows::{self, Rows};
use crate::shown;
use crate::sql::Sql;
use crate::statement::{Compiled, Drawn, Output};
use crate::template::Template;

/// How deep reads and conditions may nest. Planners have limits of their own below this one.
pub const MAX_DEPTH: usize = 64;
/// How many values one statement can carry (the protocol counts them in 16 bits).
const MAX_VALUES: usize = u16::MAX as usize;

/// Why a plan cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// Embeds or conditions nest too deeply.
    #[error("more than {MAX_DEPTH} levels of nesting")]
    TooDeep,
    /// More values than a statement can carry.
    #[error("{0} values in one statement, at most {MAX_VALUES} are possible")]
    TooManyValues(usize),
    /// A source stands where it cannot: calls and mutations feed only the root of the tree.
    #[error("a function call or mutation cannot be embedded")]
    SourceBelowRoot,
    /// A page by keys of something that has none, or as something else than a JSON list.
    #[error("pages by cursor are JSON lists of rows, with a limit")]
    NoPage,
}

/// Compiles a plan.
///
/// # Errors
/// The plan exceeds a bound, or is none that a planner should make.
pub fn compile(query: &Query) -> Result<Compiled, CompileError> {
    let mut sql = Sql::new();
    if let Some(explain) = &query.explain {
        answer::explain(&mut sql, explain);
    }
    let documents = matches!(query.body, Body::Custom { .. });
    sql.append(Compiler { lock: query.lock, documents, ..Compiler::default() }.statement(query)?);
    let output = match &query.explain {
        Some(_) => Output::Plan,
        None => Output::Json(answer::layout(query)),
    };
    let estimate = if query.count.estimate && query.explain.is_none() { Some(estimate(query)?) } else { None };
    Ok(Compiled { statement: finish(sql)?, output, estimate })
}

/// Compiles a read whose rows become JSON on our side; `None` when PostgreSQL has to make it. What SQL code sets for the
/// response is not asked for: only for plans that run none ([`crate::prove`]).
///
/// # Errors
/// As [`compile`].
pub fn compile_rows(query: &Query, catalog: &Catalog) -> Result<Option<Compiled>, CompileError> {
    let Some(form) = rows::form_of(query) else { return Ok(None) };
    if let Some(packed) = Compiler::default().packed(&query.read, form, catalog)? {
        let (statement, template) = statement(packed)?;
        return Ok(Some(Compiled { statement, output: Output::Rows(Rows::drawn(template)), estimate: None }));
    }
    let Some(rows) = Rows::of(&query.read, form, catalog) else { return Ok(None) };
    let sql = Compiler::default().rows(&query.read, Origin::Root, Level::ROOT)?;
    let statement = pg::Statement { formats: rows.formats(), ..finish(sql)? };
    Ok(Some(Compiled { statement, output: Output::Rows(rows), estimate: None }))
}

fn statement(selection: Selection) -> Result<(pg::Statement, Template), CompileError> {
    let (sql, template) = selection.statement();
    Ok((pg::Statement { formats: shown::formats(&template.shown), ..finish(sql)? }, template))
}

/// Compiles a document: JSON of PostgreSQL, or, where its rows can become a document here and `catalog` says of what types
/// they are, their columns.
///
/// # Errors
/// As [`compile`].
pub fn compile_document(document: &Document, catalog: Option<&Catalog>) -> Result<Drawn, CompileError> {
    if let Some(catalog) = catalog
        && let Some(flat) = Compiler::default().flat(document, catalog)?
    {
        let (statement, template) = statement(flat)?;
        return Ok(Drawn { statement, template: Arc::new(template) });
    }
    let template = Arc::new(Template::of_values(&document.members));
    Ok(Drawn { statement: finish(Compiler::default().document(document)?)?, template })
}

/// Compiles the precondition of a read, as a statement of its own: it locks the rows until the transaction ends, and
/// fails when they are not what they should be ([`crate::guard`]).
///
/// # Errors
/// As [`compile`].
pub fn compile_check(query: &Query) -> Result<pg::Statement, CompileError> {
    let lock = Some(Lock { strength: LockStrength::Update, wait: LockWait::Wait });
    finish(Compiler { lock, ..Compiler::default() }.check(query)?)
}

/// Compiles a read or call whose rows are handed on as they come: one statement, one JSON text a row. Nothing is counted,
/// and a guard cannot be kept: rows that have left cannot be taken back.
///
/// # Errors
/// As [`compile`].
pub fn compile_lines(query: &Query) -> Result<pg::Statement, CompileError> {
    finish(Compiler::default().lines(query)?)
}

/// Compiles the count that a read asks for, as a statement of its own.
///
/// # Errors
/// As [`compile`].
pub fn compile_count(query: &Query) -> Result<pg::Statement, CompileError> {
    finish(Compiler::default().counted(query)?)
}

/// What SQL code set for the response so far.
pub fn response_settings() -> pg::Statement {
    pg::Statement {
        sql: Arc::from(answer::SETTINGS_SO_FAR),
        params: Vec::new(),
        param_types: Vec::new(),
        formats: pg::Formats::Text,
    }
}

/// A statement that asks the planner how many rows the filters leave.
fn estimate(query: &Query) -> Result<pg::Statement, CompileError> {
    let mut sql = Sql::of("EXPLAIN (FORMAT JSON) ");
    sql.append(Compiler::default().matching_root(&query.read, Origin::Root)?);
    finish(sql)
}

fn finish(sql: Sql) -> Result<pg::Statement, CompileError> {
    let built = sql.build();
    if built.values.len() > MAX_VALUES {
        return Err(CompileError::TooManyValues(built.values.len()));
    }
    Ok(pg::Statement {
        sql: Arc::from(built.text),
        params: built.values,
        param_types: built.types,
        formats: pg::Formats::Text,
    })
}

/// Names given so far.
#[derive(Debug, Default)]
pub(crate) struct Compiler {
    aliases: Aliases,
    /// For the rows of the root.
    lock: Option<Lock>,
    /// The rows of the root are handed to a function of the database, which sees its embeds as `jsonb`, as PostgREST has it.
    documents: bool,
}

/// The name of the CTE that holds what a mutation returned, or a call.
const SOURCE: &str = "fb_source";

fn cte(name: &str, query: Sql) -> Sql {
    let mut out = Sql::new();
    out.ident(name).push(" AS (").append(query).push(")");
    out
}

/// Whether a call must stand in a CTE of its own because more than one part of the statement reads its rows.
fn call_is_shared(query: &Query) -> bool {
    matches!(query.read.source, Source::Function(_)) && query.count.exact && !query.read.window.is_all()
}
