//! Writes a tree of related rows: one statement a table and key, in one transaction, each with all settings.
//!
//! Fourth stage for what `plan::nested` planned. A statement's rows come back in the order in which they went in, so
//! that each object finds its row and the keys that the database made for it. What is shown of the roots is read at the
//! end, when everything is there.
//! Invariant: rows that others depend on must all have been written; otherwise nothing is kept.

use std::sync::Arc;

use bytes::Bytes;
use ferrobase_base::{Kind, PublicError};
use ferrobase_catalog::Relation;
use ferrobase_query::Outcome;
use ferrobase_query::plan::{Body, Columns, Insert, Mutation, Payload, Query, Read, Select, Source};
use ferrobase_request::policies::Returned;
use ferrobase_request::{RequestContext, Transaction};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::body::Entries;
use crate::denial::Tried;
use crate::error::Error;
use crate::execute::{Executed, Statements, compiled, execute_within, write_within};
use crate::media::MediaType;
use crate::plan::Planned;
use crate::plan::nested::{Group, Middle, Tie};
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

/// Rows that were written: of each the columns that others need, as JSON.
#[derive(Debug, Default)]
struct Written {
    rows: Vec<Vec<(String, Box<RawValue>)>>,
    affected: u64,
    inserted: Option<u64>,
}

impl Written {
    fn value(&self, row: usize, column: &str) -> Option<&RawValue> {
        let (_, value) = self.rows.get(row)?.iter().find(|(name, _)| name == column)?;
        Some(value)
    }
}

/// A row on its way: columns and JSON text.
type Draft = Vec<(String, Box<RawValue>)>;

impl Writer<'_, '_> {
    /// Writes the tree; the outcome is that of an insert of its roots.
    pub(crate) async fn write(&mut self, tree: &mut Tree<'_>) -> Result<Executed, Error> {
        let drafts = drafts(&tree.group);
        let written = self.group(&mut tree.group, drafts).await?;
        let key = tree.group.relation.primary_key.clone();
        let shows = self.request.prefer.returns == Some(Return::Representation);
        if !shows {
            let located = self.request.prefer.returns == Some(Return::HeadersOnly) && written.rows.len() == 1;
            let location = if located { located_by(&written, &key) } else { Vec::new() };
            let outcome =
                Outcome { page: written.affected, inserted: written.inserted, location, ..Outcome::default() };
            return Ok(Executed::Rows { outcome, estimate: None });
        }
        if let Some(Mutation::Pick(pick)) = &mut tree.planned.query.mutation {
            pick.json = list(&written.rows);
        }
        let statements = Statements { check: None, compiled: compiled(&tree.planned.query)?, proof: None };
        let executed =
            execute_within(self.transaction, self.context, self.settings, self.request, &tree.planned, &statements);
        let mut executed = executed.await?;
        if let Executed::Rows { outcome, .. } = &mut executed {
            outcome.inserted = written.inserted;
        }
        Ok(executed)
    }

    /// Writes a group after what it refers to and before what refers to it.
    async fn group(&mut self, group: &mut Group<'_>, mut drafts: Vec<Draft>) -> Result<Written, Error> {
        for (pairs, below) in &mut group.before {
            let parents: Vec<usize> = below.rows.iter().map(|row| row.parent).collect();
            let own = crate::nested::drafts(below);
            let written = Box::pin(self.group(below, own)).await?;
            for (row, parent) in parents.into_iter().enumerate() {
                fill(&mut drafts[parent], pairs, &written, row)?;
            }
        }
        let written = self.insert(group, &drafts).await?;
        for (tie, below) in &mut group.after {
            let parents: Vec<usize> = below.rows.iter().map(|row| row.parent).collect();
            let mut own = crate::nested::drafts(below);
            match tie {
                Tie::Columns(pairs) => {
                    let pairs: Vec<(String, String)> =
                        pairs.iter().map(|(referenced, own)| (own.clone(), referenced.clone())).collect();
                    for (draft, parent) in own.iter_mut().zip(parents) {
                        fill(draft, &pairs, &written, parent)?;
                    }
                    Box::pin(self.group(below, own)).await?;
                }
                Tie::Junction(middle) => {
                    let targets = Box::pin(self.group(below, own)).await?;
                    self.tie(middle, &written, &targets, &parents).await?;
                }
            }
        }
        Ok(written)
    }

    async fn insert(&mut self, group: &Group<'_>, drafts: &[Draft]) -> Result<Written, Error> {
        if drafts.is_empty() {
            return Ok(Written::default());
        }
        let name = &group.relation.name;
        let needed: Vec<String> = group.needed.iter().cloned().collect();
        let read = Read {
            select: needed.iter().map(Select::column).collect(),
            ..Read::from(Source::Derived, name.name.clone())
        };
        let mut query = Query::list(read);
        if needed.is_empty() {
            query.body = Body::None;
        }
        query.mutation = Some(Mutation::Insert(Insert {
            table: name.clone(),
            columns: group.columns.clone(),
            payload: Payload::Json { json: list(drafts), is_object: false },
            missing_is_default: self.request.prefer.missing == Some(Missing::Default),
            conflict: group.conflict.clone(),
            matching: Vec::new(),
            location: Vec::new(),
            returning: Columns::Named(needed.clone()),
        }));
        let outcome = self.run(&query, &group.relation).await?;
        let rows = match &outcome.body {
            Some(body) => rows(body).ok_or_else(|| lost(&name.name))?,
            None => Vec::new(),
        };
        // A trigger may leave rows out; then nobody knows any more which row is whose.
        if !needed.is_empty() && rows.len() != drafts.len() {
            return Err(lost(&name.name));
        }
        Ok(Written { rows, affected: outcome.page, inserted: outcome.inserted })
    }

