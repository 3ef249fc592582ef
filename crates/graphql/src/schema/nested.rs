//! What rows hold when they are written: new rows, and keys of rows that are there.

use apollo_compiler::ast::{InputValueDefinition, Value};
use ferrobase_query::plan::Join;

use super::Drawing;
use super::build::{input, input_object, input_with_default, list_of_required, one_of, optional, required};
use crate::model::{FieldKind, Reference, Table, TableId};

/// What happens to the row that holds others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Insert,
    Update,
}

impl Drawing<'_> {
    /// The types in which rows of a table are held by others, and those in which they hold others when they are changed.
    pub(super) fn nested(&mut self, id: TableId) {
        let table = &self.model.tables[id];
        let (new, key) = (table.type_of("InsertInput"), table.type_of("KeyInput"));
        let (makes, finds) = (is_made(table), is_found(table));
        let one: Vec<_> =
            [(makes, "create", &new), (finds, "connect", &key)].into_iter().filter(|(may, _, _)| *may).collect();
        if !one.is_empty() {
            let fields = one.iter().map(|(_, verb, of)| input(verb, optional(of)));
            one_of(&mut self.schema, &table.type_of("OneInput"), fields);
        }
        let mut many = Vec::new();
        if makes {
            many.push(input("create", list_of_required(&new)));
        }
        if finds && is_changed(table) {
            many.push(input("connect", list_of_required(&key)));
        }
        if !many.is_empty() {
            input_object(&mut self.schema, &table.type_of("ManyInput"), many.clone());
        }
        if is_changed(table) {
            many.push(input("update", list_of_required(&table.type_of("Update"))));
        }
        if table.deletable {
            let most = input_with_default("atMost", required("Int"), Some(Value::from(1_i32)));
            let fields = [input("filter", optional(&table.type_of("Filter"))), most];
            input_object(&mut self.schema, &table.type_of("Remove"), fields);
            many.push(input("remove", list_of_required(&table.type_of("Remove"))));
        }
        if !many.is_empty() {
            input_object(&mut self.schema, &table.type_of("ManyUpdate"), many);
        }
        if self.has_related(table) {
            let fields = self.related(table, Verb::Update);
            input_object(&mut self.schema, &table.type_of("Related"), fields);
        }
    }

    /// Whether rows can be written with the row of a table that is changed.
    pub(super) fn has_related(&self, table: &Table) -> bool {
        is_changed(table) && !self.related(table, Verb::Update).is_empty()
    }

    /// Fields of a row that is written which hold other rows.
    pub(super) fn related(&self, table: &Table, verb: Verb) -> Vec<InputValueDefinition> {
        let mut fields = Vec::new();
        for (name, field) in &table.fields {
            let (FieldKind::One(to) | FieldKind::Many(to)) = &field.kind else { continue };
            if let Some(what) = self.held(table, to, verb) {
                fields.push(input(name, optional(&self.model.tables[to.table].type_of(what))));
            }
        }
        fields
    }

    /// The type of what is held.
    fn held(&self, table: &Table, to: &Reference, verb: Verb) -> Option<&'static str> {
        let Join::Columns(pairs) = &to.join else { return None };
        let other = &self.model.tables[to.table];
        if to.refers {
            let may = |column: &String| {
                let (_, column) = table.field_of(column)?;
                Some(if verb == Verb::Insert { column.insertable } else { column.updatable })
            };
            let sets = pairs.iter().all(|(own, _)| may(own) == Some(true));
            return (sets && (is_made(other) || is_found(other))).then_some("OneInput");
        }
        match verb {
            Verb::Insert => (is_made(other) || is_found(other) && is_changed(other)).then_some("ManyInput"),
            Verb::Update => (is_made(other) || is_changed(other) || other.deletable).then_some("ManyUpdate"),
        }
    }
}

fn is_made(table: &Table) -> bool {
    table.insertable && table.columns().any(|(_, _, column)| column.insertable)
}

fn is_changed(table: &Table) -> bool {
    table.updatable && table.columns().any(|(_, _, column)| column.updatable)
}

/// Whether rows that are there can be named.
fn is_found(table: &Table) -> bool {
    table.keys.iter().any(|key| key.finds)
}
