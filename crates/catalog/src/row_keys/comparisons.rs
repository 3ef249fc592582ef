//! When values are the same: that depends on their type and, of texts, on the collation.
//!
//! A key tells rows apart by the default equality of the types of its columns and by their own collations. Values that
//! another equality calls the same may be several to the key.

use std::collections::{HashMap, HashSet};

use crate::cells::Cells;
use crate::error::LoadError;
use crate::parts::Part;
use crate::snapshot::Snapshot;
use crate::sql;

/// What compares values, all by oid.
pub(super) struct Comparisons {
    equalities: HashSet<u32>,
    /// By them, different texts may be the same.
    loose_collations: HashSet<u32>,
    /// The operator families of types.
    families: HashMap<u32, u32>,
    /// Operator classes: their family, and whether they are the default of a type.
    classes: HashMap<u32, (u32, bool)>,
    /// The types that domains stand on.
    bases: HashMap<u32, u32>,
}

impl Comparisons {
    pub(super) fn read(snapshot: &Snapshot, bases: HashMap<u32, u32>) -> Result<Self, LoadError> {
        let mut read = Self {
            equalities: HashSet::new(),
            loose_collations: HashSet::new(),
            families: HashMap::new(),
            classes: HashMap::new(),
            bases,
        };
        for row in &snapshot.equality_operators.rows {
            read.equalities.insert(Cells::new(sql::EQUALITY_OPERATORS.name, row).number()?);
        }
        for row in &snapshot.loose_collations.rows {
            read.loose_collations.insert(Cells::new(sql::LOOSE_COLLATIONS.name, row).number()?);
        }
        for row in &snapshot.comparable_types.rows {
            let mut cells = Cells::new(sql::COMPARABLE_TYPES.name, row);
            let of: u32 = cells.number()?;
            read.families.extend(cells.optional_number::<u32>()?.map(|family| (of, family)));
        }
        for row in &snapshot.operator_classes.rows {
            let mut cells = Cells::new(sql::OPERATOR_CLASSES.name, row);
            read.classes.insert(cells.number()?, (cells.number()?, cells.flag()?));
        }
        Ok(read)
    }

    /// Whether an operator is the equality of the types that it compares.
    pub(super) fn is_equality(&self, operator: Option<u32>) -> bool {
        operator.is_some_and(|operator| self.equalities.contains(&operator))
    }

    /// Whether an equality tells the values of a column of its operands apart as the column's own collation does.
    pub(super) fn is_as_fine(&self, equality: Part<'_>, operand: Part<'_>) -> bool {
        let Some(collation) = equality.number(":inputcollid") else { return false };
        let own = operand.number::<u32>(if operand.label() == "VAR" { ":varcollid" } else { ":resultcollid" });
        !self.loose_collations.contains(&collation) || own == Some(collation)
    }

    /// Whether the types of two expressions have one equality.
    pub(super) fn are_alike(&self, one: Part<'_>, other: Part<'_>) -> bool {
        let family =
            |of: Part<'_>| self.family(of.number(if of.label() == "VAR" { ":vartype" } else { ":resulttype" })?);
        family(one).is_some_and(|known| family(other) == Some(known))
    }

    /// Whether an index compares each of its columns (operator class, type, by its own collation) as others do.
    pub(super) fn are_usual(&self, compared: &[(u32, u32, bool)]) -> bool {
        compared.iter().all(|(class, of, own_collation)| {
            let Some((family, is_default)) = self.classes.get(class) else { return false };
            *own_collation && self.family(*of).map_or(*is_default, |own| own == *family)
        })
    }

    fn family(&self, of: u32) -> Option<u32> {
        self.families.get(self.bases.get(&of).unwrap_or(&of)).copied()
    }
}
