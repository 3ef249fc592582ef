//! Relations of the snapshot by oid: the exposed ones in full, the others as far as views and keys need them.

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::acl::{AclItem, AclReader};
use crate::cells::Cells;
use crate::declared::EnumLabels;
use crate::error::LoadError;
use crate::keys::Keys;
use crate::model::{Column, Generated, QualifiedName, Relation, RelationKind, RowSecurity, TypeClass};
use crate::pace::Pace;
use crate::scope::Scope;
use crate::snapshot::Snapshot;
use crate::sql;

/// Bits of `pg_relation_is_updatable`.
const MAY_UPDATE: i32 = 1 << 2;
const MAY_INSERT: i32 = 1 << 3;
const MAY_DELETE: i32 = 1 << 4;

/// A relation while the catalog is being built.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) relation: Relation,
    /// Only exposed relations have columns and reach the catalog.
    pub(crate) exposed: bool,
}

impl Entry {
    /// The name of a column by its number; `None` for relations that are not exposed.
    pub(crate) fn column_name(&self, number: i16) -> Option<&str> {
        let columns = &self.relation.columns;
        let index = columns.binary_search_by(|_, column| column.position.cmp(&number)).ok()?;
        columns.get_index(index).map(|(name, _)| name.as_str())
    }

    /// The names of columns by their numbers, all or nothing.
    pub(crate) fn column_names(&self, numbers: &[i16]) -> Option<Vec<String>> {
        numbers.iter().map(|n| self.column_name(*n).map(str::to_owned)).collect()
    }
}

/// All user relations.
#[derive(Debug, Default)]
pub(crate) struct Relations {
    by_oid: IndexMap<u32, Entry>,
}

impl Relations {
    /// Reads relations and the columns of the exposed ones.
    pub(crate) fn read(
        snapshot: &Snapshot,
        scope: &Scope,
        enums: &EnumLabels,
        acls: &mut AclReader,
        pace: &Pace,
    ) -> Result<Self, LoadError> {
        // Growing would copy all of them at once.
        let mut relations = Self { by_oid: IndexMap::with_capacity(snapshot.relations.rows.len()) };
        for row in pace.over(&snapshot.relations.rows) {
            let mut cells = Cells::new(sql::RELATIONS.name, row);
            let relation = read_relation(&mut cells, acls)?;
            let exposed = scope.exposes(&relation.name.schema);
            relations.by_oid.insert(relation.oid, Entry { relation, exposed });
        }
        relations.read_columns(snapshot, enums, acls, pace)?;
        relations.read_read_only(snapshot)?;
        Ok(relations)
    }

    pub(crate) fn get(&self, oid: u32) -> Option<&Entry> {
        self.by_oid.get(&oid)
    }

    pub(crate) fn get_mut(&mut self, oid: u32) -> Option<&mut Entry> {
        self.by_oid.get_mut(&oid)
    }

    /// A relation that reaches the catalog.
    pub(crate) fn exposed(&self, oid: u32) -> Option<&Entry> {
        self.get(oid).filter(|entry| entry.exposed)
    }

    /// Sets the keys of exposed tables; keys of views come from `views` and `row_keys`.
    pub(crate) fn set_keys(&mut self, keys: &Keys, pace: &Pace) {
        for (oid, entry) in pace.over(&mut self.by_oid).filter(|(_, entry)| entry.exposed) {
            let primary = keys.primary(*oid).and_then(|columns| entry.column_names(columns));
            let unique = keys.arbiters(*oid).filter_map(|key| entry.column_names(&key.columns)).collect();
            entry.relation.primary_key = primary.unwrap_or_default();
            if !entry.relation.has_heirs {
                entry.relation.row_key.clone_from(&entry.relation.primary_key);
            }
            entry.relation.unique_keys = unique;
        }
    }

    /// What the catalog keeps, in the order of names.
    pub(crate) fn into_exposed(self, pace: &Pace) -> IndexMap<QualifiedName, Arc<Relation>> {
        let exposed = pace.over(self.by_oid.into_values()).filter(|entry| entry.exposed);
        // A tree, because sorting them all at once takes longer than a portion.
        let mut ordered = BTreeMap::new();
        for entry in exposed {
            ordered.insert(entry.relation.name.clone(), Arc::new(entry.relation));
        }
        pace.over(ordered).collect()
    }

    fn read_columns(
        &mut self,
        snapshot: &Snapshot,
        enums: &EnumLabels,
        acls: &mut AclReader,
        pace: &Pace,
    ) -> Result<(), LoadError> {
        let mut comparable = HashSet::new();
        for row in &snapshot.comparable_types.rows {
            comparable.insert(Cells::new(sql::COMPARABLE_TYPES.name, row).number()?);
        }
        for row in pace.over(&snapshot.columns.rows) {
            let mut cells = Cells::new(sql::COLUMNS.name, row);
            let relation: u32 = cells.number()?;
            let mut column = read_column(&mut cells, &comparable)?;
            let grants = cells.optional()?;
            if let Some(values) = enums.get(&column.type_oid) {
                column.enum_values.clone_from(values);
            }
            // A relation that appeared between two queries is left to the next load.
            let Some(entry) = self.get_mut(relation) else { continue };
            if grants.is_some() {
                let items = acls.read(sql::COLUMNS.name, grants)?;
                grant_column(&mut entry.relation, &column.name, &items);
            }
            entry.relation.columns.insert(column.name.clone(), column);
        }
        Ok(())
    }

