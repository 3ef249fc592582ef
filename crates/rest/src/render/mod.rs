//! The outcome of a statement as an HTTP answer.
//!
//! Last stage: parse -> plan -> query -> execute -> **render**. Status, fields and body for each kind of action; the
//! bytes that PostgreSQL made are passed on as they are. Knows nothing of how the outcome came about.
//! Invariant: nothing is decided here that could still have undone the transaction; that happens in the statement.
//! Read on: `fields` (single fields), `guc` (what SQL code says about the answer).

mod fields;
mod guc;
pub(crate) mod pages;
mod streamed;
mod validator;

pub(crate) use fields::parameter;
pub use streamed::{StreamFacts, streamed};

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use ferrobase_base::PublicError;
use ferrobase_catalog::{Function, Relation, Volatility};
use ferrobase_query::Outcome;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::config::Verbosity;
use crate::error::Error;
use crate::media::MediaType;
use crate::prefer::{Count, Preferences, Resolution, Return};
use crate::range::{self, RangeError};
use crate::request::{Action, CallMethod, RestRequest};

/// As many fields as an answer has that a browser asked for.
const FIELDS: usize = 24;
const CONTENT_PROFILE: HeaderName = HeaderName::from_static("content-profile");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
const X_TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");
/// What every answer depends on beside the URL.
const VARY: HeaderValue = HeaderValue::from_static("Accept, Prefer, Range");

/// What is known besides the request and the outcome.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The request's query string in canonical order.
    pub canonical: &'a str,
    /// The type of the body.
    pub media: &'a MediaType,
    /// All rows, where it is not what the outcome says: after the planner was asked for an estimate.
    pub total: Option<u64>,
    /// `Prefer: resolution` had a unique key to work on.
    pub resolution_applied: bool,
    /// The function returns nothing.
    pub is_void: bool,
    /// How much an error tells.
    pub verbosity: Verbosity,
    /// Relations that a filter named in spite of their alias, with the alias: the answer warns of it.
    pub legacy_paths: &'a [(String, String)],
    /// Fields that PostgREST does not have are sent.
    pub extensions: bool,
    /// One row is shown, by its key or because one object was asked for.
    pub is_row: bool,
    /// The answer is a page by keys, with these links, if there are other pages.
    pub pages: Option<Option<&'a str>>,
}

/// The answer for an outcome.
///
/// # Errors
/// SQL code asked for a status or for fields that cannot be.
pub fn render(request: &RestRequest, outcome: &Outcome, facts: Facts<'_>) -> Result<Response, Error> {
    let mut draft = match &request.action {
        Action::Read { relation, .. } => read(request, relation, outcome, facts),
        Action::Insert { relation } => insert(request, relation, outcome, facts),
        Action::Update { .. } => update(request, outcome, facts),
        Action::Delete { .. } => delete(request, outcome, facts),
        Action::Put { .. } => put(request, outcome, facts),
        Action::Call { .. } => call(request, outcome, facts),
        // Nothing of these comes from a statement; an empty answer says so.
        Action::RelationInfo { .. } | Action::FunctionInfo { .. } | Action::Describe { .. } | Action::RootInfo => {
            Draft::new(StatusCode::OK)
        }
    };
    if let Some(warning) = fields::legacy_warning(facts.legacy_paths) {
        draft.set(header::WARNING, warning);
    }
    finish(request, draft, outcome, facts)
}

/// An answer before SQL code has had its say.
struct Draft {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Draft {
    fn new(status: StatusCode) -> Self {
        // Room for what the edge adds, too: growing on the way costs more than the space.
        Self { status, headers: HeaderMap::with_capacity(FIELDS), body: Bytes::new() }
    }

    fn set(&mut self, name: HeaderName, value: impl fmt::Display) {
        // Values are made of names and numbers; what HTTP cannot carry is encoded before.
        if let Some(value) = fields::value(value) {
            self.headers.insert(name, value);
        }
    }

    fn content_type(&mut self, media: &MediaType) {
        match media.content_type() {
            Cow::Borrowed(known) => drop(self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(known))),
            Cow::Owned(made) => self.set(header::CONTENT_TYPE, made),
        }
    }

    fn with_body(&mut self, request: &RestRequest, body: Bytes, media: &MediaType) {
        self.content_type(media);
        self.profile(request);
        self.body = body;
    }

    fn profile(&mut self, request: &RestRequest) {
        if request.negotiated {
            self.set(CONTENT_PROFILE, fields::visible(&request.schema));
        }
    }

    fn counted(&mut self, range: impl fmt::Display, count: Option<Count>, total: Option<u64>, facts: Facts<'_>) {
        self.set(header::CONTENT_RANGE, range);
        if let (true, Some(_), Some(total)) = (facts.extensions, count, total) {
            self.set(X_TOTAL_COUNT, total);
        }
    }

