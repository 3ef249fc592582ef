//! What was tried, for the hint of a refusal: from a plan to [`Attempt`].
//!
//! Beside the stages: asked only when PostgreSQL has refused a statement with 42501.
//! Invariant: columns come from the plan, where they are what the caller named or what the catalog has.

use std::sync::Arc;

use ferrobase_catalog::{Catalog, Function, QualifiedName, Relation};
use ferrobase_query::plan::{Columns, Embed, InputColumn, Join, Mutation, Query, Read, Source, Update, Value};
use ferrobase_request::policies::{Attempt, Compared, Reads, Returned, Verb, hint};
use ferrobase_request::{Error, RequestContext, Target};
use percent_encoding::percent_decode_str;

use crate::plan::{Planned, needed};
use crate::request::RestRequest;

/// Why a read needs SELECT on a column that it does not show.
const OF_READS: &str = "filters, order, groups, cursors and embedded rows need";
/// The same of a write.
const OF_FILTERS: &str = "filters need";
const OF_KEYS: &str = "finding rows by their key needs";

/// What a statement was about.
pub(crate) struct Tried<'a> {
    pub(crate) request: &'a RestRequest,
    pub(crate) query: &'a Query,
    pub(crate) relation: Option<&'a Arc<Relation>>,
    pub(crate) function: Option<&'a Arc<Function>>,
    pub(crate) returned: Returned,
}

impl<'a> Tried<'a> {
    /// A request that is one statement.
    pub(crate) fn of(request: &'a RestRequest, planned: &'a Planned) -> Self {
        Self {
            request,
            query: &planned.query,
            relation: planned.relation.as_ref(),
            function: planned.function.as_ref(),
            returned: Returned::ToTheCaller,
        }
    }
}

impl Tried<'_> {
    /// Columns that are looked at, and what needs that.
    fn because(&self, columns: impl IntoIterator<Item = String>, what: &'static str) -> Vec<Compared> {
        let query = percent_decode_str(&self.request.query.canonical).decode_utf8_lossy();
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let names = |column: &str| {
            let is_whole = |(at, _): (usize, &str)| {
                let (before, after) = (&query[..at], &query[at + column.len()..]);
                !before.ends_with(is_part) && !after.starts_with(is_part)
            };
            query.match_indices(column).any(is_whole) || self.request.columns.contains(column)
        };
        columns.into_iter().map(|column| Compared { named: names(&column), column, what }).collect()
    }
}

/// The hint for a refused statement; `None` for other failures.
pub(crate) async fn hint_for(
    target: &Target,
    context: &RequestContext,
    tried: &Tried<'_>,
    error: &Error,
) -> Option<String> {
    let db = error.db().filter(|db| db.code.as_str() == "42501" && db.hint.is_none())?;
    let catalog = target.catalog.get()?;
    hint(target, &context.identity, db, &attempt(tried, &catalog)).await
}

fn attempt(tried: &Tried<'_>, catalog: &Catalog) -> Attempt {
    let query = tried.query;
    let mut others = Vec::new();
    embedded(&query.read.embeds, &mut |name| {
        others.extend(catalog.relation(&name.schema, &name.name).cloned());
    });
    let attempt = Attempt {
        relation: tried.relation.cloned(),
        function: tried.function.cloned(),
        others,
        returned: tried.returned,
        ..Attempt::of(Verb::Read)
    };
    let relation = tried.relation.map(AsRef::as_ref);
    match &query.mutation {
        None if tried.function.is_some() => Attempt { verb: Verb::Call, ..attempt },
        None => Attempt {
            reads: selected(&query.read),
            compares: tried.because(needed::used(&query.read), OF_READS),
            filters: !query.read.filters.is_empty(),
            ..attempt
        },
        Some(Mutation::Insert(insert)) => Attempt {
            verb: Verb::Insert { merges: insert.conflict.as_ref().is_some_and(is_merge) },
            writes: names(&insert.columns),
            reads: returned(&insert.returning, relation),
            compares: tried.because(insert.conflict.iter().flat_map(|conflict| conflict.columns.clone()), OF_KEYS),
            ..attempt
        },
        Some(Mutation::Update(update)) => Attempt {
            verb: Verb::Update,
            writes: written(update),
            reads: returned(&update.returning, relation),
            compares: tried
                .because(needed::compared(&update.filters), OF_FILTERS)
                .into_iter()
                .chain(tried.because(update.merge.iter().map(|merge| merge.column.clone()), "merging into it needs"))
                .collect(),
            filters: !update.filters.is_empty(),
            ..attempt
        },
        Some(Mutation::UpdateEach(update)) => Attempt {
            verb: Verb::Update,
            writes: names(&update.columns),
            reads: returned(&Columns::Named(update.returning.clone()), relation),
            compares: tried
                .because(names(&update.key), OF_KEYS)
                .into_iter()
                .chain(tried.because(needed::compared(&update.filters), OF_FILTERS))
                .collect(),
            filters: true,
            ..attempt
        },
        Some(Mutation::Pick(pick)) => Attempt {
            reads: returned(&pick.returning, relation),
            compares: tried.because(names(&pick.key), OF_KEYS),
            filters: true,
            ..attempt
        },
        Some(Mutation::Delete(delete)) => Attempt {
            verb: Verb::Delete,
            reads: returned(&delete.returning, relation),
            compares: tried.because(needed::compared(&delete.filters), OF_FILTERS),
            filters: !delete.filters.is_empty(),
            ..attempt
        },
    }
}

fn names(columns: &[InputColumn]) -> Vec<String> {
    columns.iter().map(|column| column.name.clone()).collect()
}

fn is_merge(conflict: &ferrobase_query::plan::Conflict) -> bool {
    conflict.resolution == ferrobase_query::plan::Resolution::Merge
}

/// Relations that are read below the root.
fn embedded(embeds: &[Embed], found: &mut impl FnMut(&QualifiedName)) {
    for embed in embeds {
        if let Source::Table(name) = &embed.read.source {
            found(name);
        }
        if let Join::Junction { table, .. } = &embed.join {
            found(table);
        }
        embedded(&embed.read.embeds, found);
    }
}

/// Columns of the root that a read names.
fn selected(read: &Read) -> Reads {
    if read.select.is_empty() && read.embeds.is_empty() {
        return Reads::All;
    }
    let mut columns = Vec::new();
    for select in &read.select {
        match &select.value {
            Value::Star => return Reads::All,
            Value::Field(field) => columns.push(field.name.clone()),
            Value::One => {}
        }
    }
    Reads::Columns(columns)
}

fn returned(columns: &Columns, relation: Option<&Relation>) -> Reads {
    match columns {
        Columns::All => Reads::All,
        Columns::Named(names) if names.is_empty() => Reads::Nothing,
        // All by name are all: then there is no column that the caller named.
        Columns::Named(names) if relation.is_some_and(|r| r.columns.keys().all(|c| names.contains(c))) => Reads::All,
        Columns::Named(names) => Reads::Columns(names.clone()),
    }
}

/// Columns of an update, also those that change only inside.
fn written(update: &Update) -> Vec<String> {
    let whole = update.columns.iter().map(|column| &column.name);
    let inside = update.inside.iter().map(|set| &set.column);
    whole.chain(inside).chain(update.merge.iter().map(|merge| &merge.column)).cloned().collect()
}
