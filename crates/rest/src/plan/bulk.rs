//! PATCH with a list: many rows, each found by its key and given values of its own.
//!
//! The key is what `on=` names, else the primary key; it must be unique, so that one element changes one row. A list of
//! one element without its key means what it means upstream: these values for whatever the filters find.
//! Pure. Not under `ferrobase postgrest` (`Dialect::Extended` only).

use std::collections::BTreeSet;

use ferrobase_catalog::Relation;
use ferrobase_query::plan::{Columns, Mutation, Payload, Read, Update, UpdateEach};

use super::mutation::payload;
use super::{PlanError, Planner};
use crate::body;
use crate::error::LookupError;
use crate::prefer::Missing;
use crate::request::RestRequest;

impl Planner<'_> {
    /// The update of many rows that a PATCH with a list asks for; `None` when it is one like any other.
    pub(super) fn update_each(
        &self,
        request: &RestRequest,
        relation: &Relation,
        read: &mut Read,
    ) -> Result<Option<Mutation>, PlanError> {
        if !request.each || (request.columns.is_empty() && request.query.on.is_none()) {
            return Ok(None);
        }
        let Some(key) = key(request, relation)? else { return Ok(None) };
        let (key, columns): (BTreeSet<String>, BTreeSet<String>) =
            request.columns.iter().cloned().partition(|column| key.contains(column));
        let table = relation.name.clone();
        let returning = super::mutation::returning(request, relation, read);
        let filters = self.root_conditions(request, relation)?;
        let missing_is_default = request.prefer.missing == Some(Missing::Default);
        let (payload, columns) = (payload(request), self.input_columns(relation, &columns)?);
        if columns.is_empty() {
            // Keys without values change nothing; above all they must not be written to other rows.
            return Ok(Some(Mutation::Update(Update {
                table,
                columns,
                inside: Vec::new(),
                merge: Vec::new(),
                payload,
                missing_is_default,
                filters,
                returning,
            })));
        }
        let Payload::Json { json, .. } = payload else { return Ok(None) };
        let returning = match returning {
            Columns::Named(names) => names,
            Columns::All => relation.columns.keys().cloned().collect(),
        };
        Ok(Some(Mutation::UpdateEach(UpdateEach {
            table,
            key: self.input_columns(relation, &key)?,
            columns,
            json,
            missing_is_default,
            filters,
            all_must_exist: request.prefer.is_strict(),
            returning,
        })))
    }
}

/// The columns by which rows are found.
fn key<'r>(request: &'r RestRequest, relation: &'r Relation) -> Result<Option<&'r [String]>, PlanError> {
    let key = match &request.query.on {
        Some(named) => {
            check_key(named, relation)?;
            named
        }
        None => &relation.primary_key,
    };
    let absent: Vec<&str> =
        key.iter().filter(|column| !request.columns.contains(*column)).map(String::as_str).collect();
    if !key.is_empty() && absent.is_empty() {
        return Ok(Some(key));
    }
    // Elements that differ cannot all be meant for the same rows, and half a key is meant for none.
    let is_plain = request.query.on.is_none() && absent.len() == key.len();
    if is_plain && !request.payload.as_ref().is_some_and(body::Payload::is_several) {
        return Ok(None);
    }
    let key = if key.is_empty() { "no primary key".to_owned() } else { format!("no {}", absent.join(", ")) };
    Err(PlanError::KeyNotGiven(key))
}

/// Whether a key is one of the relation's unique ones.
fn check_key(named: &[String], relation: &Relation) -> Result<(), PlanError> {
    for column in named {
        if relation.column(column).is_none() {
            return Err(LookupError::NoColumn { relation: relation.name.name.clone(), column: column.clone() }.into());
        }
    }
    let named: BTreeSet<&String> = named.iter().collect();
    let mut known = relation.unique_keys.iter().chain([&relation.primary_key]);
    if known.any(|key| !key.is_empty() && key.iter().collect::<BTreeSet<_>>() == named) {
        return Ok(());
    }
    Err(PlanError::NotUnique {
        relation: relation.name.name.clone(),
        columns: named.into_iter().cloned().collect::<Vec<_>>().join(", "),
    })
}
