//! Runs a compiled statement as the caller, through `request::run`, and reads what came back.
//!
//! Fourth stage: parse -> plan -> query -> **execute** -> render. One batch, one flush; the reply exists only after
//! the transaction ended. Failures of the server are logged here, once; failures of the caller are only told.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use ferrobase_base::{Kind, PublicError};
use ferrobase_catalog::Proof;
use ferrobase_pg::{self as pg, DbError, End, Isolation, Statement, StatementResult};
use ferrobase_query::plan::{Mutation, Query};
use ferrobase_query::{CHANGED_SETTING, Compiled, Outcome, Output, compile};
use ferrobase_request::{RequestContext, Target, Transaction, Work, beside, is_long};

use crate::denial::{self, Tried};
use crate::element;
use crate::error::Error;
use crate::flow::refused;
use crate::plan::{Planned, extended};
use crate::plan_cache::Values;
use crate::request::{Action, RestRequest};
use crate::settings::Settings;

/// What a statement gave.
#[derive(Debug)]
pub(crate) enum Executed {
    /// Rows, made into a body, and what is known about them.
    Rows {
        /// The one row.
        outcome: Outcome,
        /// The planner's estimate of all rows, where it was asked for.
        estimate: Option<u64>,
    },
    /// The lines of a query plan.
    Plan(Bytes),
}

impl Default for Executed {
    /// Nothing.
    fn default() -> Self {
        Self::Rows { outcome: Outcome::default(), estimate: None }
    }
}

/// What is run.
pub(crate) struct Statements {
    /// What fails the request before its own statement begins.
    pub(crate) check: Option<pg::Statement>,
    /// The request's own.
    pub(crate) compiled: Compiled,
    /// That no code runs that nobody knows.
    pub(crate) proof: Option<Proof>,
    /// Rows were not of the form that the catalog let expect, and will not be next time.
    rows_are_odd: AtomicBool,
}

impl Statements {
    pub(crate) fn new(check: Option<pg::Statement>, compiled: Compiled, proof: Option<Proof>) -> Self {
        Self { check, compiled, proof, rows_are_odd: AtomicBool::new(false) }
    }

    /// For a read whose rows are not of the form that the catalog let expect, because the schema has just changed or
    /// dates are not in the style of ISO: PostgreSQL makes the JSON of whatever they are.
    pub(crate) fn by_postgresql(planned: &Planned) -> Result<Self, Error> {
        Ok(Self::new(None, compiled(&planned.query)?, None))
    }
}

/// Compiles the plan of a request.
pub(crate) fn compiled(query: &Query) -> Result<Compiled, Error> {
    compile(query).map_err(|error| Error::Database(Box::new(refused(&error))))
}

/// Runs the statements, with these values in them. `None` when what was known of their code is no longer so: nothing was
/// answered.
pub(crate) async fn execute(
    target: &Target,
    context: &RequestContext,
    settings: &Settings,
    request: &RestRequest,
    planned: &Planned,
    statements: &Statements,
    values: &Values,
) -> Result<Option<Executed>, Error> {
    if statements.rows_are_odd.load(Ordering::Relaxed) {
        return by_postgresql(target, context, settings, request, planned, values).await;
    }
    let (work, own) = compiled_work(settings, request, planned, statements, values);
    let mut reply = ferrobase_request::run(target, context, work).await;
    if reply.as_ref().is_err_and(|error| may_have_lost_a_race(request, error)) {
        let (work, _) = compiled_work(settings, request, planned, statements, values);
        reply = ferrobase_request::run(target, context, work).await;
    }
    let reply = match reply {
        Ok(reply) => Some(reply),
        Err(error) if error.is_doubt() => return Ok(None),
        Err(error) if names_what_is_gone(&statements.compiled, &error) => None,
        Err(error) => return Err(explained(target, context, &values.request(request), planned, error).await),
    };
    if let Some(reply) = reply
        && let Some(executed) = read_all(reply.results, own, &statements.compiled.output).await
    {
        return Ok(Some(executed));
    }
    statements.rows_are_odd.store(true, Ordering::Relaxed);
    by_postgresql(target, context, settings, request, planned, values).await
}

async fn by_postgresql(
    target: &Target,
    context: &RequestContext,
    settings: &Settings,
    request: &RestRequest,
    planned: &Planned,
    values: &Values,
) -> Result<Option<Executed>, Error> {
    let statements = Statements::by_postgresql(planned)?;
    Box::pin(execute(target, context, settings, request, planned, &statements, values)).await
}