    /// Puts fields that SQL code chose in the place of ours.
    fn overrule(&mut self, chosen: Vec<(HeaderName, HeaderValue)>) {
        for (name, _) in &chosen {
            self.headers.remove(name);
        }
        for (name, value) in chosen {
            self.headers.append(name, value);
        }
        if !self.headers.contains_key(header::VARY) {
            self.headers.insert(header::VARY, VARY);
        }
    }

    fn applied(&mut self, preferences: &Preferences) {
        if let Some(applied) = fields::value(preferences).filter(|applied| !applied.is_empty()) {
            self.headers.insert(PREFERENCE_APPLIED, applied);
        }
    }
}

fn read(request: &RestRequest, relation: &str, outcome: &Outcome, facts: Facts<'_>) -> Draft {
    let mut draft = match facts.pages {
        Some(link) => page(request, outcome, facts, link),
        None => ranged(request, outcome, facts),
    };
    draft.set(header::CONTENT_LOCATION, fields::content_location(relation, facts.canonical));
    draft.applied(&Preferences {
        resolution: None,
        returns: None,
        missing: None,
        max_affected: None,
        ..request.prefer.clone()
    });
    draft
}

/// A page by keys: which rows of the list it has is not known, how many there are is told when asked.
fn page(request: &RestRequest, outcome: &Outcome, facts: Facts<'_>, link: Option<&str>) -> Draft {
    let mut draft = Draft::new(StatusCode::OK);
    let total = facts.total.or(outcome.total);
    draft.counted(range::content_range(0, 0, total), request.prefer.count, total, facts);
    if let Some(link) = link {
        draft.set(header::LINK, link);
    }
    draft.with_body(request, outcome.body.clone().unwrap_or_default(), facts.media);
    if request.action.is_head() {
        draft.body = Bytes::new();
    }
    draft
}

/// A body with its range, or the error that there is no such range.
fn ranged(request: &RestRequest, outcome: &Outcome, facts: Facts<'_>) -> Draft {
    let offset = request.window.offset;
    let total = facts.total.or(outcome.total);
    let status = range::status(offset, outcome.page, total);
    let mut draft = Draft::new(status);
    draft.counted(range::content_range(offset, outcome.page, total), request.prefer.count, total, facts);
    if status == StatusCode::RANGE_NOT_SATISFIABLE {
        let error = Error::Range(RangeError::OutOfBounds { offset, total: total.unwrap_or(0) });
        draft.with_body(request, crate::error::body(&PublicError::from(error), facts.verbosity), &MediaType::Json);
    } else {
        draft.with_body(request, outcome.body.clone().unwrap_or_default(), facts.media);
    }
    if request.action.is_head() {
        draft.body = Bytes::new();
    }
    draft
}

fn insert(request: &RestRequest, relation: &str, outcome: &Outcome, facts: Facts<'_>) -> Draft {
    let merged_only = outcome.inserted == Some(0) && request.prefer.resolution == Some(Resolution::MergeDuplicates);
    let mut draft = Draft::new(if merged_only { StatusCode::OK } else { StatusCode::CREATED });
    if !outcome.location.is_empty() {
        draft.set(header::LOCATION, fields::location(relation, &outcome.location));
    }
    let resolution = request.prefer.resolution.filter(|_| facts.resolution_applied);
    draft.affected(request, outcome, false, facts);
    draft.applied(&Preferences { resolution, max_affected: None, etag: false, ..request.prefer.clone() });
    if request.prefer.returns == Some(Return::Representation) {
        draft.with_body(request, outcome.body.clone().unwrap_or_default(), facts.media);
    }
    draft
}

impl Draft {
    /// The range of a write: which rows it was means nothing, how many is told when asked.
    fn affected(&mut self, request: &RestRequest, outcome: &Outcome, from_zero: bool, facts: Facts<'_>) {
        let total = request.prefer.count.filter(|count| count.counts()).map(|_| outcome.page);
        let rows = if from_zero { outcome.page } else { 0 };
        self.counted(range::content_range(0, rows, total), request.prefer.count, total, facts);
    }

    /// 200 with the rows, or 204.
    fn representation(&mut self, request: &RestRequest, outcome: &Outcome, media: &MediaType, status: StatusCode) {
        if request.prefer.returns == Some(Return::Representation) {
            self.status = status;
            self.with_body(request, outcome.body.clone().unwrap_or_default(), media);
        }
    }
}

