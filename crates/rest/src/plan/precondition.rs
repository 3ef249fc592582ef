//! `If-Match` of a write: the check that its rows are still those that the caller saw. `If-None-Match: *` of a PUT is
//! kept by its INSERT, which then takes no row's place (`mutation`); a condition that no write can keep is refused.
//!
//! The representation is the one that a GET of the same URL with the same `Accept` gives, so the check is planned as
//! that read. DELETE carries it in its own statement, which sees the rows as they are when they go, and needs no right
//! but its own; PATCH and PUT are preceded by a statement that locks the rows.
//! Invariant: rows that the caller may not see or not change, and rows that are not there, fail alike: the answer tells
//! nothing of them.

use ferrobase_query::plan::{Body, Precondition, Query};

use super::{PlanError, Planned, Planner};
use crate::conditional::Tags;
use crate::request::{Action, CallMethod, RestRequest};

impl Planner<'_> {
    /// The read that a PATCH or PUT with `If-Match` begins with; `None` where there is none.
    ///
    /// # Errors
    /// As [`Planner::plan`].
    pub fn plan_check(&self, request: &RestRequest) -> Result<Option<Planned>, PlanError> {
        let (Action::Update { relation } | Action::Put { relation }, Some(_)) =
            (&request.action, &request.conditions.matches)
        else {
            return Ok(None);
        };
        // Without a bound: what is changed must be what was checked, all of it.
        let rules = super::Rules { max_rows: None, ..self.rules.clone() };
        let reader = Planner { rules: &rules, ..*self };
        let read = RestRequest { action: Action::Read { relation: relation.clone(), head: false }, ..request.clone() };
        reader.plan(&read).map(Some)
    }
}

/// Refuses conditions that this write, or call that may write, would not look at: one that is passed over is a row lost.
///
/// # Errors
/// FB134: `If-None-Match` of anything but a PUT, or with tags; `If-Match` of a POST, which has no rows to look at.
pub(super) fn check_kept(request: &RestRequest) -> Result<(), PlanError> {
    let conditions = &request.conditions;
    let unkept = match (&request.action, &conditions.matches, &conditions.differs) {
        (Action::Put { .. }, _, None | Some(Tags::Any)) | (_, None, None) => return Ok(()),
        // These read, and the answer is judged.
        (Action::Call { method: CallMethod::Get | CallMethod::Head, .. }, ..) => return Ok(()),
        (Action::Insert { .. } | Action::Call { .. }, Some(_), _) => "If-Match",
        (_, _, Some(_)) => "If-None-Match",
        (_, Some(_), None) => return Ok(()),
    };
    Err(PlanError::NotConditional(unkept))
}

/// Puts what `If-Match` asks for into a query: these tags, of this representation.
pub fn demand(query: &mut Query, wanted: &Tags, body: &Body, media: &str) {
    let tags = wanted.strong().map(|tags| match body {
        Body::Json { .. } | Body::Csv(_) | Body::GeoJson => tags,
        // Nothing else ever got a tag.
        Body::None | Body::Lines | Body::Custom { .. } => Vec::new(),
    });
    let body = if matches!(body, Body::None | Body::Lines | Body::Custom { .. }) { EMPTY } else { body.clone() };
    query.precondition = Some(Precondition { tags, body, media: media.to_owned() });
}

const EMPTY: Body = Body::Json { form: ferrobase_query::plan::JsonForm::List, strip_nulls: false };
