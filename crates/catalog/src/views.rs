//! What views show and read: which columns of which tables appear in them unchanged, and whose rights they use.
//!
//! A view that shows all columns of a key has that key, however many views lie in between, under its own names.
//! Chains are followed through views of the exposed schemas and the extra search path only, as the reference does.
//! Reads are followed everywhere: for security it matters what is read, not from where it is asked for.
//! Read on: `node_tree` (one view's columns), `relationships` (what follows from shown foreign keys).

use std::collections::{BTreeMap, HashMap};

use crate::cells::Cells;
use crate::error::LoadError;
use crate::keys::Keys;
use crate::model::{BaseRead, RelationKind};
use crate::node_tree::{self, Origin};
use crate::pace::Pace;
use crate::relations::Relations;
use crate::snapshot::Snapshot;
use crate::sql;

/// A key column may appear several times in a view, and every combination is a relationship of its own. A view that
/// shows four columns of one key four times each already has 256; beyond this bound the rest is left out.
pub(crate) const MAX_COMBINATIONS: usize = 64;

/// The columns of one table that one view shows.
#[derive(Debug)]
pub(crate) struct Shown {
    /// The view.
    pub(crate) view: u32,
    /// Table column to the view columns that show it, lowest first.
    columns: BTreeMap<i16, Vec<i16>>,
}

impl Shown {
    /// Every way to name all these table columns in the view; empty when one of them is not shown.
    pub(crate) fn combinations(&self, columns: &[i16]) -> Vec<Vec<i16>> {
        let mut combinations: Vec<Vec<i16>> = vec![Vec::with_capacity(columns.len())];
        for column in columns {
            let Some(names) = self.columns.get(column) else { return Vec::new() };
            let longer = combinations.iter().flat_map(|start| {
                names.iter().map(move |name| {
                    let mut longer = start.clone();
                    longer.push(*name);
                    longer
                })
            });
            combinations = longer.take(MAX_COMBINATIONS).collect();
        }
        combinations
    }

    /// The first way to name all these table columns.
    fn first(&self, columns: &[i16]) -> Option<Vec<i16>> {
        columns.iter().map(|column| self.columns.get(column)?.first().copied()).collect()
    }
}

/// Columns of views by view and number: the relation and column that they were taken from.
type Origins = HashMap<u32, HashMap<i16, (u32, i16)>>;

/// What is known about views.
#[derive(Debug, Default)]
pub(crate) struct Views {
    shown: HashMap<u32, Vec<Shown>>,
    reads: HashMap<u32, Vec<u32>>,
    /// Defaults of columns of tables, by table and number.
    defaults: HashMap<u32, BTreeMap<i16, String>>,
}

impl Views {
    /// Reads definitions and dependencies.
    pub(crate) fn read(snapshot: &Snapshot, relations: &Relations, pace: &Pace) -> Result<Self, LoadError> {
        let mut views = Self::default();
        let mut origins = Origins::new();
        for row in pace.over(&snapshot.view_definitions.rows) {
            let mut cells = Cells::new(sql::VIEW_DEFINITIONS.name, row);
            let view: u32 = cells.number()?;
            match node_tree::origins(cells.text()?) {
                Some(found) => origins.insert(view, by_column(&found)),
                None => {
                    let name = relations.get(view).map(|entry| entry.relation.name.to_string());
                    tracing::warn!(view = name, "the definition of a view is not readable, so it shows no keys");
                    None
                }
            };
        }
        for view in pace.over(origins.keys()).filter(|view| relations.exposed(**view).is_some()) {
            views.add_shown(*view, &origins);
        }
        for row in pace.over(&snapshot.view_reads.rows) {
            let mut cells = Cells::new(sql::VIEW_READS.name, row);
            views.reads.entry(cells.number()?).or_default().push(cells.number()?);
        }
        for row in pace.over(&snapshot.view_defaults.rows) {
            let mut cells = Cells::new(sql::VIEW_DEFAULTS.name, row);
            views.defaults.entry(cells.number()?).or_default().insert(cells.number()?, cells.string()?);
        }
        Ok(views)
    }

    /// The views that show columns of a table.
    pub(crate) fn of_table(&self, table: u32) -> &[Shown] {
        self.shown.get(&table).map_or(&[], Vec::as_slice)
    }

    /// Sets what exposed views have from others: primary keys, defaults and reads.
    pub(crate) fn describe(&self, relations: &mut Relations, keys: &Keys, pace: &Pace) {
        for (view, primary_key) in pace.over(self.primary_keys(keys)) {
            if let Some(entry) = relations.get_mut(view) {
                entry.relation.primary_key = entry.column_names(&primary_key).unwrap_or_default();
            }
        }
        for (table, defaults) in &self.defaults {
            for shown in pace.over(self.of_table(*table)) {
                give_defaults(relations, shown, defaults);
            }
        }
        let exposed: Vec<u32> = self.reads.keys().copied().filter(|view| relations.exposed(*view).is_some()).collect();
        for view in pace.over(exposed) {
            let reads = self.all_reads(view, relations);
            if let Some(entry) = relations.get_mut(view) {
                entry.relation.reads = reads;
            }
        }
    }

    fn add_shown(&mut self, view: u32, origins: &Origins) {
        let mut by_table: HashMap<u32, BTreeMap<i16, Vec<i16>>> = HashMap::new();
        for column in origins[&view].keys() {
            if let Some((table, table_column)) = resolve(origins, view, *column) {
                by_table.entry(table).or_default().entry(table_column).or_default().push(*column);
            }
        }
        for (table, mut columns) in by_table {
            columns.values_mut().for_each(|shown| shown.sort_unstable());
            self.shown.entry(table).or_default().push(Shown { view, columns });
        }
    }