    fn read_read_only(&mut self, snapshot: &Snapshot) -> Result<(), LoadError> {
        for row in &snapshot.read_only_columns.rows {
            let mut cells = Cells::new(sql::READ_ONLY_COLUMNS.name, row);
            let relation: u32 = cells.number()?;
            let name = cells.text()?;
            let column = self.get_mut(relation).and_then(|entry| entry.relation.columns.get_mut(name));
            if let Some(column) = column {
                column.read_only = true;
            }
        }
        Ok(())
    }
}

fn read_relation(cells: &mut Cells<'_>, acls: &mut AclReader) -> Result<Relation, LoadError> {
    let oid = cells.number()?;
    let name = QualifiedName::new(cells.text()?, cells.text()?);
    let kind = match cells.text()? {
        "r" => RelationKind::Table,
        "p" => RelationKind::PartitionedTable,
        "v" => RelationKind::View,
        "m" => RelationKind::MaterializedView,
        "f" => RelationKind::ForeignTable,
        _ => return Err(cells.wrong("is no kind that was asked for")),
    };
    let comment = cells.optional_string()?;
    let owner = cells.string()?;
    let row_security = RowSecurity { enabled: cells.flag()?, forced: cells.flag()? };
    let security_invoker = cells.flag()?;
    let writable: i32 = cells.number()?;
    let items: Rc<[AclItem]> = acls.read(sql::RELATIONS.name, cells.optional()?)?;
    let has_heirs = cells.flag()?;
    let takes_conflicts = cells.flag()?;
    Ok(Relation {
        oid,
        name,
        kind,
        comment,
        owner,
        has_heirs,
        insertable: writable & MAY_INSERT != 0,
        updatable: writable & MAY_UPDATE != 0,
        upsertable: writable & MAY_INSERT != 0 && takes_conflicts,
        deletable: writable & MAY_DELETE != 0,
        row_security,
        security_invoker,
        grants: items.iter().map(|item| (item.grantee.clone(), item.grants())).collect(),
        ..Relation::default()
    })
}

fn read_column(cells: &mut Cells<'_>, comparable: &HashSet<u32>) -> Result<Column, LoadError> {
    let name = cells.string()?;
    let position = cells.number()?;
    let comment = cells.optional_string()?;
    let nullable = cells.flag()?;
    let base_type = cells.string()?;
    let declared_type = cells.string()?;
    let shown_type = cells.string()?;
    let type_oid = cells.number()?;
    let (kind, category) = (cells.text()?, cells.text()?);
    let type_class = type_class(kind, category, type_oid);
    let (compared, compared_kind): (u32, _) = (cells.number()?, cells.text()?);
    let comparable = comparable.contains(&compared) || matches!(compared_kind, "e" | "r" | "m");
    let max_length = cells.optional_number()?;
    let default = cells.optional_string()?;
    let generated = match (cells.text()?, cells.text()?) {
        ("a", _) => Generated::IdentityAlways,
        ("d", _) => Generated::IdentityByDefault,
        ("", "") => Generated::No,
        _ => Generated::Computed,
    };
    Ok(Column {
        name,
        position,
        comment,
        nullable,
        base_type,
        declared_type,
        shown_type,
        type_oid,
        type_class,
        max_length,
        default,
        generated,
        read_only: false,
        shows_null: false,
        comparable,
        enum_values: Vec::new(),
    })
}

/// The class of a type by `typtype`, `typcategory` and oid; the oids of built-in types never change.
pub(crate) fn type_class(kind: &str, category: &str, oid: u32) -> TypeClass {
    const JSON: u32 = 114;
    const JSONB: u32 = 3802;
    const TSVECTOR: u32 = 3614;
    match (oid, kind, category) {
        (JSON, ..) => TypeClass::Json,
        (JSONB, ..) => TypeClass::Jsonb,
        (TSVECTOR, ..) => TypeClass::TsVector,
        (_, "c", _) => TypeClass::Composite,
        (_, _, "A") => TypeClass::Array,
        _ => TypeClass::Scalar,
    }
}

fn grant_column(relation: &mut Relation, column: &str, items: &[AclItem]) {
    for item in items {
        let grants = relation.grants.entry(item.grantee.clone()).or_default();
        for (letter, columns) in
            [('r', &mut grants.select_columns), ('a', &mut grants.insert_columns), ('w', &mut grants.update_columns)]
        {
            if item.has(letter) {
                columns.push(column.to_owned());
            }
        }
    }
}
