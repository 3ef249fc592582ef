//! What tables give: rows, pages, aggregates, and what changes answer.

use apollo_compiler::ast::{FieldDefinition, Type};

use super::Drawing;
use super::build::{
    argument, described, field, full_list, implementing, list_of_required, object, optional, required, said,
};
use crate::model::{CallReturns, Callee, FieldKind, QueryField, Table, TableId, Variants};
use crate::scalar::{Class, ValueType};

impl Drawing<'_> {
    /// The types that a table's rows are told in.
    pub(super) fn table(&mut self, id: TableId) {
        let table = &self.model.tables[id];
        let mut fields = Vec::new();
        for (name, of) in &table.fields {
            let drawn = match &of.kind {
                FieldKind::NodeId => field(name, required("ID")),
                FieldKind::Column(column) if !column.readable => continue,
                FieldKind::Column(column) => {
                    let is_told = column.value.is_list || !column.value.class.may_be_untold();
                    field(name, strict(self.value(&column.value), is_told && !column.nullable))
                }
                FieldKind::One(to) => {
                    let ty = optional(&self.model.tables[to.table].type_name);
                    field(name, strict(ty, !to.nullable))
                }
                FieldKind::Many(to) if !self.model.tables[to.table].has_pages() => continue,
                FieldKind::Many(to) => self.collection(name, to.table),
            };
            fields.push(said(drawn, of.description.as_ref(), of.deprecated.as_ref()));
        }
        if fields.is_empty() {
            // It can be written, not read.
            return;
        }
        let interfaces: &[&str] = if table.fields.contains_key("nodeId") { &["Node"] } else { &[] };
        match &table.variants {
            None => implementing(&mut self.schema, &table.type_name, table.description.as_deref(), interfaces, fields),
            Some(variants) => self.variants(table, variants, interfaces, &fields),
        }
        self.page(table);
        if table.aggregates {
            self.aggregates(table);
        }
    }

    /// Rows of several types: an interface with what all have, and a type for each.
    fn variants(&mut self, table: &Table, variants: &Variants, interfaces: &[&str], fields: &[FieldDefinition]) {
        let common = |field: &&FieldDefinition| !variants.is_own(&field.name);
        let shared = fields.iter().filter(common).cloned();
        let text = table.description.as_deref().unwrap_or("Rows of several types.");
        super::build::interface(&mut self.schema, &table.type_name, text, interfaces, shared.clone());
        let all: Vec<&str> = interfaces.iter().copied().chain([table.type_name.as_str()]).collect();
        for variant in &variants.types {
            let has = |field: &&FieldDefinition| common(field) || variant.own.iter().any(|own| *own == *field.name);
            implementing(&mut self.schema, &variant.name, None, &all, fields.iter().filter(has).cloned());
        }
        implementing(&mut self.schema, &variants.other, None, &all, shared);
    }

    fn page(&mut self, table: &Table) {
        let edge = table.type_of("Edge");
        let of_edge = [field("cursor", required("String")), field("node", required(&table.type_name))];
        object(&mut self.schema, &edge, None, of_edge);
        let mut of_page = vec![field("edges", full_list(&edge)), field("pageInfo", required("PageInfo"))];
        if table.total_count {
            of_page.push(described(field("totalCount", required("Int")), "How many rows there are on all pages."));
        }
        if table.aggregates {
            let aggregate = field("aggregate", optional(&table.type_of("Aggregate")));
            of_page.push(described(aggregate, "What the rows of all pages add up to."));
        }
        object(&mut self.schema, &table.type_of("Connection"), None, of_page);
    }

    fn aggregates(&mut self, table: &Table) {
        let mut of_all = vec![field("count", required("Int"))];
        for (function, what) in [("sum", "Sum"), ("avg", "Avg"), ("min", "Min"), ("max", "Max")] {
            let fields = aggregated(table, function);
            if fields.is_empty() {
                continue;
            }
            let type_name = table.type_of(&format!("{what}AggregateResult"));
            let fields: Vec<_> = fields.into_iter().map(|(name, value)| field(name, self.value(&value))).collect();
            object(&mut self.schema, &type_name, None, fields);
            of_all.push(field(function, required(&type_name)));
        }
        object(&mut self.schema, &table.type_of("Aggregate"), None, of_all);
    }

    /// A field that gives pages of a table.
    fn collection(&self, name: &str, id: TableId) -> FieldDefinition {
        paged(field(name, optional(&self.model.tables[id].type_of("Connection"))), &self.model.tables[id])
    }

    pub(super) fn query_field(&mut self, name: &str, root: &QueryField) -> FieldDefinition {
        match root {
            QueryField::Collection(id) => {
                let text = format!("Rows of type `{}`, page by page.", self.model.tables[*id].type_name);
                described(self.collection(name, *id), &text)
            }
            QueryField::ByKey(id) => {
                let type_name = &self.model.tables[*id].type_name;
                let drawn = self.by_key(field(name, optional(type_name)), *id);
                described(drawn, &format!("The `{type_name}` with this key."))
            }
            QueryField::ByAnyKey(id) => self.by_any_key(field(name, optional(&self.model.tables[*id].type_name)), *id),
            QueryField::Groups(id) => self.grouped(name, *id),
            QueryField::Call(callee) => self.call(name, callee),
            QueryField::Documents(_) | QueryField::DocumentPage(_) => {
                self.view_field(name, root).unwrap_or_else(|| field(name, optional("Boolean")))
            }
        }
    }

    pub(super) fn call(&mut self, name: &str, callee: &Callee) -> FieldDefinition {
        let mut drawn = field(name, self.returned(&callee.returns));
        for (name, of) in &callee.arguments {
            let ty = match &of.input {
                Some(shape) => optional(&shape.name),
                None => self.value(&of.value),
            };
            drawn = argument(drawn, name, strict(ty, of.required), None);
        }
        if let CallReturns::Many(id) = callee.returns {
            drawn = paged(drawn, &self.model.tables[id]);
        }
        said(drawn, callee.description.as_ref(), callee.deprecated.as_ref())
    }

    fn returned(&mut self, returns: &CallReturns) -> Type {
        match returns {
            CallReturns::Value(value) => self.value(value),
            CallReturns::Values(value) => {
                self.value(value);
                Type::List(Box::new(optional(&value.name)))
            }
            CallReturns::One(id) => optional(&self.model.tables[*id].type_name),
            CallReturns::Many(id) => optional(&self.model.tables[*id].type_of("Connection")),
            CallReturns::Made(made) => self.made(made),
        }
    }
}