/// Whether a PUT failed on a key that another request may just have written with the same row. PostgreSQL promises that a
/// conflict clause never fails on the key that it names; but where two insert the row at the same moment, the one that
/// comes second to any other unique key of the table fails on that. Asked again, it finds the row that is there now.
fn may_have_lost_a_race(request: &RestRequest, error: &ferrobase_request::Error) -> bool {
    matches!(request.action, Action::Put { .. })
        && error.db().is_some_and(|error| error.code == pg::SqlState::UNIQUE_VIOLATION)
}

/// Whether a read failed because its statement names the columns of `*`, and one of them has just gone.
fn names_what_is_gone(compiled: &Compiled, error: &ferrobase_request::Error) -> bool {
    matches!(compiled.output, Output::Rows(_))
        && error.db().is_some_and(|error| error.code == pg::SqlState::UNDEFINED_COLUMN)
}

/// Runs the statement as one of several in a transaction.
pub(crate) async fn execute_within(
    transaction: &mut Transaction<'_>,
    context: &RequestContext,
    settings: &Settings,
    request: &RestRequest,
    planned: &Planned,
    statements: &Statements,
) -> Result<Executed, Error> {
    let (mut work, own) = compiled_work(settings, request, planned, statements, &Values::default());
    work.settings.extend(nothing_told());
    let reply = match transaction.run(work).await {
        Ok(reply) => reply,
        Err(error) => return Err(explained(transaction.target(), context, request, planned, error).await),
    };
    if let Some(executed) = read_all(reply.results, own, &statements.compiled.output).await {
        return Ok(executed);
    }
    let statements = Statements::by_postgresql(planned)?;
    Box::pin(execute_within(transaction, context, settings, request, planned, &statements)).await
}

/// A failed statement, with the hint that its caller may have.
pub(crate) async fn explained(
    target: &Target,
    context: &RequestContext,
    request: &RestRequest,
    planned: &Planned,
    error: ferrobase_request::Error,
) -> Error {
    let hint = denial::hint_for(target, context, &Tried::of(request, planned), &error).await;
    let is_mismatch = error.db().is_some_and(is_mismatch) && extended::is_used(&planned.query);
    let element = match (&planned.query.mutation, error.db()) {
        (Some(Mutation::UpdateEach(update)), Some(db)) => element::of(db, update),
        _ => None,
    };
    let mut failure = failed(error, context).hinted(hint);
    if is_mismatch {
        failure = failure.of_the_request();
    }
    match element {
        Some(place) => failure.at_element(place),
        None => failure,
    }
}

/// Whether there is no such operator for these types. PostgREST's operators answer 404 then, as upstream; ours need not.
fn is_mismatch(error: &DbError) -> bool {
    error.code.as_str() == "42883" && error.routine.as_deref() == Some("op_error")
}

/// Runs one of the statements that a request takes; `tried` is what it was compiled from.
pub(crate) async fn write_within(
    transaction: &mut Transaction<'_>,
    context: &RequestContext,
    settings: &Settings,
    request: &RestRequest,
    compiled: Compiled,
    tried: Tried<'_>,
) -> Result<Outcome, Error> {
    let Compiled { statement, output, .. } = compiled;
    tracing::debug!(target: "ferrobase::sql", sql = &*statement.sql, "Statement");
    let work = Work {
        timezone: request.prefer.timezone.clone(),
        settings: nothing_told(),
        ..Work::write(settings.search_path(&request.schema), statement)
    };
    let reply = match transaction.run(work).await {
        Ok(reply) => reply,
        Err(error) => {
            let hint = denial::hint_for(transaction.target(), context, &tried, &error).await;
            return Err(failed(error, context).hinted(hint));
        }
    };
    match read(&reply.results, &output).unwrap_or_default() {
        Executed::Rows { outcome, .. } => Ok(outcome),
        Executed::Plan(_) => Ok(Outcome::default()),
    }
}

/// What SQL tells us by settings, emptied: an earlier statement of the transaction may have said something.
fn nothing_told() -> Vec<(Cow<'static, str>, Cow<'static, str>)> {
    ["response.headers", "response.status", CHANGED_SETTING].map(|name| (name.into(), "".into())).into()
}

