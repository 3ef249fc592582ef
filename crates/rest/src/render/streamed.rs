//! The head of an answer whose rows are on their way.
//!
//! Last stage, at the wrong end: only what is known before the first row can be said. No range, since nobody knows how
//! many rows will come; no tag, since nobody knows which.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderName, StatusCode, header};

use super::{Draft, X_TOTAL_COUNT, assemble, fields, guc};
use crate::error::Error;
use crate::media::MediaType;
use crate::prefer::Preferences;
use crate::request::{Action, RestRequest};

/// What is known before the rows.
#[derive(Clone, Copy, Debug)]
pub struct StreamFacts<'a> {
    /// The type of the body.
    pub media: &'a MediaType,
    /// All rows, where they were counted.
    pub total: Option<u64>,
    /// The number of rows after which the server ends them, where that is not what was asked for.
    pub cut_at: Option<u64>,
    /// The same of lists that rows hold.
    pub lists_cut_at: Option<u64>,
    /// `response.headers` as SQL code set it before the rows.
    pub headers: Option<&'a str>,
    /// `response.status` likewise.
    pub status: Option<&'a str>,
    /// Relations that a filter named in spite of their alias.
    pub legacy_paths: &'a [(String, String)],
}

/// The answer.
///
/// # Errors
/// SQL code asked for a status or for fields that cannot be.
pub fn streamed(request: &RestRequest, facts: StreamFacts<'_>, body: Body) -> Result<Response, Error> {
    let mut draft = Draft::new(StatusCode::OK);
    draft.content_type(facts.media);
    draft.profile(request);
    if let Action::Read { relation, .. } = &request.action {
        draft.set(header::CONTENT_LOCATION, fields::content_location(relation, &request.query.canonical));
    }
    if let Some(total) = facts.total {
        draft.set(X_TOTAL_COUNT, total);
    }
    // Whether there are more cannot be known before the rows; a caller that counts this many knows that there may be.
    if let Some(most) = facts.cut_at {
        draft.set(HeaderName::from_static("x-max-rows"), most);
    }
    if let Some(most) = facts.lists_cut_at {
        draft.set(HeaderName::from_static("x-max-embedded-rows"), most);
    }
    draft.applied(&Preferences {
        resolution: None,
        returns: None,
        missing: None,
        max_affected: None,
        etag: false,
        count: request.prefer.count.filter(|_| facts.total.is_some()),
        ..request.prefer.clone()
    });
    if let Some(warning) = fields::legacy_warning(facts.legacy_paths) {
        draft.set(header::WARNING, warning);
    }
    draft.status = guc::status(facts.status)?.unwrap_or(draft.status);
    draft.overrule(guc::headers(facts.headers)?);
    Ok(assemble(draft.status, draft.headers, body))
}
