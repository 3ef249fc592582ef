//! Keys of tables: by which rows are found, and which decide whether a new row is there already.

use crate::model::{Table, UniqueKey};

/// The keys of a table whose columns are all fields, under names that tell them apart. A unique index says nothing of the rows
/// of tables that inherit from its own, but decides which new rows are there already.
pub(super) fn of(table: &Table) -> Vec<UniqueKey> {
    let mut keys: Vec<UniqueKey> = Vec::new();
    for columns in std::iter::once(&table.key).chain(&table.relation.unique_keys) {
        let fields: Option<Vec<_>> = columns.iter().map(|column| table.field_of(column)).collect();
        let Some(fields) = fields.filter(|fields| !fields.is_empty()) else { continue };
        let name = fields.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join("_");
        let holds = !table.relation.has_heirs || *columns == table.key;
        let finds = holds && fields.iter().all(|(_, column)| column.readable);
        // An index over the same columns in the same order says nothing new.
        if keys.iter().all(|known| known.name != name) {
            keys.push(UniqueKey { name, columns: columns.clone(), finds });
        }
    }
    keys
}