/// The work of compiled statements, and where the results of the request's own begin.
fn compiled_work(
    settings: &Settings,
    request: &RestRequest,
    planned: &Planned,
    statements: &Statements,
    values: &Values,
) -> (Work, usize) {
    let Statements { check, compiled, proof, .. } = statements;
    let Compiled { statement, estimate, .. } = compiled;
    let own = usize::from(check.is_some());
    let statements = check.iter().chain([statement]).chain(estimate).map(|statement| values.fill(statement)).collect();
    (Work { proof: proof.clone(), ..work(settings, request, planned, statements) }, own)
}

/// Statements as the work of one request.
pub(crate) fn work(
    settings: &Settings,
    request: &RestRequest,
    planned: &Planned,
    statements: Vec<pg::Statement>,
) -> Work {
    for statement in &statements {
        tracing::debug!(target: "ferrobase::sql", sql = &*statement.sql, "Statement");
    }
    let function = planned.function.as_deref();
    Work {
        search_path: settings.search_path(&request.schema),
        statements,
        read_only: planned.read_only,
        isolation: function.and_then(|function| function.isolation).map(isolation),
        end: if settings.rolls_back(request.prefer.tx) { End::Rollback } else { End::Commit },
        timezone: request.prefer.timezone.clone(),
        function_settings: function.map(|function| function.settings.clone()).unwrap_or_default(),
        settings: Vec::new(),
        proof: None,
    }
}

/// Begins and ends a transaction as the caller, for an answer that needs no rows: whoever the database or the
/// pre-request function refuses gets none.
pub(crate) async fn enter(
    target: &Target,
    context: &RequestContext,
    settings: &Settings,
    request: &RestRequest,
) -> Result<(), Error> {
    let nothing =
        Statement { sql: "select".into(), params: Vec::new(), param_types: Vec::new(), formats: pg::Formats::Text };
    let work = Work::read(settings.search_path(&request.schema), nothing);
    ferrobase_request::run(target, context, work).await.map_err(|error| failed(error, context))?;
    Ok(())
}

/// Reads what a reply has behind the results that are not the request's own (as [`read`]). A long answer is made elsewhere.
async fn read_all(results: Vec<StatementResult>, own: usize, output: &Output) -> Option<Executed> {
    if !is_long(&results) {
        return read(results.get(own..).unwrap_or_default(), output);
    }
    let output = output.clone();
    beside(move || read(results.get(own..).unwrap_or_default(), &output)).await
}

/// Reads the result. `None` when rows came that are not of the form that the catalog let expect.
pub(crate) fn read(results: &[StatementResult], output: &Output) -> Option<Executed> {
    Some(match output {
        Output::Json(layout) => {
            let outcome = results.first().map(|result| layout.outcome(result)).unwrap_or_default();
            let plan = results.get(1).and_then(|result| result.rows.first()).and_then(|row| row.bytes(0));
            Executed::Rows {
                outcome,
                estimate: plan.and_then(|plan| ferrobase_query::statement::estimated_rows(&plan)),
            }
        }
        Output::Rows(rows) => Executed::Rows { outcome: rows.outcome(results.first()?)?, estimate: None },
        Output::Plan => {
            let mut lines = Vec::new();
            let rows = results.first().into_iter().flat_map(|result| &result.rows);
            for line in rows.filter_map(|row| row.value(0)) {
                lines.extend_from_slice(line);
                lines.push(b'\n');
            }
            Executed::Plan(lines.into())
        }
    })
}

fn isolation(level: ferrobase_catalog::Isolation) -> Isolation {
    match level {
        ferrobase_catalog::Isolation::ReadCommitted => Isolation::ReadCommitted,
        ferrobase_catalog::Isolation::RepeatableRead => Isolation::RepeatableRead,
        ferrobase_catalog::Isolation::Serializable => Isolation::Serializable,
    }
}

/// Logs what is the server's fault; the caller gets the rest.
pub(crate) fn failed(error: ferrobase_request::Error, context: &RequestContext) -> Error {
    let public = PublicError::from(&error);
    if matches!(public.kind, Kind::Internal | Kind::Unavailable | Kind::Timeout) {
        let cause = &error as &dyn std::error::Error;
        tracing::error!(request_id = &*context.request_id, code = &*public.code, error = cause, "A statement failed");
    }
    error.into()
}
