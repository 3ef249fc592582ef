//! Writes a tree of related rows: one statement a table and key, in one transaction, each with all settings.
//!
//! Fourth stage for what `plan::nested` planned: its groups become steps of a `query::tree`. A statement's rows come back in
//! the order in which they went in, so that each object finds its row and the keys that the database made for it. What is
//! shown of the roots is read at the end, when everything is there.

use std::sync::Arc;

use ferrobase_base::{Kind, PublicError};
use ferrobase_catalog::{ColumnPairs, Relation};
use ferrobase_query::Outcome;
use ferrobase_query::plan::{Body, Mutation, Query, Read, Select, Source};
use ferrobase_query::tree::{self, Action, Draft, Fill, Step, TreeError};
use ferrobase_request::policies::Returned;
use ferrobase_request::{RequestContext, Transaction};
use serde_json::Value;

use crate::denial::Tried;
use crate::error::Error;
use crate::execute::{Executed, Statements, compiled, execute_within, write_within};
use crate::media::MediaType;
use crate::plan::Planned;
use crate::plan::nested::{Group, Tie};
use crate::prefer::{Missing, Return};
use crate::request::RestRequest;
use crate::settings::Settings;

/// A tree that is ready to be written.
pub(crate) struct Tree<'q> {
    pub(crate) group: Group<'q>,
    /// What is shown of the roots.
    pub(crate) planned: Planned,
    pub(crate) media: MediaType,
}

/// Where a tree is written.
pub(crate) struct Writer<'w, 't> {
    pub(crate) transaction: &'w mut Transaction<'t>,
    pub(crate) context: &'w RequestContext,
    pub(crate) settings: &'w Settings,
    pub(crate) request: &'w RestRequest,
}

/// How many rows a statement wrote.
#[derive(Debug, Default)]
struct Count {
    affected: u64,
    inserted: Option<u64>,
}

impl Writer<'_, '_> {
    /// Writes the tree; the outcome is that of an insert of its roots.
    pub(crate) async fn write(&mut self, tree: &mut Tree<'_>) -> Result<Executed, Error> {
        let mut growth = tree::Tree::default();
        let missing_is_default = self.request.prefer.missing == Some(Missing::Default);
        let root = grow(&mut growth, &tree.group, Vec::new(), missing_is_default);
        let mut roots = Count::default();
        for place in 0..growth.steps.len() {
            let count = self.step(&mut growth, place).await?;
            if place == root {
                roots = count;
            }
        }
        let key = tree.group.relation.primary_key.clone();
        let written = &growth.steps[root].written;
        let shows = self.request.prefer.returns == Some(Return::Representation);
        if !shows {
            let located = self.request.prefer.returns == Some(Return::HeadersOnly) && written.len() == 1;
            let location = if located { located_by(written, &key) } else { Vec::new() };
            let outcome = Outcome { page: roots.affected, inserted: roots.inserted, location, ..Outcome::default() };
            return Ok(Executed::Rows { outcome, estimate: None });
        }
        if let Some(Mutation::Pick(pick)) = &mut tree.planned.query.mutation {
            pick.json = tree::list(written);
        }
        let statements = Statements::new(None, compiled(&tree.planned.query)?, None);
        let executed =
            execute_within(self.transaction, self.context, self.settings, self.request, &tree.planned, &statements);
        let mut executed = executed.await?;
        if let Executed::Rows { outcome, .. } = &mut executed {
            outcome.inserted = roots.inserted;
        }
        Ok(executed)
    }

    async fn step(&mut self, growth: &mut tree::Tree, place: usize) -> Result<Count, Error> {
        let refused = |error: &TreeError| Error::Database(Box::new(PublicError::from(error)));
        let Some(mutation) = growth.mutation(place).map_err(|error| refused(&error))? else {
            return Ok(Count::default());
        };
        let step = &growth.steps[place];
        let relation = Arc::clone(&step.relation);
        let read = Read {
            select: step.needed.iter().map(Select::column).collect(),
            ..Read::from(Source::Derived, relation.name.name.clone())
        };
        let mut query = Query::list(read);
        if step.needed.is_empty() {
            query.body = Body::None;
        }
        query.mutation = Some(mutation);
        let outcome = self.run(&query, &relation).await?;
        let lost = || refused(&TreeError::Lost(relation.name.name.clone()));
        let rows = match &outcome.body {
            Some(body) => tree::rows(body).ok_or_else(lost)?,
            None => Vec::new(),
        };
        growth.take(place, outcome.page, rows).map_err(|error| refused(&error))?;
        Ok(Count { affected: outcome.page, inserted: outcome.inserted })
    }

