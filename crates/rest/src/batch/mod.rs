//! Several operations in one transaction: `POST /` with a list of requests.
//!
//! Each operation goes through the same stages as a request of its own: parse -> plan -> query -> execute -> render,
//! only that execute is a turn of a transaction that all share. Role, claims and every setting are set again before
//! each (`request::Transaction`). Before it is parsed, references to earlier answers are replaced (`reference`).
//! Invariant: when an operation fails that may not, nothing of the batch is kept, and the error says which it was.
//! Invariant: nothing is tried again by itself. Bounds: operations, results, and the request's own deadline and body.
//! Read on: `body` (what a batch is), `results` (what it answers), docs/guide/writing.md.

mod body;
mod error;
mod reference;
mod results;

use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use ferrobase_base::{Kind, PublicError};
use ferrobase_catalog::Catalog;
use ferrobase_edge::Streams;
use ferrobase_pg::End;
use ferrobase_query::plan::Source;
use ferrobase_request::{Opening, RequestContext, Stage, Transaction};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde_json::Value;

use self::body::{Batch, OnError, Operation};
use self::error::BatchError;
use self::results::{Done, Results};
use crate::body::BodyError;
use crate::conditional::Conditions;
use crate::error::{Error, body as error_body, of_operation, to_response};
use crate::execute::{execute_within, failed};
use crate::flow::{Flow, Prepared, Ready};
use crate::media::MediaType;
use crate::plan::PlanError;
use crate::prefer::Preferences;
use crate::request::{Head, RestRequest};
use crate::settings::Settings;
use crate::summary;

/// Whether there are batches here, `ferrobase postgrest` aside.
pub(crate) fn allowed(settings: &Settings) -> bool {
    settings.batch_max_operations > 0
}

/// Whether a request is a batch.
pub(crate) fn is_meant(parts: &Parts, settings: &Settings) -> bool {
    parts.method == Method::POST && parts.uri.path().trim_matches('/').is_empty() && allowed(settings)
}

/// Runs a batch and answers with what its operations answered.
pub(crate) async fn run(
    flow: &Flow<'_>,
    catalog: &Arc<Catalog>,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Response, PublicError> {
    check_type(headers)?;
    check_unconditional(headers)?;
    let preferences = preferences(flow, headers)?;
    let batch = match flow.journal().measure(Stage::Parse, || Batch::read(body, flow.settings.batch_max_operations)) {
        Ok(batch) => batch,
        Err((error, None)) => return Err(error.into()),
        Err((error, Some(index))) => return Ok(of_operation(&error.into(), flow.settings.verbosity, index)),
    };
    flow.journal().runs(summary::BATCH, || summary::BATCH.to_owned());
    match run_all(flow, catalog, &preferences, &batch).await {
        Ok(results) => Ok(answer(results, &preferences)),
        Err(Failed { error, operation: Some(index) }) => Ok(of_operation(&error, flow.settings.verbosity, index)),
        Err(Failed { error, operation: None }) => Err(error),
    }
}

/// A batch of which nothing was kept.
struct Failed {
    error: PublicError,
    /// Which operation it was; none when it was the end of the transaction.
    operation: Option<usize>,
}

impl<E: Into<PublicError>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self { error: error.into(), operation: None }
    }
}

fn check_type(headers: &HeaderMap) -> Result<(), Error> {
    let Some(field) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    match MediaType::parse(&String::from_utf8_lossy(field.as_bytes())) {
        MediaType::Json => Ok(()),
        other => Err(BodyError::Type(other).into()),
    }
}

/// Conditions are those of operations: a batch has no state of its own to compare with.
fn check_unconditional(headers: &HeaderMap) -> Result<(), PlanError> {
    let conditions = Conditions::read(headers);
    match (conditions.matches, conditions.differs) {
        (None, None) => Ok(()),
        (Some(_), _) => Err(PlanError::NotConditional("If-Match")),
        (None, Some(_)) => Err(PlanError::NotConditional("If-None-Match")),
    }
}

