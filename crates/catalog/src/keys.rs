//! Primary, unique and foreign keys of every user table, by oid and column number.
//!
//! Tables that are not exposed count too: a view shows their keys. Names come later, where a relation is exposed.

use std::collections::{HashMap, HashSet};

use crate::cells::Cells;
use crate::error::LoadError;
use crate::pace::Pace;
use crate::snapshot::Snapshot;
use crate::sql;

/// A foreign key.
#[derive(Debug)]
pub(crate) struct ForeignKey {
    /// The table that has it.
    pub(crate) table: u32,
    /// The table that it refers to.
    pub(crate) referenced: u32,
    /// Constraint name, unique in its table only.
    pub(crate) name: String,
    /// Its columns.
    pub(crate) columns: Vec<i16>,
    /// The columns that they refer to, in the same order.
    pub(crate) referenced_columns: Vec<i16>,
    /// `COMMENT ON`.
    pub(crate) comment: Option<String>,
}

/// A unique key.
#[derive(Debug)]
pub(crate) struct Unique {
    pub(crate) columns: Vec<i16>,
    /// How its index compares them: operator class, type of the column, whether by the column's own collation.
    pub(crate) compared: Vec<(u32, u32, bool)>,
}

/// All keys.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    primary: HashMap<u32, Vec<i16>>,
    arbiters: HashMap<u32, Vec<Unique>>,
    /// Column sets of primary keys and unique constraints, sorted. A unique index without a constraint does not make
    /// a foreign key one-to-one: the reference does not look at indexes.
    constrained: HashSet<(u32, Vec<i16>)>,
    pub(crate) foreign: Vec<ForeignKey>,
}

impl Keys {
    /// Reads them.
    pub(crate) fn read(snapshot: &Snapshot, pace: &Pace) -> Result<Self, LoadError> {
        let mut keys = Self::default();
        for row in pace.over(&snapshot.unique_keys.rows) {
            let mut cells = Cells::new(sql::UNIQUE_KEYS.name, row);
            let table: u32 = cells.number()?;
            let (primary, constrained, arbiter) = (cells.flag()?, cells.flag()?, cells.flag()?);
            let columns: Vec<i16> = cells.list()?;
            if constrained {
                keys.constrained.insert((table, sorted(&columns)));
            }
            if primary {
                keys.primary.insert(table, columns);
            } else if arbiter {
                keys.arbiters.entry(table).or_default().push(Unique { columns, compared: cells.list()? });
            }
        }
        for row in pace.over(&snapshot.foreign_keys.rows) {
            let mut cells = Cells::new(sql::FOREIGN_KEYS.name, row);
            keys.foreign.push(ForeignKey {
                table: cells.number()?,
                referenced: cells.number()?,
                name: cells.string()?,
                columns: cells.list()?,
                referenced_columns: cells.list()?,
                comment: cells.optional_string()?,
            });
        }
        Ok(keys)
    }

    /// Frees them.
    pub(crate) fn discard(self, pace: &Pace) {
        pace.over(self.primary).for_each(drop);
        pace.over(self.arbiters).for_each(drop);
        pace.over(self.constrained).for_each(drop);
        pace.over(self.foreign).for_each(drop);
    }

    /// The primary key of a table, in key order.
    pub(crate) fn primary(&self, table: u32) -> Option<&[i16]> {
        self.primary.get(&table).map(Vec::as_slice)
    }

    /// Unique keys that ON CONFLICT can name, the primary key aside.
    pub(crate) fn arbiters(&self, table: u32) -> impl Iterator<Item = &Unique> {
        self.arbiters.get(&table).into_iter().flatten()
    }

    /// Whether at most one row of the table has a given key value: the columns of the foreign key are, in any order,
    /// exactly those of a primary key or unique constraint.
    pub(crate) fn is_unique(&self, key: &ForeignKey) -> bool {
        self.constrained.contains(&(key.table, sorted(&key.columns)))
    }
}

fn sorted(columns: &[i16]) -> Vec<i16> {
    let mut columns = columns.to_vec();
    columns.sort_unstable();
    columns
}
