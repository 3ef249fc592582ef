//! What writes take and answer.

use apollo_compiler::ast::{FieldDefinition, Value};

use super::Drawing;
use super::build::{
    argument, described, field, full_list, input, input_object, input_with_default, object, optional, required,
};
use super::nested::Verb;
use crate::model::{MutationField, Table, TableId};

/// Said of a column that has neither a default nor NULL. Its field is nullable all the same, as in pg_graphql.
pub(crate) const NEEDED: &str = "A new row needs it.";

impl Drawing<'_> {
    /// The types of a table's writes.
    pub(super) fn changes(&mut self, id: TableId) {
        let table = &self.model.tables[id];
        self.given(table);
        for (may, what) in [
            (table.insertable, "InsertResponse"),
            (table.updatable, "UpdateResponse"),
            (table.deletable, "DeleteResponse"),
        ] {
            if may {
                let affected = described(field("affectedCount", required("Int")), "How many rows were changed.");
                let mut fields = vec![affected];
                // A role may write what it cannot read.
                if table.is_readable() {
                    let records = field("records", full_list(&table.type_name));
                    fields.push(described(records, "The rows that were changed."));
                }
                object(&mut self.schema, &table.type_of(what), None, fields);
            }
        }
    }

    fn given(&mut self, table: &Table) {
        let mut inserted = Vec::new();
        let mut updated = Vec::new();
        for (name, _, column) in table.columns() {
            if column.insertable {
                let mut given = input(name, self.value(&column.value));
                if !column.optional {
                    given.description = Some(NEEDED.into());
                }
                inserted.push(given);
            }
            if column.updatable {
                updated.push(input(name, self.value(&column.value)));
            }
        }
        if !inserted.is_empty() {
            inserted.extend(self.related(table, Verb::Insert));
        }
        if !inserted.is_empty() {
            input_object(&mut self.schema, &table.type_of("InsertInput"), inserted);
        }
        if !updated.is_empty() {
            let set = table.type_of("UpdateInput");
            input_object(&mut self.schema, &set, updated);
            let filter = input("filter", optional(&table.type_of("Filter")));
            let most = input_with_default("atMost", required("Int"), Some(Value::from(1_i32)));
            let fields = [input("set", required(&set)), filter, most];
            input_object(&mut self.schema, &table.type_of("Update"), fields);
        }
    }

    pub(super) fn mutation_field(&mut self, name: &str, root: &MutationField) -> FieldDefinition {
        let model = self.model;
        let table = |id: &TableId| &model.tables[*id];
        match root {
            MutationField::Insert(id) => {
                let table = table(id);
                let drawn = field(name, optional(&table.type_of("InsertResponse")));
                let mut drawn = argument(drawn, "objects", full_list(&table.type_of("InsertInput")), None);
                if table.named_keys().next().is_some() {
                    drawn = argument(drawn, "onConflict", optional(&table.type_of("OnConflict")), None);
                }
                described(drawn, &format!("Adds rows of type `{}`.", table.type_name))
            }
            MutationField::Update(id) => {
                let table = table(id);
                let drawn = field(name, required(&table.type_of("UpdateResponse")));
                let drawn = argument(drawn, "set", required(&table.type_of("UpdateInput")), None);
                described(changing(drawn, table), &format!("Changes rows of type `{}`.", table.type_name))
            }
            MutationField::UpdateMany(id) => {
                let table = table(id);
                let drawn = field(name, full_list(&table.type_of("UpdateResponse")));
                let drawn = argument(drawn, "updates", full_list(&table.type_of("Update")), None);
                described(drawn, &format!("Changes rows of type `{}`, one change after the other.", table.type_name))
            }
            MutationField::UpdateByKey(id) => {
                let table = table(id);
                let drawn = self.by_key(field(name, optional(&table.type_name)), *id);
                let mut drawn = argument(drawn, "set", optional(&table.type_of("UpdateInput")), None);
                if self.has_related(table) {
                    drawn = argument(drawn, "related", optional(&table.type_of("Related")), None);
                }
                described(drawn, &format!("Changes the `{}` with this key.", table.type_name))
            }
            MutationField::Delete(id) => {
                let table = table(id);
                let drawn = field(name, required(&table.type_of("DeleteResponse")));
                described(changing(drawn, table), &format!("Removes rows of type `{}`.", table.type_name))
            }
            MutationField::DeleteByKey(id) => {
                let table = table(id);
                let drawn = self.by_key(field(name, optional(&table.type_name)), *id);
                described(drawn, &format!("Removes the `{}` with this key.", table.type_name))
            }
            MutationField::Call(callee) => self.call(name, callee),
        }
    }
}

/// The arguments of a change of rows that are there.
fn changing(drawn: FieldDefinition, table: &Table) -> FieldDefinition {
    let drawn = argument(drawn, "filter", optional(&table.type_of("Filter")), None);
    argument(drawn, "atMost", required("Int"), Some(Value::from(1_i32)))
}
