//! JSON views and what functions make: documents, unions, lists and pages of them, outcomes of writes.

use apollo_compiler::Node;
use apollo_compiler::ast::{FieldDefinition, Type};
use apollo_compiler::schema::{ComponentName, ExtendedType, UnionType};

use super::Drawing;
use super::build::{
    argument, described, field, full_list, implementing, input, input_object, interface, list_of_required, name,
    object, optional, required, said, scalar,
};
use crate::made::{DONE, InputShape, Made, RowField, RowType, RowValue};
use crate::model::{MutationField, QueryField, TableId};
use crate::reflect::outcomes::taken_apart;
use crate::scalar::{Class, ValueType};
use crate::views::{DocumentType, JSON_VALUE, Place, Sort};

impl Drawing<'_> {
    /// Types of documents.
    pub(super) fn documents(&mut self) {
        for (type_name, of) in &self.model.documents.types {
            match of {
                DocumentType::Object(of) => {
                    let fields: Vec<_> = of
                        .fields
                        .iter()
                        .map(|(name, of)| said(self.document_field(name, &of.place), None, of.deprecated.as_ref()))
                        .collect();
                    object(&mut self.schema, type_name, of.description.as_deref(), fields);
                }
                DocumentType::Union(members) => {
                    let union = UnionType {
                        description: None,
                        name: name(type_name),
                        directives: Default::default(),
                        members: members.iter().map(|member| ComponentName::from(name(member))).collect(),
                    };
                    self.schema.types.insert(name(type_name), ExtendedType::Union(Node::new(union)));
                }
            }
        }
        self.made_types();
    }

    fn document_field(&mut self, field_name: &str, place: &Place) -> FieldDefinition {
        let drawn = field(field_name, self.place(place));
        match place {
            Place::List(_) => {
                let drawn = argument(drawn, "first", optional("Int"), None);
                argument(drawn, "offset", optional("Int"), None)
            }
            _ => drawn,
        }
    }

    fn place(&mut self, place: &Place) -> Type {
        match place {
            Place::Scalar(Sort::Json | Sort::Unknown) => self.json_value(),
            Place::Scalar(Sort::BigInt) => self.value(&ValueType::of_class(Class::BigInt)),
            Place::Scalar(sort) => optional(sort.name()),
            Place::Object(name) | Place::Union(name) => optional(name),
            Place::List(item) => Type::List(Box::new(self.place(item))),
        }
    }

    fn json_value(&mut self) -> Type {
        if !self.schema.types.contains_key(JSON_VALUE) {
            scalar(&mut self.schema, JSON_VALUE, "A JSON value of any form, as it is.");
        }
        optional(JSON_VALUE)
    }

    /// Pages of a view.
    pub(super) fn view(&mut self, id: TableId) {
        let table = &self.model.tables[id];
        let Some(view) = &table.view else { return };
        self.filter(id);
        if self.is_ordered(id) {
            self.order(id);
        }
        if table.key.is_empty() {
            return;
        }
        let edge = table.type_of("Edge");
        let of_edge = [field("cursor", required("String")), field("node", self.place(&view.place))];
        object(&mut self.schema, &edge, None, of_edge);
        let mut of_page = vec![field("edges", full_list(&edge)), field("pageInfo", required("PageInfo"))];
        if table.total_count {
            of_page.push(described(field("totalCount", required("Int")), "How many documents there are on all pages."));
        }
        object(&mut self.schema, &table.type_of("Connection"), None, of_page);
    }

    fn is_ordered(&self, id: TableId) -> bool {
        self.model.tables[id].columns().any(|(_, _, column)| column.value.class.is_ordered())
    }

    pub(super) fn view_field(&mut self, field_name: &str, root: &QueryField) -> Option<FieldDefinition> {
        let (id, is_page) = match root {
            QueryField::Documents(id) => (*id, false),
            QueryField::DocumentPage(id) => (*id, true),
            _ => return None,
        };
        let table = &self.model.tables[id];
        let view = table.view.as_ref()?;
        let ty = if is_page {
            optional(&table.type_of("Connection"))
        } else {
            Type::List(Box::new(self.place(&view.place)))
        };
        let mut drawn = argument(field(field_name, ty), "where", optional(&table.type_of("Filter")), None);
        if self.is_ordered(id) {
            drawn = argument(drawn, "orderBy", list_of_required(&table.type_of("OrderBy")), None);
        }
        let counts: &[&str] = if is_page { &["first", "last", "offset"] } else { &["first", "limit", "offset"] };
        let cursors: &[&str] = match (is_page, table.key.is_empty()) {
            (true, _) => &["before", "after"],
            (false, false) => &["after"],
            (false, true) => &[],
        };
        for count in counts {
            drawn = argument(drawn, count, optional("Int"), None);
        }
        for cursor in cursors {
            drawn = argument(drawn, cursor, optional("Cursor"), None);
        }
        drawn.description = table.description.as_deref().map(Into::into);
        Some(drawn)
    }

    /// Types of what functions make.
    fn made_types(&mut self) {
        let callees = self.model.query.values().filter_map(|field| match field {
            QueryField::Call(callee) => Some(callee),
            _ => None,
        });
        let writing = self.model.mutation.values().filter_map(|field| match field {
            MutationField::Call(callee) => Some(callee),
            _ => None,
        });
        for callee in callees.chain(writing) {
            if let crate::model::CallReturns::Made(made) = &callee.returns {
                self.made_type(made);
            }
            for shape in callee.arguments.values().filter_map(|argument| argument.input.as_ref()) {
                self.input_type(shape);
            }
        }
    }

    fn made_type(&mut self, made: &Made) {
        match made {
            Made::Done => {
                let success = described(field("success", required("Boolean")), "It ran.");
                object(&mut self.schema, DONE, Some("Something that returns nothing ran."), [success]);
            }
            Made::Json => {}
            Made::Rows { row, .. } => {
                let fields = self.row_fields(row);
                object(&mut self.schema, &row.name, None, fields);
            }
            Made::Outcome(outcome) => {
                let common: Vec<_> = outcome.common().map(|(name, of)| field(name, self.row_value(of))).collect();
                interface(
                    &mut self.schema,
                    &outcome.interface,
                    "What became of it: a success or an error.",
                    &[],
                    common,
                );
                for row in [&outcome.success, &outcome.error] {
                    let fields = self.row_fields(row);
                    implementing(&mut self.schema, &row.name, None, &[outcome.interface.as_str()], fields);
                }
            }
        }
    }

    fn row_fields(&mut self, row: &RowType) -> Vec<FieldDefinition> {
        row.fields.iter().map(|(name, of)| field(name, self.row_value(of))).collect()
    }

    fn row_value(&mut self, of: &RowField) -> Type {
        match &of.value {
            RowValue::Plain(value) => self.value(value),
            RowValue::Document(place) => self.place(place),
        }
    }

    pub(super) fn made(&mut self, made: &Made) -> Type {
        match made {
            Made::Done => optional(DONE),
            Made::Json => self.json_value(),
            Made::Rows { set: false, row } => optional(&row.name),
            Made::Rows { set: true, row } => list_of_required(&row.name),
            Made::Outcome(outcome) => optional(&outcome.interface),
        }
    }

    fn input_type(&mut self, shape: &InputShape) {
        let fields: Vec<_> = shape
            .fields
            .iter()
            .map(|(name, (_, text))| {
                let (element, is_list, is_required) = taken_apart(text);
                let element = Sort::input_name(element).unwrap_or("JSON");
                if matches!(element, "JSON" | "BigInt") {
                    let class = if element == "JSON" { Class::Json } else { Class::BigInt };
                    self.value(&ValueType::of_class(class));
                }
                let ty = if is_list { list_of_required(element) } else { optional(element) };
                input(name, if is_required { ty.non_null() } else { ty })
            })
            .collect();
        input_object(&mut self.schema, &shape.name, fields);
    }
}
