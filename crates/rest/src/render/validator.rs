//! `ETag` of an answer, and what becomes of a read whose caller already has it.
//!
//! Last stage. One row has a tag always, anything else when the caller asks (`Prefer: etag`, or a condition). The tag is
//! of type and bytes, so it depends on `select`, on `Accept` and on what the caller may see.
//! Invariant: a write is never judged here; its condition was part of its transaction (`plan::precondition`).

use bytes::Bytes;
use ferrobase_query::tag;
use http::{StatusCode, header};

use super::{Draft, Facts};
use crate::conditional::{self, Tags};
use crate::error::Error;
use crate::media::MediaType;
use crate::prefer::Return;
use crate::request::{Action, CallMethod, RestRequest};

impl Draft {
    /// Adds the tag and judges the conditions of a read that found so many rows.
    pub(super) fn validate(&mut self, request: &RestRequest, rows: u64, facts: Facts<'_>) -> Result<(), Error> {
        let is_asked = request.prefer.etag || request.conditions.is_some();
        let (is_read, is_tagged) = match &request.action {
            Action::Read { head: false, .. } | Action::Call { method: CallMethod::Get, .. } => {
                (true, facts.is_row || is_asked)
            }
            // The tag of the new state, for the next change.
            Action::Update { .. } => (false, facts.is_row && request.prefer.returns == Some(Return::Representation)),
            _ => return Ok(()),
        };
        let is_whole = matches!(self.status, StatusCode::OK | StatusCode::PARTIAL_CONTENT);
        if !is_tagged || !is_whole || !has_tag(facts.media) {
            return Ok(());
        }
        let current = tag::of(&facts.media.content_type(), &self.body);
        if is_read {
            self.judge(request, &current, rows)?;
        }
        if !self.headers.contains_key(header::ETAG)
            && let Some(tag) = conditional::field(&current)
        {
            self.headers.insert(header::ETAG, tag);
        }
        Ok(())
    }

    /// `If-Match` comes before `If-None-Match` (RFC 9110, 13.2.2). As for writes, `*` matches what is there.
    fn judge(&mut self, request: &RestRequest, current: &str, rows: u64) -> Result<(), Error> {
        let fits = |tags: &Tags| tags.has(current) && (rows > 0 || *tags != Tags::Any);
        if request.conditions.matches.as_ref().is_some_and(|tags| !fits(tags)) {
            return Err(Error::Precondition);
        }
        if let Some(known) = request.conditions.differs.as_ref().and_then(|tags| tags.find(current)) {
            self.status = StatusCode::NOT_MODIFIED;
            self.body = Bytes::new();
            self.headers.remove(header::CONTENT_TYPE);
            self.headers.insert(header::ETAG, known);
        }
        Ok(())
    }
}

/// Handlers of the database may make bytes that the statement of a later write cannot make again in the same way.
fn has_tag(media: &MediaType) -> bool {
    matches!(
        media,
        MediaType::Json | MediaType::Csv | MediaType::GeoJson | MediaType::Object { .. } | MediaType::StrippedArray
    )
}
