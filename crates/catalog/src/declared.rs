//! Enums, composite types and domains from the rows of the snapshot.

use std::collections::HashMap;

use indexmap::IndexMap;

use crate::cells::Cells;
use crate::error::LoadError;
use crate::model::{DeclaredType, Field, QualifiedName};
use crate::snapshot::Snapshot;
use crate::sql;

/// The values of enums by the oid of the type.
pub(crate) type EnumLabels = HashMap<u32, Vec<String>>;

/// What users declared.
#[derive(Default)]
pub(crate) struct Declared {
    pub(crate) types: IndexMap<QualifiedName, DeclaredType>,
    pub(crate) comments: HashMap<QualifiedName, String>,
    pub(crate) enum_labels: EnumLabels,
    /// The types that domains stand on, by oid.
    pub(crate) bases: HashMap<u32, u32>,
}

pub(crate) fn read(snapshot: &Snapshot) -> Result<Declared, LoadError> {
    let mut declared = Declared::default();
    for row in &snapshot.types.rows {
        let mut cells = Cells::new(sql::TYPES.name, row);
        let oid = cells.number()?;
        let name = QualifiedName::new(cells.text()?, cells.text()?);
        let labels: Vec<String> = cells.list()?;
        let fields: Vec<(String, String)> = cells.list()?;
        let base = cells.optional_string()?;
        if let Some(comment) = cells.optional_string()? {
            declared.comments.insert(name.clone(), comment);
        }
        declared.bases.extend(cells.optional_number::<u32>()?.map(|base| (oid, base)));
        let declared_type = if let Some(base) = base {
            DeclaredType::Domain(base)
        } else if labels.is_empty() {
            let fields = fields.into_iter().map(|(name, type_name)| Field { name, type_name });
            DeclaredType::Composite(fields.collect())
        } else {
            declared.enum_labels.insert(oid, labels.clone());
            DeclaredType::Enum(labels)
        };
        declared.types.insert(name, declared_type);
    }
    Ok(declared)
}
