//! What people call a request that they look at from outside: in traces, in the log of slow queries, in `ferrobase top`.
//!
//! `GET books(authors,publishers(cities)) by title` names method, relation, what hangs below it, and the columns that are
//! compared. Made once for each statement that is new, not for each request.
//! Invariant: every word comes from the catalog or from here. Aliases, values and names that only the caller knows stay
//! out, so that a name can be shown to whoever operates the server.

use ferrobase_query::plan::{Condition, Embed, Query, Source};

use crate::plan::Planned;
use crate::request::{Action, CallMethod, RestRequest};

/// A batch, whatever it holds.
pub(crate) const BATCH: &str = "POST batch";
/// A description of the API.
pub(crate) const DESCRIPTION: &str = "GET description";
/// Most columns that are named.
const COLUMNS: usize = 8;

/// The name of a request.
pub(crate) fn of(request: &RestRequest, planned: &Planned) -> String {
    let mut text = format!("{} {}", method(&request.action), subject(planned));
    embeds(&mut text, &planned.query.read.embeds);
    let columns = compared(&planned.query, planned);
    if !columns.is_empty() {
        text.push_str(" by ");
        text.push_str(&columns.join(","));
    }
    text
}

/// What stands for the statements of a write with related rows, which differ with the rows.
pub(crate) fn tree(planned: &Planned) -> String {
    format!("rows below {}", planned.target)
}

fn method(action: &Action) -> &'static str {
    match action {
        Action::Read { head: false, .. } | Action::Call { method: CallMethod::Get, .. } => "GET",
        Action::Read { head: true, .. } | Action::Call { method: CallMethod::Head, .. } => "HEAD",
        Action::Insert { .. } | Action::Call { method: CallMethod::Post, .. } => "POST",
        Action::Update { .. } => "PATCH",
        Action::Put { .. } => "PUT",
        Action::Delete { .. } => "DELETE",
        _ => "OPTIONS",
    }
}

fn subject(planned: &Planned) -> String {
    match (&planned.function, &planned.relation) {
        (Some(function), _) => format!("rpc/{}", function.name.name),
        (None, Some(relation)) => relation.name.name.clone(),
        (None, None) => planned.target.name.clone(),
    }
}

fn embeds(text: &mut String, below: &[Embed]) {
    for (place, embed) in below.iter().enumerate() {
        text.push(if place == 0 { '(' } else { ',' });
        text.push_str(match &embed.read.source {
            Source::Table(name) => &name.name,
            Source::Function(call) => &call.function.name,
            Source::Derived => &embed.read.name,
        });
        embeds(text, &embed.read.embeds);
    }
    if !below.is_empty() {
        text.push(')');
    }
}

/// Columns of the catalog that the filters compare, each once.
fn compared<'q>(query: &'q Query, planned: &Planned) -> Vec<&'q str> {
    let mut named = Vec::new();
    let mut queue: Vec<&Condition> = query.read.filters.iter().rev().collect();
    while let Some(condition) = queue.pop() {
        match condition {
            Condition::Group { items, .. } => queue.extend(items.iter().rev()),
            Condition::NotTrue(condition) => queue.push(condition),
            Condition::Compare(comparison) => {
                let name = comparison.field.name.as_str();
                let is_known = planned.relation.as_ref().is_some_and(|relation| relation.column(name).is_some());
                if is_known && !named.contains(&name) && named.len() < COLUMNS {
                    named.push(name);
                }
            }
            Condition::Aggregate(_) | Condition::Embedded { .. } | Condition::Related(_) | Condition::Unknown => {}
        }
    }
    named
}