    /// Ties rows to those of the level above through a junction.
    async fn tie(
        &mut self,
        middle: &Middle,
        above: &Written,
        targets: &Written,
        parents: &[usize],
    ) -> Result<(), Error> {
        let name = &middle.relation.name;
        let mut drafts = Vec::with_capacity(parents.len());
        for (row, parent) in parents.iter().enumerate() {
            let mut draft = Draft::new();
            let turned = |pairs: &[(String, String)]| -> Vec<(String, String)> {
                pairs.iter().map(|(referenced, own)| (own.clone(), referenced.clone())).collect()
            };
            fill(&mut draft, &turned(&middle.junction.source_columns), above, *parent)?;
            fill(&mut draft, &turned(&middle.junction.target_columns), targets, row)?;
            drafts.push(draft);
        }
        let mut query = Query::list(Read::from(Source::Derived, name.name.clone()));
        query.body = Body::None;
        query.mutation = Some(Mutation::Insert(Insert {
            table: name.clone(),
            columns: middle.columns.clone(),
            payload: Payload::Json { json: list(&drafts), is_object: false },
            missing_is_default: false,
            conflict: middle.conflict.clone(),
            matching: Vec::new(),
            location: Vec::new(),
            returning: Columns::Named(Vec::new()),
        }));
        self.run(&query, &middle.relation).await.map(drop)
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

/// The rows of a group as their objects give them.
fn drafts(group: &Group<'_>) -> Vec<Draft> {
    let given = |row: &crate::plan::nested::Row<'_>| {
        row.given.iter().map(|(name, value)| (name.clone(), (*value).to_owned())).collect()
    };
    group.rows.iter().map(given).collect()
}

/// Fills in foreign key columns, pairs of (own, referenced). A value that is there already must be the same.
fn fill(draft: &mut Draft, pairs: &[(String, String)], from: &Written, row: usize) -> Result<(), Error> {
    for (own, referenced) in pairs {
        let Some(value) = from.value(row, referenced) else { continue };
        match draft.iter_mut().find(|(name, _)| name == own) {
            None => draft.push((own.clone(), value.to_owned())),
            Some((_, known)) if known.get() == "null" => *known = value.to_owned(),
            Some((_, known)) if same(known, value) => {}
            Some(_) => return Err(contradicted(own)),
        }
    }
    Ok(())
}

/// Whether two values are the same; a number may be given as a text.
fn same(given: &RawValue, made: &RawValue) -> bool {
    let read = |raw: &RawValue| serde_json::from_str::<Value>(raw.get()).ok();
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    given.get() == made.get() || read(given).map(text) == read(made).map(text)
}

/// Rows as a JSON list.
fn list(rows: &[Draft]) -> Bytes {
    let mut json = Vec::with_capacity(rows.len() * 64);
    json.push(b'[');
    for (place, row) in rows.iter().enumerate() {
        json.extend_from_slice(if place > 0 { b",{" } else { b"{" });
        for (place, (name, value)) in row.iter().enumerate() {
            if place > 0 {
                json.push(b',');
            }
            json.extend_from_slice(Value::String(name.clone()).to_string().as_bytes());
            json.push(b':');
            json.extend_from_slice(value.get().as_bytes());
        }
        json.push(b'}');
    }
    json.push(b']');
    json.into()
}

/// The rows of a statement's body.
fn rows(body: &[u8]) -> Option<Vec<Draft>> {
    let rows: Vec<Entries<'_>> = serde_json::from_slice(body).ok()?;
    let owned = |row: Entries<'_>| row.0.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
    Some(rows.into_iter().map(owned).collect())
}

/// Key columns and filters of the only root, for Location.
fn located_by(written: &Written, key: &[String]) -> Vec<(String, String)> {
    let filter = |column: &String| {
        let value = written.value(0, column).and_then(|raw| serde_json::from_str(raw.get()).ok());
        let filter = match value {
            None | Some(Value::Null) => "is.null".to_owned(),
            Some(Value::String(text)) => format!("eq.{text}"),
            Some(other) => format!("eq.{other}"),
        };
        (column.clone(), filter)
    };
    key.iter().map(filter).collect()
}

fn contradicted(column: &str) -> Error {
    let message = format!("The value of '{column}' is not that of the related row");
    let public = PublicError::new(Kind::Invalid, "FB142", message)
        .hint("Leave the column out: it is filled in from the object that holds the row, or that the row holds.");
    Error::Database(Box::new(public))
}

fn lost(relation: &str) -> Error {
    let message = format!("A row of '{relation}' was not written, so that nothing can be related to it");
    Error::Database(Box::new(PublicError::new(Kind::Conflict, "FB143", message)))
}

fn twice(relation: &str) -> Error {
    let message = format!("Two objects of the body are the same row of '{relation}'");
    Error::Database(Box::new(PublicError::new(Kind::Invalid, "FB146", message)))
}
