//! Keys: by which rows are found, and what happens to new rows that are there already.

use apollo_compiler::ast::{FieldDefinition, Value};

use super::Drawing;
use super::build::{
    argument, described, enumeration, input, input_object, input_with_default, list_of_required, one_of, optional,
    required,
};
use crate::model::{Table, TableId, UniqueKey};
use crate::naming::{camel, is_enum_value, upper_first};

impl Drawing<'_> {
    /// What is said about keys of a table.
    pub(super) fn keys(&mut self, id: TableId) {
        let table = &self.model.tables[id];
        if table.insertable && table.named_keys().next().is_some() {
            self.on_conflict(table);
        }
        if table.updatable {
            let columns: Vec<_> = table.changeable().collect();
            if !columns.is_empty() {
                enumeration(&mut self.schema, &table.type_of("UpdateColumn"), None, columns);
            }
        }
        let columns: Vec<_> = table.comparable().map(|(name, _)| name.as_str()).collect();
        if !columns.is_empty() {
            enumeration(&mut self.schema, &table.type_of("Column"), None, columns);
        }
        if table.keys.iter().any(|key| key.finds) {
            self.key_input(table);
        }
    }

    fn on_conflict(&mut self, table: &Table) {
        let key = table.type_of("Key");
        enumeration(&mut self.schema, &key, None, table.named_keys().map(|key| key.name.as_str()));
        // The first of all keys, or none: what is said when nothing is said.
        let first = table.keys.first().filter(|key| is_enum_value(&key.name));
        let first = first.map(|key| Value::Enum(super::build::name(&key.name)));
        let mut fields = vec![input_with_default("key", required(&key), first)];
        if table.updatable && table.changeable().next().is_some() {
            fields.push(input("update", list_of_required(&table.type_of("UpdateColumn"))));
            fields.push(input("where", optional(&table.type_of("Filter"))));
        }
        input_object(&mut self.schema, &table.type_of("OnConflict"), fields);
    }

    /// One of the keys with its values.
    fn key_input(&mut self, table: &Table) {
        let mut fields = Vec::new();
        for key in table.keys.iter().filter(|key| key.finds) {
            let columns: Vec<_> = key.columns.iter().filter_map(|column| table.field_of(column)).collect();
            if let [(name, column)] = columns.as_slice() {
                let ty = self.value(&column.value);
                fields.push(input(name, ty));
                continue;
            }
            let own = key_type(table, key);
            let parts: Vec<_> =
                columns.iter().map(|(name, column)| input(name, self.value(&column.value).non_null())).collect();
            input_object(&mut self.schema, &own, parts);
            fields.push(input(&key.name, optional(&own)));
        }
        one_of(&mut self.schema, &table.type_of("KeyInput"), fields);
    }

    /// The field that gives the row of any key.
    pub(super) fn by_any_key(&self, drawn: FieldDefinition, id: TableId) -> FieldDefinition {
        let table = &self.model.tables[id];
        let drawn = argument(drawn, "key", required(&table.type_of("KeyInput")), None);
        described(drawn, &format!("The `{}` with one of its keys.", table.type_name))
    }

    /// The field with the columns of the primary key as its arguments.
    pub(super) fn by_key(&mut self, mut drawn: FieldDefinition, id: TableId) -> FieldDefinition {
        let table = &self.model.tables[id];
        for column in &table.key {
            if let Some((key, column)) = table.field_of(column) {
                drawn = argument(drawn, key, self.value(&column.value).non_null(), None);
            }
        }
        drawn
    }
}

/// The name of the input of a key of several columns.
pub(crate) fn key_type(table: &Table, key: &UniqueKey) -> String {
    table.type_of(&format!("{}Key", upper_first(&camel(&key.name))))
}
