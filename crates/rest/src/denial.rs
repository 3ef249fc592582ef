//! What was tried, for the hint of a refusal: from a plan to [`Attempt`].
//!
//! Beside the stages: asked only when PostgreSQL has refused a statement with 42501.
//! Invariant: columns come from the plan, where they are what the caller named or what the catalog has.

use ferrobase_catalog::{Catalog, QualifiedName, Relation};
use ferrobase_query::plan::{Columns, Embed, Join, Mutation, Read, Source, Update, Value};
use ferrobase_request::policies::{Attempt, Reads, Verb, hint};
use ferrobase_request::{Error, RequestContext, Target};

use crate::plan::Planned;

/// The hint for a refused statement; `None` for other failures.
pub(crate) async fn hint_for(
    target: &Target,
    context: &RequestContext,
    planned: &Planned,
    error: &Error,
) -> Option<String> {
    let db = error.db().filter(|db| db.code.as_str() == "42501" && db.hint.is_none())?;
    let catalog = target.catalog.get()?;
    hint(target, &context.identity, db, &attempt(planned, &catalog)).await
}

fn attempt(planned: &Planned, catalog: &Catalog) -> Attempt {
    let query = &planned.query;
    let mut others = Vec::new();
    embedded(&query.read.embeds, &mut |name| {
        others.extend(catalog.relation(&name.schema, &name.name).cloned());
    });
    let attempt = Attempt {
        relation: planned.relation.clone(),
        function: planned.function.clone(),
        others,
        ..Attempt::of(Verb::Read)
    };
    let relation = planned.relation.as_deref();
    match &query.mutation {
        None if planned.function.is_some() => Attempt { verb: Verb::Call, ..attempt },
        None => Attempt { reads: selected(&query.read), filters: !query.read.filters.is_empty(), ..attempt },
        Some(Mutation::Insert(insert)) => Attempt {
            verb: Verb::Insert { merges: insert.conflict.as_ref().is_some_and(is_merge) },
            writes: insert.columns.iter().map(|column| column.name.clone()).collect(),
            reads: returned(&insert.returning, relation),
            ..attempt
        },
        Some(Mutation::Update(update)) => Attempt {
            verb: Verb::Update,
            writes: written(update),
            reads: returned(&update.returning, relation),
            filters: !update.filters.is_empty(),
            ..attempt
        },
        Some(Mutation::UpdateEach(update)) => Attempt {
            verb: Verb::Update,
            writes: update.columns.iter().map(|column| column.name.clone()).collect(),
            reads: Reads::Columns(
                update.returning.iter().cloned().chain(update.key.iter().map(|column| column.name.clone())).collect(),
            ),
            filters: true,
            ..attempt
        },
        Some(Mutation::Pick(pick)) => Attempt { reads: returned(&pick.returning, relation), filters: true, ..attempt },
        Some(Mutation::Delete(delete)) => Attempt {
            verb: Verb::Delete,
            reads: returned(&delete.returning, relation),
            filters: !delete.filters.is_empty(),
            ..attempt
        },
    }
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
