//! A model drawn as a schema of GraphQL: types, fields and arguments, as the library wants them.
//!
//! Pure. One file per sort of types: `build` (how definitions are put together), `rows` (what tables give), `inputs` (what
//! they take), `keys` and `groups` (the same about keys and groups), `changes` and `nested` (writes), `documents` (JSON
//! views and what functions make), `values` (scalars, enums and their filters); `shared` keeps what is the same once, `reach`
//! leaves out what no operation can use.
//! Invariant: the schema is valid; a test has it checked by the library and by graphql-js. At run time only a schema with
//! types of documents is checked: names in it come from data.

mod build;
mod changes;
mod documents;
mod federation;
mod groups;
mod inputs;
mod keys;
mod nested;
mod reach;
mod rows;
mod shared;
mod values;

pub(crate) use changes::NEEDED;
use std::collections::BTreeMap;

use apollo_compiler::Schema;
use apollo_compiler::schema::ComponentName;
use apollo_compiler::validation::Valid;

use crate::model::Model;
use crate::scalar::{Class, ValueType};
pub(crate) use federation::{ENTITY, is_entity, sdl};
pub(crate) use keys::key_type;
pub(crate) use rows::aggregated;

use build::{argument, described, field, list, name, object, optional, required};

/// The schema of a model, without types that no operation can use. Where its types of documents make no valid one they are given up.
pub(crate) fn draw(model: &mut Model) -> Valid<Schema> {
    if !model.documents.types.is_empty() {
        match unchecked(model).validate() {
            Ok(schema) => return reach::pruned(schema.into_inner()),
            Err(invalid) => {
                let errors = invalid.errors.to_string();
                tracing::error!(schema = model.schema, errors, "JSON views make an invalid schema: they are left out");
                model.forget_documents();
            }
        }
    }
    let schema = unchecked(model);
    // Every schema that a test causes is checked.
    debug_assert_eq!(schema.clone().validate().err().map(|invalid| invalid.errors.to_string()), None);
    reach::pruned(schema)
}

/// The same before anybody says that it is valid.
pub(crate) fn unchecked(model: &Model) -> Schema {
    let _sharing = shared::Sharing::begin();
    let mut drawing = Drawing { model, schema: Schema::new(), used: BTreeMap::new() };
    drawing.directives();
    drawing.frame();
    for id in 0..model.tables.len() {
        if model.tables[id].view.is_some() {
            if !model.documents.types.is_empty() {
                drawing.view(id);
            }
            continue;
        }
        drawing.table(id);
        drawing.inputs(id);
        drawing.keys(id);
        drawing.groups(id);
        drawing.changes(id);
        drawing.nested(id);
    }
    drawing.documents();
    drawing.roots();
    drawing.enums();
    drawing.used_values();
    drawing.schema
}

struct Drawing<'m> {
    model: &'m Model,
    schema: Schema,
    /// Types of values that something has, by name and whether they are lists.
    used: BTreeMap<(String, bool), Class>,
}

impl Drawing<'_> {
    /// What does not depend on tables.
    fn frame(&mut self) {
        let node = field("nodeId", required("ID"));
        let node = described(node, "Names the row among all rows of all types.");
        build::interface(
            &mut self.schema,
            "Node",
            "Anything that has a name among all rows of all types.",
            &[],
            [node],
        );
        let info = [
            described(field("hasNextPage", required("Boolean")), "Rows come after this page."),
            described(field("hasPreviousPage", required("Boolean")), "Rows come before this page."),
            described(field("startCursor", optional("String")), "The place of the first row."),
            described(field("endCursor", optional("String")), "The place of the last row."),
        ];
        object(&mut self.schema, "PageInfo", Some("Where a page begins and ends."), info);
        build::scalar(&mut self.schema, "Cursor", "A place in an ordered list of rows.");
        let directions = ["AscNullsFirst", "AscNullsLast", "DescNullsFirst", "DescNullsLast"];
        build::enumeration(&mut self.schema, "OrderByDirection", Some("Which way, and where nulls go."), directions);
    }

    fn roots(&mut self) {
        let node = argument(field("node", optional("Node")), "nodeId", required("ID"), None);
        let node = described(node, "The row of this name.");
        let mut query = vec![node];
        query.extend(self.model.query.iter().map(|(name, root)| self.query_field(name, root)).collect::<Vec<_>>());
        query.extend(self.federation());
        object(&mut self.schema, "Query", self.model.description.as_deref(), query);
        let mut mutation = Vec::new();
        for (name, root) in &self.model.mutation {
            mutation.push(self.mutation_field(name, root));
        }
        let definition = self.schema.schema_definition.make_mut();
        definition.query = Some(ComponentName::from(name("Query")));
        if !mutation.is_empty() {
            definition.mutation = Some(ComponentName::from(name("Mutation")));
            object(&mut self.schema, "Mutation", None, mutation);
        }
    }

    /// A type as others refer to it; it is drawn at the end.
    fn value(&mut self, value: &ValueType) -> apollo_compiler::ast::Type {
        // They have one name and one form.
        let class = if value.class == Class::Sealed { Class::Opaque } else { value.class };
        self.used.insert((value.name.clone(), value.is_list), class);
        self.used.entry((value.name.clone(), false)).or_insert(class);
        if value.is_list { list(&value.name) } else { optional(&value.name) }
    }
}

#[cfg(test)]
mod tests;