fn answer(results: Results, preferences: &Preferences) -> Response {
    let mut response = Response::new(axum::body::Body::from(results.into_body()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept, Prefer, Range"));
    let applied = preferences.to_string();
    if let Some(applied) = HeaderValue::try_from(applied).ok().filter(|applied| !applied.is_empty()) {
        headers.insert(HeaderName::from_static("preference-applied"), applied);
    }
    response
}

async fn run_all(
    flow: &Flow<'_>,
    catalog: &Arc<Catalog>,
    preferences: &Preferences,
    batch: &Batch<'_>,
) -> Result<Results, Failed> {
    let context = &*flow.caller.0;
    let only_reads = batch.only_reads();
    let opening =
        Opening { isolation: batch.isolation, read_only: only_reads, defer_constraints: batch.defer_constraints };
    let transaction =
        Transaction::begin(flow.target, context, opening).await.map_err(|error| failed(error, context))?;
    let results = Results::new(flow.settings.batch_max_response);
    let mut runner = Runner { flow, catalog, context, transaction, results, only_reads };
    for (index, operation) in batch.operations.iter().enumerate() {
        if let Err(error) = runner.next(operation).await {
            runner.transaction.abort().await;
            return Err(Failed { error, operation: Some(index) });
        }
    }
    let end = if flow.settings.rolls_back(preferences.tx) { End::Rollback } else { End::Commit };
    runner.transaction.end(end).await.map_err(|error| failed(error, context))?;
    Ok(runner.results)
}

/// What the batch as a whole prefers: only how its transaction ends means anything, and whether to be strict.
fn preferences(flow: &Flow<'_>, headers: &HeaderMap) -> Result<Preferences, Error> {
    let fields = headers.get_all("prefer").iter().filter_map(|field| field.to_str().ok());
    let mut all = Preferences::parse(fields, flow.settings.rules.tx_override);
    all.accept_extensions();
    match all.refused() {
        Some(unknown) => Err(Error::Preferences(unknown.to_vec())),
        None => Ok(Preferences { tx: all.tx, handling: all.handling, ..Preferences::default() }),
    }
}

/// The transaction of a batch and what came of it so far.
struct Runner<'r> {
    flow: &'r Flow<'r>,
    catalog: &'r Arc<Catalog>,
    context: &'r RequestContext,
    transaction: Transaction<'r>,
    results: Results,
    only_reads: bool,
}

impl Runner<'_> {
    /// Does the next operation, or what stands in for it.
    async fn next(&mut self, operation: &Operation<'_>) -> Result<(), PublicError> {
        let (mut operation, mut instead_of) = (operation, None);
        let done = loop {
            let error = match self.operation(operation).await {
                Ok(done) => break Done { instead_of, ..done },
                Err(error) => error,
            };
            match &operation.on_error {
                _ if ends_everything(&error) => return Err(error),
                OnError::Rollback => return Err(error),
                OnError::Continue => break Done { instead_of, ..self.told(&error) },
                OnError::Instead(other) => {
                    instead_of.get_or_insert_with(|| error_body(&error, self.flow.settings.verbosity));
                    operation = other;
                }
            }
        };
        Ok(self.results.push(&done)?)
    }

    /// A failure as an answer.
    fn told(&self, error: &PublicError) -> Done {
        let response = to_response(error, self.flow.settings.verbosity);
        let body = error_body(error, self.flow.settings.verbosity);
        Done { status: response.status().as_u16(), headers: response.headers().clone(), body, instead_of: None }
    }

    async fn operation(&mut self, operation: &Operation<'_>) -> Result<Done, PublicError> {
        let journal = self.flow.journal();
        let request = journal.measure(Stage::Parse, || self.read(operation))?;
        let prepared = journal.measure(Stage::Plan, || self.flow.prepare(&request, self.catalog, operation.lock))?;
        if operation.lock.is_some() {
            check_lockable(&prepared)?;
        }
        // What only reads is kept from writing, and a transaction can be told so only up to a savepoint.
        let guarded = operation.may_fail() || (prepared.only_reads() && !self.only_reads);
        if guarded {
            self.transaction.savepoint();
        }
        let told = fields(self.context.headers.text(), &operation.headers);
        self.transaction.tell(operation.method.as_str(), &operation.path, told);
        match self.execute(&request, prepared).await {
            Ok(response) => {
                if guarded {
                    self.transaction.release_savepoint();
                }
                collected(response).await
            }
            Err(error) => {
                let error = PublicError::from(error);
                if guarded && !ends_everything(&error) {
                    self.transaction.rollback_to_savepoint();
                }
                Err(error)
            }
        }
    }

    async fn execute(&mut self, request: &RestRequest, prepared: Prepared<'_>) -> Result<Response, Error> {
        match prepared {
            Prepared::One(ready) => {
                let Ready { planned, media, statements } = *ready;
                let (transaction, settings) = (&mut self.transaction, self.flow.settings);
                let executed =
                    execute_within(transaction, self.context, settings, request, &planned, &statements).await?;
                self.flow.render(request, &planned, &media, executed)
            }
            Prepared::Tree(mut tree) => self.flow.write_within(&mut self.transaction, request, &mut tree).await,
        }
    }

    /// The operation as the request that it is, with values where it refers to earlier answers.
    fn read(&self, operation: &Operation<'_>) -> Result<RestRequest, PublicError> {
        reference::check_fields(&operation.headers)?;
        let body = match operation.body {
            None => Bytes::new(),
            Some(body) => text_of(body.get(), &operation.headers, &self.results)?,
        };
        let head = Head {
            method: &operation.method,
            path: &operation.path,
            query: &operation.query,
            headers: &operation.headers,
        };
        let mut request = self.flow.read(head, &body, Streams::default())?;
        if request.prefer.tx.is_some() {
            // Also under lenient handling: nobody who asked for a rollback expects that the rows are kept.
            let why = "Prefer: tx=... is for the batch as a whole, whose transaction all operations share";
            return Err(BatchError::Operation(why.to_owned()).into());
        }
        reference::fill_query(&mut request.query, &self.results)?;
        Ok(request)
    }
}

