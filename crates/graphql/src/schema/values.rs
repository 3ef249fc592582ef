//! Scalars, enums, and what can be asked of their values.

use apollo_compiler::ast::{DirectiveDefinition, DirectiveLocation, InputValueDefinition};
use apollo_compiler::schema::{Component, ExtendedType};
use apollo_compiler::{Node, Schema};

use super::Drawing;
use super::build::{self, input, input_object, optional};
use super::inputs::{filter_name, many};
use crate::scalar::Class;

impl Drawing<'_> {
    /// Directives that a schema of ours knows beyond those of every schema.
    pub(super) fn directives(&mut self) {
        define(&mut self.schema, "oneOf", &[DirectiveLocation::InputObject]);
        // The library's types of introspection are of an edition before it.
        if let Some(ExtendedType::Object(of_types)) = self.schema.types.get_mut("__Type") {
            let is_one_of = build::field("isOneOf", optional("Boolean"));
            of_types.make_mut().fields.insert(is_one_of.name.clone(), Component::new(is_one_of));
        }
    }

    pub(super) fn enums(&mut self) {
        for (name, of) in &self.model.enums {
            build::enumeration(&mut self.schema, name, of.description.as_deref(), of.words.iter().map(String::as_str));
        }
    }

    /// Scalars and filters of the values that tables have.
    pub(super) fn used_values(&mut self) {
        self.common_filters();
        for ((name, is_list), class) in std::mem::take(&mut self.used) {
            if let (Some(description), false) = (class.description(), is_list) {
                build::scalar(&mut self.schema, &name, description);
            }
            let fields: Vec<_> =
                if is_list { of_lists(&name) } else { of_values(&name, class, self.model.trigrams.is_some()) };
            input_object(&mut self.schema, &filter_name(&name, is_list), fields);
        }
    }
}

fn searches() -> impl Iterator<Item = InputValueDefinition> {
    let by = ["search", "phrase", "websearch"].map(|by| input(by, optional("String")));
    by.into_iter().chain([input("fullText", optional("FullText"))])
}

/// What can be asked of a value; `trigrams`: the database can tell how like texts are.
fn of_values(name: &str, class: Class, trigrams: bool) -> Vec<InputValueDefinition> {
    let mut fields = Vec::new();
    if !matches!(class, Class::Json | Class::Words) {
        fields.push(input("eq", optional(name)));
    }
    let compares =
        !matches!(class, Class::Boolean | Class::Uuid | Class::Enum | Class::Json | Class::Words | Class::Opaque);
    if compares {
        fields.extend(["gt", "gte", "lt", "lte"].map(|operator| input(operator, optional(name))));
    }
    if !matches!(class, Class::Json | Class::Words | Class::Opaque) {
        fields.extend([input("neq", optional(name)), input("in", many(name))]);
    }
    fields.push(input("is", optional("FilterIs")));
    match class {
        Class::String => {
            fields.extend(["startsWith", "like", "ilike", "regex", "iregex"].map(|by| input(by, optional("String"))));
            fields.extend(searches());
            if trigrams {
                fields.extend(["similar", "similarWord"].map(|by| input(by, optional("String"))));
            }
        }
        Class::Words => fields.extend(searches()),
        Class::Path => fields.extend(["ancestorOf", "descendantOf", "matches"].map(|by| input(by, optional("String")))),
        Class::Json => {
            fields.extend(["contains", "containedBy"].map(|by| input(by, optional("JSON"))));
            fields.extend(["hasKey", "path"].map(|by| input(by, optional("String"))));
            fields.extend(["hasAnyKeys", "hasAllKeys"].map(|by| input(by, many("String"))));
            fields.push(input("at", optional("JSONAt")));
        }
        _ => {}
    }
    fields
}

/// What can be asked of a list.
fn of_lists(name: &str) -> Vec<InputValueDefinition> {
    let mut fields: Vec<_> = ["contains", "containedBy", "eq", "overlaps"].map(|by| input(by, many(name))).into();
    fields.push(input("is", optional("FilterIs")));
    fields
}

fn define(schema: &mut Schema, directive: &str, locations: &[DirectiveLocation]) {
    let definition = DirectiveDefinition {
        description: None,
        name: build::name(directive),
        arguments: Vec::new(),
        repeatable: false,
        locations: locations.to_vec(),
    };
    schema.directive_definitions.insert(build::name(directive), Node::new(definition));
}
