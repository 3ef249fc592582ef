//! Which columns tell the rows of a view apart, and which of its columns show NULL.
//!
//! A view shows keys of tables (`views`: what relationships and writes go by), but a join may repeat the rows that have
//! them. Here the whole query of a view is looked at: every table in FROM is there with its key, or at most one row of it
//! belongs to the rows of the others. What is not understood makes no key, never a wrong one.
//! Read on: `query` (one query), `comparisons` (when values are the same), `parts` (the notation).

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use crate::cells::Cells;
use crate::error::LoadError;
use crate::keys::Keys;
use crate::model::Relation;
use crate::pace::Pace;
use crate::parts::{Part, Tree};
use crate::relations::Relations;
use crate::snapshot::Snapshot;
use crate::sql;

use comparisons::Comparisons;

mod comparisons;
mod query;

/// Views over views, and queries within queries, that are followed.
const MOST_LEVELS: usize = 40;

/// What is known of the rows of a relation or a query. Columns are numbers.
#[derive(Clone, Debug, Default)]
struct Rows {
    /// Columns that no two rows have the same values in, NULL being one of them. Of no columns: there is one row at most.
    key: Option<Vec<i16>>,
    /// Columns that no two rows have the same values in that are not NULL.
    unique: Vec<Vec<i16>>,
    /// Columns that show NULL in some rows, as far as anybody knows.
    nullable: BTreeSet<i16>,
}

impl Rows {
    /// One row or none.
    fn one() -> Self {
        Self { key: Some(Vec::new()), ..Self::default() }
    }
}

/// Sets what tells rows apart, and what shows NULL.
pub(crate) fn describe(
    snapshot: &Snapshot,
    relations: &mut Relations,
    keys: &Keys,
    bases: HashMap<u32, u32>,
    pace: &Pace,
) -> Result<(), LoadError> {
    let mut definitions = HashMap::new();
    for row in &snapshot.view_definitions.rows {
        let mut cells = Cells::new(sql::VIEW_DEFINITIONS.name, row);
        definitions.insert(cells.number()?, cells.text()?);
    }
    let comparisons = Comparisons::read(snapshot, bases)?;
    let mut sources = Sources { relations, keys, comparisons, definitions, known: HashMap::new(), level: 0 };
    let views: Vec<u32> =
        sources.definitions.keys().copied().filter(|view| sources.relations.exposed(*view).is_some()).collect();
    let found: Vec<(u32, Rc<Rows>)> = pace.over(views).map(|view| (view, sources.of(view, true))).collect();
    for (view, rows) in pace.over(found) {
        let Some(entry) = relations.get_mut(view) else { continue };
        let key = rows.key.as_ref().and_then(|key| entry.column_names(key));
        set(&mut entry.relation, key.unwrap_or_default(), &rows.nullable);
    }
    Ok(())
}

fn set(relation: &mut Relation, row_key: Vec<String>, nullable: &BTreeSet<i16>) {
    relation.row_key = row_key;
    for column in relation.columns.values_mut() {
        column.shows_null = nullable.contains(&column.position);
    }
}

/// Relations that a query reads.
struct Sources<'a> {
    relations: &'a Relations,
    keys: &'a Keys,
    comparisons: Comparisons,
    /// Of views.
    definitions: HashMap<u32, &'a str>,
    /// Views that were looked at; nothing is known of one that is being looked at.
    known: HashMap<u32, Rc<Rows>>,
    level: usize,
}

impl Sources<'_> {
    /// Of a relation, with or without the rows of tables that inherit from it.
    fn of(&mut self, relation: u32, with_heirs: bool) -> Rc<Rows> {
        if let Some(known) = self.known.get(&relation) {
            return Rc::clone(known);
        }
        let Some(definition) = self.definitions.get(&relation).copied() else {
            return Rc::new(self.of_table(relation, with_heirs));
        };
        self.known.insert(relation, Rc::default());
        let tree = Tree::read(definition);
        let query = tree.as_ref().and_then(|tree| tree.root().items().next());
        let mut rows = query.map_or_else(Rows::default, |query| self.of_view(query));
        // A materialized view has unique indexes.
        rows.unique.extend(self.unique(relation));
        let rows = Rc::new(rows);
        self.known.insert(relation, Rc::clone(&rows));
        rows
    }

    fn of_view(&mut self, query: Part<'_>) -> Rows {
        query::rows(self, query, None)
    }

    fn of_table(&self, table: u32, with_heirs: bool) -> Rows {
        let Some(entry) = self.relations.get(table) else { return Rows::default() };
        let nullable = entry.relation.columns.values().filter(|column| column.nullable).map(|column| column.position);
        let mut rows = Rows { nullable: nullable.collect(), ..Rows::default() };
        // No key holds for the rows of tables that inherit from it.
        if !(with_heirs && entry.relation.has_heirs) {
            rows.key = self.keys.primary(table).map(<[i16]>::to_vec);
            rows.unique = self.unique(table).collect();
        }
        rows
    }

    /// Unique keys for whose indexes the same values are the same that are it elsewhere.
    fn unique(&self, relation: u32) -> impl Iterator<Item = Vec<i16>> {
        let all = self.keys.arbiters(relation).filter(|key| self.comparisons.are_usual(&key.compared));
        all.map(|key| key.columns.clone())
    }
}
