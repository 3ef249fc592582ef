//! POST, PATCH, PUT and DELETE on a relation.

use std::collections::BTreeSet;

use bytes::Bytes;
use ferrobase_catalog::Relation;
use ferrobase_query::CatalogSql;
use ferrobase_query::plan::{
    Columns, Condition, Conflict, Convert, Delete, InputColumn, Insert, Mutation, Payload, Read, Resolution, Update,
};
use ferrobase_request::{STAGE, STAGE_PROGRESS};

use super::{PlanError, Planner, document};
use crate::ast::{CompareOperator, Filter, Operation};
use crate::body;
use crate::error::{Error, LookupError};
use crate::prefer::{self, Missing, Return};
use crate::request::{Action, RestRequest};

impl Planner<'_> {
    /// The mutation of a request; `read` is what is shown of its rows.
    pub(super) fn mutation(
        &self,
        request: &RestRequest,
        relation: &Relation,
        read: &mut Read,
    ) -> Result<Mutation, PlanError> {
        self.check_writable(request, relation)?;
        let is_put = matches!(request.action, Action::Put { .. });
        let returning = returning(request, relation, read);
        let filters = self.root_conditions(request, relation)?;
        Ok(match request.action {
            Action::Delete { .. } => Mutation::Delete(Delete { table: relation.name.clone(), filters, returning }),
            Action::Update { .. } if let Some(key) = self.unlisted_path(request, relation) => {
                let why = "columns= has its column and not this key; list the key itself, in double quotes";
                return Err(PlanError::Inside { key, why });
            }
            Action::Update { .. } if let Some(update) = self.update_each(request, relation, read)? => update,
            Action::Update { .. } => {
                let mut changes = self.changes(relation, &request.columns)?;
                if request.is_merge_patch() {
                    changes = document::merge(relation, payload(request).json(), changes)?;
                }
                Mutation::Update(Update {
                    table: relation.name.clone(),
                    columns: self.input_columns(relation, &changes.columns)?,
                    inside: changes.inside,
                    merge: changes.merge,
                    payload: payload(request),
                    missing_is_default: request.prefer.missing == Some(Missing::Default),
                    filters,
                    returning,
                })
            }
            _ => {
                if is_put {
                    check_put(request, relation)?;
                }
                self.check_same(request, relation)?;
                Mutation::Insert(Insert {
                    table: relation.name.clone(),
                    columns: self.input_columns(relation, &request.columns)?,
                    payload: payload(request),
                    missing_is_default: !is_put && request.prefer.missing == Some(Missing::Default),
                    conflict: conflict(request, relation, is_put),
                    matching: if is_put { filters } else { Vec::new() },
                    location: location(request, relation, is_put),
                    returning,
                })
            }
        })
    }

    fn check_writable(&self, request: &RestRequest, relation: &Relation) -> Result<(), PlanError> {
        let (can, verb) = match request.action {
            Action::Delete { .. } => (relation.deletable, "deleted"),
            Action::Update { .. } => (relation.updatable, "updated"),
            _ => (relation.insertable, "inserted"),
        };
        if can || !self.rules.refuse_unwritable {
            return Ok(());
        }
        Err(PlanError::Unwritable { relation: relation.name.clone(), verb })
    }

    /// PostgREST inserts where it does not know which rows are the same; whoever is strict is told.
    fn check_same(&self, request: &RestRequest, relation: &Relation) -> Result<(), PlanError> {
        let is_told = request.query.on_conflict.is_some() || !relation.primary_key.is_empty();
        let is_strict = self.rules.extensions && request.prefer.is_strict();
        if is_strict && request.prefer.resolution.is_some() && !is_told {
            return Err(PlanError::NoConflict(relation.name.name.clone()));
        }
        Ok(())
    }

    pub(super) fn root_conditions(
        &self,
        request: &RestRequest,
        relation: &Relation,
    ) -> Result<Vec<Condition>, PlanError> {
        let filters = request.query.filters.iter().filter(|(path, _)| path.is_empty());
        let logic = request.query.logic.iter().filter(|(path, _)| path.is_empty());
        filters
            .map(|(_, filter)| self.filter(Some(relation), filter))
            .chain(logic.map(|(_, logic)| self.logic(Some(relation), logic, &|_| None)))
            .collect()
    }

    /// Columns that the payload gives, looked up.
    pub(super) fn input_columns(
        &self,
        relation: &Relation,
        names: &BTreeSet<String>,
    ) -> Result<Vec<InputColumn>, PlanError> {
        names
            .iter()
            .map(|name| {
                let column = relation.column(name).ok_or_else(|| LookupError::NoColumn {
                    relation: relation.name.name.clone(),
                    column: name.clone(),
                })?;
                let convert = self.conversion("json", &column.declared_type);
                let read_as = if convert.is_some() { "json" } else { &column.declared_type };
                Ok(InputColumn {
                    name: name.clone(),
                    type_name: CatalogSql::written_by_catalog(read_as),
                    convert: convert.map(Convert::Call),
                    default: column.default.as_deref().map(CatalogSql::written_by_catalog),
                })
            })
            .collect()
    }
}

