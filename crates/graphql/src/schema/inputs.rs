//! What tables take: filters, orders, new values.

use super::Drawing;
use super::build::{input, input_object, list_of_required, optional, required};
use crate::model::{FieldKind, TableId};
use crate::scalar::{Class, ValueType};
use apollo_compiler::ast::Type;

impl Drawing<'_> {
    /// The types in which something is asked of a table, or given to it.
    pub(super) fn inputs(&mut self, id: TableId) {
        self.filter(id);
        self.order(id);
    }

    pub(super) fn filter(&mut self, id: TableId) {
        let table = &self.model.tables[id];
        let own = table.type_of("Filter");
        let mut fields = Vec::new();
        for (name, field) in &table.fields {
            match &field.kind {
                FieldKind::NodeId => fields.push(input(name, optional("IDFilter"))),
                FieldKind::Column(column) if column.readable && column.value.class == Class::Sealed => {
                    input_object(&mut self.schema, "NullFilter", [input("is", optional("FilterIs"))]);
                    fields.push(input(name, optional("NullFilter")));
                }
                FieldKind::Column(column) if column.readable => {
                    self.value(&column.value);
                    let filter = filter_name(&column.value.name, column.value.is_list);
                    fields.push(input(name, optional(&filter)));
                }
                FieldKind::Column(_) => {}
                FieldKind::One(to) => {
                    fields.push(input(name, optional(&self.model.tables[to.table].type_of("Filter"))));
                }
                FieldKind::Many(to) => {
                    fields.push(input(name, optional(&self.model.tables[to.table].type_of("ManyFilter"))));
                }
            }
        }
        for (name, ty) in [("and", list_of_required(&own)), ("or", list_of_required(&own)), ("not", optional(&own))] {
            // A column of that name wins: whoever made it knows nothing of ours.
            if !table.shown(name) {
                fields.push(input(name, ty));
            }
        }
        input_object(&mut self.schema, &own, fields);
        if table.view.is_some() {
            return;
        }
        let mut many: Vec<_> = ["some", "none", "every"].map(|name| input(name, optional(&own))).into();
        many.push(input("exists", optional("Boolean")));
        if table.has_groups() {
            many.push(input("filter", optional(&own)));
            many.extend(self.asked_of_aggregates(table));
        }
        input_object(&mut self.schema, &table.type_of("ManyFilter"), many);
    }

    pub(super) fn order(&mut self, id: TableId) {
        let table = &self.model.tables[id];
        let mut fields = Vec::new();
        for (name, field) in &table.fields {
            match &field.kind {
                FieldKind::Column(column) if column.readable && column.value.class.is_ordered() => {
                    fields.push(input(name, optional("OrderByDirection")));
                }
                FieldKind::Column(column)
                    if column.readable && column.value.class == Class::Json && !column.value.is_list =>
                {
                    fields.push(input(name, optional("JSONOrderBy")));
                }
                FieldKind::One(to) if crate::plan::can_order_by(to) => {
                    fields.push(input(name, optional(&self.model.tables[to.table].type_of("OrderBy"))));
                }
                FieldKind::Many(to) if crate::plan::can_order_by(to) => {
                    let below = &self.model.tables[to.table];
                    if below.has_groups() {
                        fields.push(input(name, optional(&below.type_of("AggregateOrderBy"))));
                    }
                }
                _ => {}
            }
        }
        // (The columns of a view have no enum.)
        let has_texts = table.view.is_none() && table.has_texts();
        if self.model.trigrams.is_some() && has_texts && !table.shown("similarity") {
            let own = table.type_of("Similarity");
            let column = input("column", required(&table.type_of("Column")));
            input_object(&mut self.schema, &own, [column, input("to", required("String"))]);
            fields.push(input("similarity", optional(&own)));
        }
        if fields.is_empty() {
            fields.push(input("nodeId", optional("OrderByDirection")));
        }
        input_object(&mut self.schema, &table.type_of("OrderBy"), fields);
    }

    /// Filters that are the same for all tables.
    pub(super) fn common_filters(&mut self) {
        super::build::enumeration(&mut self.schema, "FilterIs", None, ["NULL", "NOT_NULL"]);
        input_object(&mut self.schema, "IDFilter", [input("eq", optional("ID"))]);
        let modes = ["plain", "phrase", "web", "operators"];
        super::build::enumeration(&mut self.schema, "FullTextMode", Some("How a search is read."), modes);
        let configuration = input("configuration", optional("String"));
        let search = [input("query", required("String")), configuration, input("mode", optional("FullTextMode"))];
        input_object(&mut self.schema, "FullText", search);
        // Both filters use it, and a schema without texts has none of them.
        self.value(&ValueType::of_class(Class::String));
        let path = Type::NonNullList(Box::new(required("String")));
        let order = [input("path", path.clone()), input("direction", required("OrderByDirection"))];
        input_object(&mut self.schema, "JSONOrderBy", order);
        let at = [input("path", path), input("text", required("StringFilter"))];
        input_object(&mut self.schema, "JSONAt", at);
    }
}

/// The name of the filter of a type of values.
pub(super) fn filter_name(type_name: &str, is_list: bool) -> String {
    format!("{type_name}{}", if is_list { "ListFilter" } else { "Filter" })
}

/// `[T!]`
pub(super) fn many(type_name: &str) -> Type {
    Type::List(Box::new(required(type_name)))
}
