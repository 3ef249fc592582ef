//! A subgraph of a federation: what a router must know, in Apollo's second version.
//!
//! On where the schema's comment says so (`@graphql({"federation": true})`). A row is found by `nodeId` or by its primary
//! key. `node` is not told to routers: it names rows of one service, and a router cannot know of which.

use apollo_compiler::Node;
use apollo_compiler::Schema;
use apollo_compiler::ast::{Argument, Directive, FieldDefinition, Value};
use apollo_compiler::schema::{Component, ComponentName, ExtendedType, UnionType};

use super::Drawing;
use super::build::{self, argument, field, list, name, object, optional, required};
use crate::model::{FieldKind, Model, Table};

/// The union of all types that routers can ask for by a key.
pub(crate) const ENTITY: &str = "_Entity";
/// What is prepended: which version, and what is used of it.
const LINK: &str =
    "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.3\", import: [\"@key\", \"@shareable\"])\n\n";

impl Drawing<'_> {
    /// Fields of `Query` that routers ask; none where nobody wants any.
    pub(super) fn federation(&mut self) -> Vec<FieldDefinition> {
        if !self.model.is_subgraph {
            return Vec::new();
        }
        object(&mut self.schema, "_Service", None, [field("sdl", optional("String"))]);
        let mut fields = vec![field("_service", required("_Service"))];
        let members: Vec<_> = self.model.tables.iter().filter(|table| is_entity(table)).collect();
        if !members.is_empty() {
            build::scalar(&mut self.schema, "_Any", "A row as another service knows it: its type and a key.");
            let union = UnionType {
                description: None,
                name: name(ENTITY),
                directives: Default::default(),
                members: members.iter().map(|table| ComponentName::from(name(&table.type_name))).collect(),
            };
            self.schema.types.insert(name(ENTITY), ExtendedType::Union(Node::new(union)));
            let asked = build::full_list("_Any");
            fields.push(argument(field("_entities", list(ENTITY).non_null()), "representations", asked, None));
        }
        fields
    }
}

/// Whether rows of the table can be asked for by a key.
pub(crate) fn is_entity(table: &Table) -> bool {
    // A member of a union is no interface.
    table.variants.is_none() && table.fields.get("nodeId").is_some_and(|field| matches!(field.kind, FieldKind::NodeId))
}

/// The schema as routers read it.
pub(crate) fn sdl(model: &Model, schema: &Schema) -> String {
    let mut schema = schema.clone();
    for own in ["_Service", "_Any", ENTITY] {
        schema.types.shift_remove(own);
    }
    if let Some(ExtendedType::Object(query)) = schema.types.get_mut("Query") {
        query.make_mut().fields.retain(|name, _| !matches!(name.as_str(), "_service" | "_entities" | "node"));
    }
    if let Some(ExtendedType::Object(info)) = schema.types.get_mut("PageInfo") {
        info.make_mut().directives.push(directive("shareable", None));
    }
    for table in model.tables.iter().filter(|table| is_entity(table)) {
        let Some(ExtendedType::Object(of)) = schema.types.get_mut(table.type_name.as_str()) else { continue };
        let key: Option<Vec<_>> =
            table.key.iter().map(|column| table.field_of(column).map(|(name, _)| name.as_str())).collect();
        let keys = std::iter::once("nodeId".to_owned()).chain(key.map(|names| names.join(" ")));
        of.make_mut().directives.extend(keys.map(|fields| directive("key", Some(("fields", fields)))));
    }
    schema.types.sort_keys();
    format!("{LINK}{schema}")
}

fn directive(text: &str, argument: Option<(&str, String)>) -> Component<Directive> {
    let argument =
        argument.map(|(text, value)| Node::new(Argument { name: name(text), value: Node::new(Value::String(value)) }));
    Component::new(Directive { name: name(text), arguments: argument.into_iter().collect() })
}
