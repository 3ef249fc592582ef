//! Which columns of a mutation's or function's rows the rest of the statement reads.
//!
//! Only those are returned: a role may be allowed to write rows of which it may read some columns only. A row handed
//! to a computed relationship, or `*`, needs all of them.

use ferrobase_catalog::Relation;
use ferrobase_query::plan::{Columns, Condition, Distinct, GroupKey, Join, Operation, OrderBy, Read, Select, Value};

/// What a read takes from its source.
#[derive(Debug, Default)]
struct Needed {
    /// All columns are shown.
    star: bool,
    /// The row itself is the argument of a function.
    row: bool,
    names: Vec<String>,
}

impl Needed {
    fn add(&mut self, name: &str) {
        if !self.names.iter().any(|known| known == name) {
            self.names.push(name.to_owned());
        }
    }

    fn of(read: &Read) -> Self {
        let mut needed = Self { star: read.select.is_empty() && read.embeds.is_empty(), ..Self::default() };
        read.select.iter().for_each(|select| needed.add_select(select));
        read.filters.iter().chain(&read.having).for_each(|condition| needed.add_condition(condition));
        for key in &read.group_by {
            if let GroupKey::Field(field) = key {
                needed.add(&field.name);
            }
        }
        let distinct = match &read.distinct {
            Some(Distinct::On(values)) => values.as_slice(),
            Some(Distinct::Rows) | None => &[],
        };
        distinct.iter().chain(read.order.iter().map(|order| &order.by)).for_each(|by| needed.add_order(by));
        for embed in &read.embeds {
            match &embed.join {
                Join::Columns(pairs) | Join::Junction { parent: pairs, .. } => {
                    pairs.iter().for_each(|(column, _)| needed.add(column));
                }
                Join::Function { .. } => needed.row = true,
            }
        }
        needed
    }

    fn add_order(&mut self, by: &OrderBy) {
        match by {
            OrderBy::Field(field) | OrderBy::Similarity { field, .. } | OrderBy::Distance { field, .. } => {
                self.add(&field.name);
            }
            OrderBy::Value(select) => self.add_select(select),
            OrderBy::Embedded { .. } => {}
        }
    }

    fn add_select(&mut self, select: &Select) {
        match &select.value {
            Value::Field(field) => self.add(&field.name),
            Value::Star => self.star |= select.aggregate.is_none(),
            Value::One => {}
        }
        for condition in select.aggregate.iter().flat_map(|aggregate| &aggregate.filter) {
            self.add_condition(condition);
        }
    }

    fn add_operation(&mut self, operation: &Operation) {
        if let Operation::Column { field, .. } = operation {
            self.add(&field.name);
        }
    }

    fn add_condition(&mut self, condition: &Condition) {
        match condition {
            Condition::Compare(comparison) => {
                self.add(&comparison.field.name);
                self.add_operation(&comparison.operation);
            }
            Condition::Aggregate(comparison) => {
                self.add_select(&comparison.of);
                self.add_operation(&comparison.operation);
            }
            Condition::Group { items, .. } => items.iter().for_each(|item| self.add_condition(item)),
            Condition::NotTrue(condition) => self.add_condition(condition),
            Condition::Related(related) => {
                if let Join::Columns(pairs) = &related.join {
                    pairs.iter().for_each(|(own, _)| self.add(own));
                }
            }
            Condition::Embedded { .. } | Condition::Unknown => {}
        }
    }
}

/// Columns that a read uses for something else than showing them.
pub(crate) fn used(read: &Read) -> Vec<String> {
    Needed::of(&Read { select: Vec::new(), ..read.clone() }).names
}

/// Columns that conditions look at.
pub(crate) fn compared(conditions: &[Condition]) -> Vec<String> {
    let mut needed = Needed::default();
    conditions.iter().for_each(|condition| needed.add_condition(condition));
    needed.names
}

/// The columns that a read needs of its source. Computed fields beside `*` become columns of the source, so that `*`
/// must be written out: it would show them twice.
pub(super) fn columns(read: &mut Read, relation: Option<&Relation>) -> Columns {
    let needed = Needed::of(read);
    if needed.row {
        return Columns::All;
    }
    if !needed.star {
        return Columns::Named(needed.names);
    }
    let computed = |name: &String| relation.is_some_and(|relation| relation.computed_field(name).is_some());
    let extra: Vec<String> = needed.names.into_iter().filter(computed).collect();
    let Some(relation) = relation.filter(|_| !extra.is_empty()) else { return Columns::All };
    let all = || relation.columns.keys().cloned();
    read.select = std::mem::take(&mut read.select)
        .into_iter()
        .flat_map(|select| match select {
            Select { value: Value::Star, aggregate: None, .. } => all().map(Select::column).collect(),
            other => vec![other],
        })
        .collect();
    Columns::Named(all().chain(extra).collect())
}