    /// The keys that views show in full. A view over several tables has the keys of all of them, in the order in
    /// which it shows them.
    fn primary_keys(&self, keys: &Keys) -> HashMap<u32, Vec<i16>> {
        let mut parts: HashMap<u32, Vec<Vec<i16>>> = HashMap::new();
        for (table, shown) in &self.shown {
            let Some(key) = keys.primary(*table) else { continue };
            for view in shown {
                parts.entry(view.view).or_default().extend(view.first(key));
            }
        }
        let joined = parts.into_iter().map(|(view, mut parts)| {
            parts.sort();
            (view, parts.concat())
        });
        joined.collect()
    }

    /// Everything that a view reads, with whose rights. A view with `security_invoker` passes the caller on, unless
    /// it is itself read on somebody else's behalf; any other puts its owner in the caller's place, and a
    /// materialized view was filled by its owner.
    fn all_reads(&self, view: u32, relations: &Relations) -> Vec<BaseRead> {
        let passes_caller = |oid: u32| {
            relations.get(oid).is_some_and(|e| e.relation.kind == RelationKind::View && e.relation.security_invoker)
        };
        let mut as_caller_by_oid: HashMap<u32, bool> = HashMap::new();
        let mut waiting = vec![(view, passes_caller(view))];
        while let Some((reader, as_caller)) = waiting.pop() {
            for read in self.reads.get(&reader).into_iter().flatten() {
                // Seen before with the same rights or fewer: nothing new. This also ends cycles.
                if as_caller_by_oid.get(read).is_some_and(|known| !known || as_caller) {
                    continue;
                }
                as_caller_by_oid.insert(*read, as_caller);
                waiting.push((*read, as_caller && passes_caller(*read)));
            }
        }
        let described = as_caller_by_oid.into_iter().filter_map(|(oid, as_caller)| {
            let relation = &relations.get(oid)?.relation;
            let (kind, row_security) = (relation.kind, relation.row_security.enabled);
            Some(BaseRead { relation: relation.name.clone(), kind, row_security, as_caller })
        });
        let mut reads: Vec<BaseRead> = described.collect();
        reads.sort_by(|a, b| a.relation.cmp(&b.relation));
        reads
    }
}

/// Where PostgreSQL writes a view by itself, a column without a default of its own has that of its table.
fn give_defaults(relations: &mut Relations, shown: &Shown, defaults: &BTreeMap<i16, String>) {
    let Some(entry) = relations.get_mut(shown.view).filter(|entry| entry.relation.upsertable) else { return };
    for (column, default) in defaults {
        for number in shown.columns.get(column).into_iter().flatten() {
            let Some(name) = entry.column_name(*number).map(str::to_owned) else { continue };
            if let Some(column) = entry.relation.columns.get_mut(&name).filter(|column| !column.read_only) {
                column.default.get_or_insert_with(|| default.clone());
            }
        }
    }
}

fn by_column(origins: &[Origin]) -> HashMap<i16, (u32, i16)> {
    origins.iter().map(|origin| (origin.column, (origin.relation, origin.relation_column))).collect()
}

/// Follows a column down the chain of views. `CREATE OR REPLACE VIEW` can close a circle of views; a column that
/// comes round again has no origin.
fn resolve(origins: &Origins, view: u32, column: i16) -> Option<(u32, i16)> {
    let mut passed = vec![view];
    let (mut relation, mut number) = (view, column);
    while let Some(columns) = origins.get(&relation) {
        (relation, number) = *columns.get(&number)?;
        if passed.contains(&relation) {
            return None;
        }
        passed.push(relation);
    }
    Some((relation, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(columns: &[(u32, i16, u32, i16)]) -> Origins {
        let mut origins = Origins::new();
        for (view, column, relation, relation_column) in columns {
            origins.entry(*view).or_default().insert(*column, (*relation, *relation_column));
        }
        origins
    }

    #[test]
    fn columns_are_followed_down_chains_and_circles_end() {
        let chain = origins(&[(3, 1, 2, 7), (2, 7, 1, 4), (5, 1, 6, 1), (6, 1, 5, 1), (7, 1, 5, 1), (8, 1, 2, 6)]);
        assert_eq!(resolve(&chain, 3, 1), Some((1, 4)));
        assert_eq!(resolve(&chain, 5, 1), None);
        assert_eq!(resolve(&chain, 7, 1), None);
        assert_eq!(resolve(&chain, 8, 1), None, "a computed column in between ends the chain");
    }

    #[test]
    fn repeated_columns_combine_up_to_a_bound() {
        let columns = [(1, vec![1, 2]), (2, vec![3]), (3, vec![4, 5])].into_iter().collect();
        let shown = Shown { view: 9, columns };
        assert_eq!(shown.combinations(&[1, 2]), [[1, 3], [2, 3]]);
        assert_eq!(shown.combinations(&[3, 1]).len(), 4);
        assert!(shown.combinations(&[1, 8]).is_empty());
        assert_eq!(shown.first(&[3, 1]), Some(vec![4, 1]));

        let wide = Shown { view: 9, columns: (1..5).map(|c| (c, (1..9).collect())).collect() };
        assert_eq!(wide.combinations(&[1, 2, 3, 4]).len(), MAX_COMBINATIONS);
    }
}