/// The arguments of a page.
fn paged(drawn: FieldDefinition, table: &Table) -> FieldDefinition {
    let mut drawn = drawn;
    for (name, type_name) in
        [("first", "Int"), ("last", "Int"), ("before", "Cursor"), ("after", "Cursor"), ("offset", "Int")]
    {
        drawn = argument(drawn, name, optional(type_name), None);
    }
    drawn = argument(drawn, "filter", optional(&table.type_of("Filter")), None);
    drawn = argument(drawn, "orderBy", list_of_required(&table.type_of("OrderBy")), None);
    if table.comparable().next().is_some() {
        drawn = argument(drawn, "distinctOn", list_of_required(&table.type_of("Column")), None);
    }
    drawn
}

/// The type, of which null is no value where `strict` says so.
fn strict(ty: Type, strict: bool) -> Type {
    if strict { ty.non_null() } else { ty }
}

/// What an aggregate gives for each column that it can be asked of.
pub(crate) fn aggregated<'t>(table: &'t Table, function: &str) -> Vec<(&'t str, ValueType)> {
    let of_column = |(name, _, column): (&'t String, _, &'t crate::model::Column)| {
        if !column.readable || column.computed || column.value.is_list {
            return None;
        }
        let class = column.value.class;
        let result = match function {
            "sum" => class.sum(),
            "avg" => class.mean(),
            _ => class.has_extremes().then_some(class),
        };
        result.map(|class: Class| (name.as_str(), ValueType::of_class(class)))
    };
    table.columns().filter_map(of_column).collect()
}