/// What of the changed rows comes back: what is shown of them, or the address of a new one, or only their number.
pub(super) fn returning(request: &RestRequest, relation: &Relation, read: &mut Read) -> Columns {
    match request.prefer.returns {
        Some(Return::Representation) => super::needed::columns(read, Some(relation)),
        // Rows that are removed are looked at a last time.
        _ if matches!(request.action, Action::Delete { .. }) && request.conditions.matches.is_some() => {
            super::needed::columns(read, Some(relation))
        }
        Some(Return::HeadersOnly) if matches!(request.action, Action::Insert { .. }) => {
            Columns::Named(relation.primary_key.clone())
        }
        Some(Return::HeadersOnly | Return::Minimal) | None => Columns::Named(Vec::new()),
    }
}

fn location(request: &RestRequest, relation: &Relation, is_put: bool) -> Vec<String> {
    if request.prefer.returns == Some(Return::HeadersOnly) && !is_put {
        relation.primary_key.clone()
    } else {
        Vec::new()
    }
}

fn conflict(request: &RestRequest, relation: &Relation, is_put: bool) -> Option<Conflict> {
    let resolution = match request.prefer.resolution {
        // Only a row that is new: the guard fails the request when this one was there.
        _ if is_put && request.conditions.differs.is_some() => Resolution::Ignore,
        _ if is_put => Resolution::Merge,
        Some(prefer::Resolution::MergeDuplicates) => Resolution::Merge,
        Some(prefer::Resolution::IgnoreDuplicates) => Resolution::Ignore,
        None => return None,
    };
    let columns = match &request.query.on_conflict {
        Some(columns) if !is_put => columns.clone(),
        _ => relation.primary_key.clone(),
    };
    Some(Conflict::of(resolution, columns))
}

/// Whether the filters name one row by its whole primary key, and say nothing else.
pub(super) fn names_row(request: &RestRequest, relation: &Relation) -> bool {
    let (query, key) = (&request.query, &relation.primary_key);
    let is_key = |(path, filter): &(Vec<String>, Filter)| {
        path.is_empty() && is_equality(filter) && filter.field.path.is_empty() && key.contains(&filter.field.name)
    };
    // As many different names as the key has columns: each of them once.
    !key.is_empty()
        && query.logic.is_empty()
        && query.filters.len() == key.len()
        && filtered(request).len() == key.len()
        && query.filters.iter().all(is_key)
}

fn is_equality(filter: &Filter) -> bool {
    !filter.negated
        && matches!(&filter.operation, Operation::Compare { operator: CompareOperator::Eq, quantifier: None, .. })
}

/// PUT addresses one row by its whole primary key and nothing else.
fn check_put(request: &RestRequest, relation: &Relation) -> Result<(), Error> {
    let query = &request.query;
    let key: BTreeSet<&String> = relation.primary_key.iter().collect();
    let by_key = !key.is_empty() && filtered(request) == key;
    let plain =
        |(path, filter): &(Vec<String>, Filter)| path.is_empty() && filter.field.path.is_empty() && is_equality(filter);
    if query.logic.is_empty() && by_key && query.filters.iter().all(plain) { Ok(()) } else { Err(Error::PutFilters) }
}

/// What the filters name, quoted in the URL or not.
fn filtered(request: &RestRequest) -> BTreeSet<&String> {
    request.query.filters.iter().map(|(_, filter)| &filter.field.name).collect()
}

pub(super) fn payload(request: &RestRequest) -> Payload {
    match &request.payload {
        Some(body::Payload::Json { raw, array, .. } | body::Payload::Unscanned { raw, array }) => {
            Payload::Json { json: raw.clone(), is_object: !array }
        }
        Some(body::Payload::Staged { .. }) => Payload::Staged { table: STAGE, progress: STAGE_PROGRESS },
        // The parse stage gives JSON to every write of rows.
        Some(body::Payload::Form(_) | body::Payload::Whole(_) | body::Payload::Ragged { .. }) | None => {
            Payload::Json { json: Bytes::from_static(b"[]"), is_object: false }
        }
    }
}