fn update(request: &RestRequest, outcome: &Outcome, facts: Facts<'_>) -> Draft {
    let mut draft = Draft::new(StatusCode::NO_CONTENT);
    draft.affected(request, outcome, true, facts);
    draft.applied(&Preferences { resolution: None, etag: false, ..request.prefer.clone() });
    if let Some(missing) = &outcome.missing {
        draft.set(HeaderName::from_static("x-missing-rows"), missing.rows);
        if missing.rows > 0 {
            let places: Vec<String> = missing.places.iter().map(u64::to_string).collect();
            draft.set(HeaderName::from_static("x-missing-indexes"), places.join(","));
        }
    }
    draft.representation(request, outcome, facts.media, StatusCode::OK);
    draft
}

fn delete(request: &RestRequest, outcome: &Outcome, facts: Facts<'_>) -> Draft {
    let mut draft = Draft::new(StatusCode::NO_CONTENT);
    draft.affected(request, outcome, false, facts);
    draft.applied(&Preferences { resolution: None, missing: None, etag: false, ..request.prefer.clone() });
    draft.representation(request, outcome, facts.media, StatusCode::OK);
    draft
}

fn put(request: &RestRequest, outcome: &Outcome, facts: Facts<'_>) -> Draft {
    let is_new = outcome.inserted.is_some_and(|rows| rows > 0);
    let mut draft = Draft::new(StatusCode::NO_CONTENT);
    let applied = request.prefer.clone();
    draft.applied(&Preferences { resolution: None, missing: None, max_affected: None, etag: false, ..applied });
    draft.representation(request, outcome, facts.media, if is_new { StatusCode::CREATED } else { StatusCode::OK });
    draft
}

fn call(request: &RestRequest, outcome: &Outcome, facts: Facts<'_>) -> Draft {
    let mut draft = ranged(request, outcome, facts);
    if facts.is_void {
        draft.status = StatusCode::NO_CONTENT;
        draft.body = Bytes::new();
        draft.headers.remove(header::CONTENT_TYPE);
        draft.headers.remove(CONTENT_PROFILE);
    }
    let is_post = matches!(request.action, Action::Call { method: CallMethod::Post, .. });
    let etag = request.prefer.etag && !is_post;
    draft.applied(&Preferences { resolution: None, returns: None, missing: None, etag, ..request.prefer.clone() });
    draft
}

/// Lets SQL code change status and fields, and makes the answer.
fn finish(request: &RestRequest, mut draft: Draft, outcome: &Outcome, facts: Facts<'_>) -> Result<Response, Error> {
    let status = guc::status(outcome.status.as_deref())?;
    let chosen = guc::headers(outcome.headers.as_deref())?;
    draft.status = status.unwrap_or(draft.status);
    if facts.extensions {
        draft.validate(request, outcome.page, facts)?;
    }
    draft.overrule(chosen);
    Ok(assemble(draft.status, draft.headers, body_of(request, draft.body)))
}

/// The body, or for HEAD one without a length: a length of zero would be told and be wrong.
pub(crate) fn body_of(request: &RestRequest, body: Bytes) -> Body {
    if request.action.is_head() {
        return Body::from_stream(stream::empty::<Result<Bytes, Infallible>>());
    }
    Body::from(body)
}

fn assemble(status: StatusCode, headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// The answer that shows a query plan.
pub fn plan(request: &RestRequest, media: &MediaType, lines: Bytes) -> Response {
    let mut draft = Draft::new(StatusCode::OK);
    draft.with_body(request, lines, media);
    draft.headers.insert(header::VARY, VARY);
    assemble(draft.status, draft.headers, body_of(request, draft.body))
}

/// The answer to OPTIONS of a relation: what can be done with it.
pub fn relation_info(relation: &Relation) -> Response {
    let mut methods = vec!["OPTIONS", "GET", "HEAD"];
    let mut allow = |can: bool, method| {
        if can {
            methods.push(method);
        }
    };
    allow(relation.insertable, "POST");
    allow(relation.insertable && relation.updatable && !relation.primary_key.is_empty(), "PUT");
    allow(relation.updatable, "PATCH");
    allow(relation.deletable, "DELETE");
    info(&methods.join(","))
}

/// The answer to OPTIONS of a function.
pub fn function_info(function: &Function) -> Response {
    info(if function.volatility == Volatility::Volatile { "OPTIONS,POST" } else { "OPTIONS,GET,HEAD,POST" })
}

/// The answer to OPTIONS of the root.
pub fn root_info(batches: bool) -> Response {
    info(if batches { "OPTIONS,GET,HEAD,POST" } else { "OPTIONS,GET,HEAD" })
}

fn info(allow: &str) -> Response {
    let mut draft = Draft::new(StatusCode::OK);
    draft.set(header::ALLOW, allow);
    draft.headers.insert(header::VARY, VARY);
    assemble(draft.status, draft.headers, Body::empty())
}