/// Whether the rows of an operation are such that a lock keeps them: PostgreSQL locks rows of tables, and through views.
fn check_lockable(prepared: &Prepared<'_>) -> Result<(), BatchError> {
    let refused = |what| Err(BatchError::Operation(format!("a lock is for rows of tables and views, not for {what}")));
    let Prepared::One(ready) = prepared else { return refused("what is written") };
    let query = &ready.planned.query;
    match &query.read.source {
        Source::Table(_) if query.explain.is_some() => refused("plans, which read none"),
        Source::Table(_) if query.keyset.is_some() => refused("pages by cursor"),
        Source::Table(_) => Ok(()),
        Source::Function(_) | Source::Derived => refused("those that a function returns"),
    }
}

/// The text of a body: of other types than JSON what the JSON text says. JSON of other names (`...+json`) is given
/// either way.
fn text_of(json: &str, headers: &HeaderMap, results: &Results) -> Result<Bytes, PublicError> {
    if check_type(headers).is_err() && (json.starts_with('"') || !is_named_json(headers)) {
        let text: String = serde_json::from_str(json)
            .map_err(|_| BatchError::Operation("a body that is not JSON must be given as a text".to_owned()))?;
        return Ok(text.into());
    }
    let filled = reference::fill_body(json, results)?;
    Ok(filled.map_or_else(|| Bytes::copy_from_slice(json.as_bytes()), Bytes::from))
}

/// Whether the type of a body is a kind of JSON, by its name.
fn is_named_json(headers: &HeaderMap) -> bool {
    let field = headers.get(header::CONTENT_TYPE).map(|field| String::from_utf8_lossy(field.as_bytes()));
    let name = field.as_deref().and_then(|field| field.split(';').next()).unwrap_or_default();
    name.trim().to_ascii_lowercase().ends_with("+json")
}

/// Whether going back to a savepoint is no way on: the connection or the whole transaction is lost, or the caller's time
/// is up.
fn ends_everything(error: &PublicError) -> bool {
    matches!(error.kind, Kind::Unavailable | Kind::Timeout) || error.code.starts_with("40")
}

async fn collected(response: Response) -> Result<Done, PublicError> {
    let (parts, body) = response.into_parts();
    let body = ferrobase_edge::collect(body).await?;
    Ok(Done { status: parts.status.as_u16(), headers: parts.headers, body, instead_of: None })
}

/// `request.headers` of an operation: the batch's, its own in the place of those that say how something is done.
fn fields(outer: &str, own: &HeaderMap) -> String {
    let mut fields: serde_json::Map<String, Value> = serde_json::from_str(outer).unwrap_or_default();
    fields.retain(|name, _| name != "content-length" && !body::FIELDS.contains(&name.as_str()));
    for (name, value) in own {
        fields.insert(name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned().into());
    }
    Value::Object(fields).to_string()
}