    async fn run(&mut self, query: &Query, relation: &Arc<Relation>) -> Result<Outcome, Error> {
        let compiled = compiled(query)?;
        let tried = Tried {
            request: self.request,
            query,
            relation: Some(relation),
            function: None,
            returned: Returned::ToRelatedRows,
        };
        let ran = write_within(self.transaction, self.context, self.settings, self.request, compiled, tried).await;
        ran.map_err(|error| match error {
            Error::Database(public) if public.code == "21000" => twice(&relation.name.name),
            other => other,
        })
    }
}

/// Adds a group after what it refers to and before what refers to it; gives its step.
fn grow(growth: &mut tree::Tree, group: &Group<'_>, mut fills: Vec<Fill>, missing_is_default: bool) -> usize {
    for (pairs, below) in &group.before {
        let from = grow(growth, below, Vec::new(), missing_is_default);
        let rows = below.rows.iter().enumerate().map(|(row, held)| (held.parent, row)).collect();
        fills.push(Fill { from, pairs: pairs.clone(), rows });
    }
    let (columns, conflict) = (group.columns.clone(), group.conflict.clone());
    let action = Action::Insert { columns, missing_is_default, conflict };
    let step = Step { fills, needed: group.needed.clone(), ..Step::new(&group.relation, action, drafts(group)) };
    let place = growth.push(step);
    for (tie, below) in &group.after {
        let rows: Vec<(usize, usize)> = below.rows.iter().map(|row| row.parent).enumerate().collect();
        match tie {
            Tie::Columns(pairs) => {
                let fill = Fill { from: place, pairs: turned(pairs), rows };
                grow(growth, below, vec![fill], missing_is_default);
            }
            Tie::Junction(middle) => {
                let targets = grow(growth, below, Vec::new(), missing_is_default);
                let own = rows.iter().map(|(row, _)| (*row, *row)).collect();
                let count = rows.len();
                let sources = Fill { from: place, pairs: turned(&middle.junction.source_columns), rows };
                let targets = Fill { from: targets, pairs: turned(&middle.junction.target_columns), rows: own };
                let (columns, conflict) = (middle.columns.clone(), middle.conflict.clone());
                let action = Action::Insert { columns, missing_is_default: false, conflict };
                let drafts = vec![Draft::new(); count];
                growth.push(Step { fills: vec![sources, targets], ..Step::new(&middle.relation, action, drafts) });
            }
        }
    }
    place
}

fn turned(pairs: &ColumnPairs) -> ColumnPairs {
    pairs.iter().map(|(referenced, own)| (own.clone(), referenced.clone())).collect()
}

/// The rows of a group as their objects give them.
fn drafts(group: &Group<'_>) -> Vec<Draft> {
    let given = |row: &crate::plan::nested::Row<'_>| {
        row.given.iter().map(|(name, value)| (name.clone(), (*value).to_owned())).collect()
    };
    group.rows.iter().map(given).collect()
}

/// Key columns and filters of the only root, for Location.
fn located_by(written: &[Draft], key: &[String]) -> Vec<(String, String)> {
    let filter = |column: &String| {
        let found = written.first().and_then(|row| row.iter().find(|(name, _)| name == column));
        let value = found.and_then(|(_, raw)| serde_json::from_str(raw.get()).ok());
        let filter = match value {
            None | Some(Value::Null) => "is.null".to_owned(),
            Some(Value::String(text)) => format!("eq.{text}"),
            Some(other) => format!("eq.{other}"),
        };
        (column.clone(), filter)
    };
    key.iter().map(filter).collect()
}

fn twice(relation: &str) -> Error {
    let message = format!("Two objects of the body are the same row of '{relation}'");
    Error::Database(Box::new(PublicError::new(Kind::Invalid, "FB146", message)))
}
