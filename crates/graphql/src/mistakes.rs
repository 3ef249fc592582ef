//! What is wrong with comments and names, told to whoever made them: at every start and reload, and by `graphql check`.
//!
//! Two sources: what comments say that nothing here reads (`Judge`), and names that were not free when everything there is
//! was reflected (`reflect`). Pure.
//! Invariant: a mistake never takes more away than what it is about.

use std::collections::HashSet;

use ferrobase_catalog::{Catalog, DeclaredType, Link, QualifiedName, Relation, Role};

use crate::directive::{Directive, Object, read_strictly};
use crate::reflect::{Sight, reflect};
use crate::settings::Settings;

/// Something that its maker meant otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mistake {
    /// What it is about: `table public.posts`, `column public.posts.title`.
    pub object: String,
    /// What is wrong, in a sentence.
    pub text: String,
}

/// A role that no database can have.
const EVERYBODY: &str = "";

/// Everything that is wrong in the schemas that are exposed, in the order of the catalog.
pub fn mistakes(catalog: &Catalog, settings: &Settings) -> Vec<Mistake> {
    let mut judge = Judge { catalog, found: Vec::new() };
    for schema in &settings.schemas {
        judge.schema(schema);
    }
    judge.enums();
    let mut found = judge.found;
    let mut everything = catalog.clone();
    everything.roles.insert(EVERYBODY.to_owned(), Role { superuser: true, ..Role::default() });
    for schema in &settings.schemas {
        let (max_rows, introspection) = (settings.max_rows, settings.introspection);
        let sees = |_: &Relation| true;
        let sight = Sight { catalog: &everything, schema, role: EVERYBODY, sees: &sees, max_rows, introspection };
        found.extend(reflect(sight).mistakes);
    }
    let mut said = HashSet::new();
    found.retain(|mistake| said.insert(mistake.clone()));
    found
}

/// Reads comments as their makers would want them read.
struct Judge<'c> {
    catalog: &'c Catalog,
    found: Vec<Mistake>,
}

impl Judge<'_> {
    fn say(&mut self, object: &str, text: impl Into<String>) {
        self.found.push(Mistake { object: object.to_owned(), text: text.into() });
    }

    /// What a comment says, after what is wrong with it by itself.
    fn read(&mut self, of: Object, object: &str, comment: Option<&str>) -> Option<Directive> {
        let (directive, wrong) = read_strictly(of, comment?)?;
        for text in wrong {
            self.say(object, text);
        }
        Some(directive)
    }

    fn schema(&mut self, schema: &str) {
        let catalog = self.catalog;
        let comment = catalog.schemas.get(schema).and_then(|schema| schema.comment.as_deref());
        self.read(Object::Schema, &format!("schema {schema}"), comment);
        for relation in catalog.relations.values().filter(|relation| relation.name.schema == schema) {
            self.relation(relation);
        }
        self.constraints(schema);
        for function in catalog.functions.values().flatten().filter(|function| function.name.schema == schema) {
            let object = format!("function {}", function.name);
            let Some(said) = self.read(Object::Function, &object, function.comment.as_deref()) else { continue };
            for (key, parameters) in
                [("arguments", said.arguments.keys().collect::<Vec<_>>()), ("claims", said.claims.keys().collect())]
            {
                for name in parameters {
                    if !function.parameters.iter().any(|parameter| parameter.name == *name) {
                        self.say(&object, format!("`{key}` names `{name}`, which is no parameter"));
                    }
                }
            }
        }
        for (name, of_row) in catalog.row_functions.iter().filter(|(name, _)| name.schema == schema) {
            // Those with a name for their parameter were read above.
            if catalog.overloads(&name.schema, &name.name).is_empty() {
                let object = format!("function {name}");
                of_row.iter().for_each(|of| _ = self.read(Object::Function, &object, of.comment.as_deref()));
            }
        }
    }

    fn relation(&mut self, relation: &Relation) {
        let object = format!("{} {}", if relation.is_view() { "view" } else { "table" }, relation.name);
        for column in relation.columns.values() {
            let of = if column.name == "data" && relation.is_view() { Object::Documents } else { Object::Column };
            let own = format!("column {}.{}", relation.name, column.name);
            if let Some(said) = self.read(of, &own, column.comment.as_deref()) {
                self.columns(&own, relation, "primary_key_columns", said.primary_key_columns.iter().flatten());
            }
        }
        let Some(said) = self.read(Object::Relation, &object, relation.comment.as_deref()) else { return };
        self.columns(&object, relation, "primary_key_columns", said.primary_key_columns.iter().flatten());
        if let Some(rows) = &said.polymorphic {
            self.columns(&object, relation, "polymorphic.column", [&rows.column]);
            let of_types = rows.types.values().flat_map(|of| &of.columns);
            self.columns(&object, relation, "polymorphic.types", of_types);
        }
        for key in &said.foreign_keys {
            self.columns(&object, relation, "foreign_keys.local_columns", &key.local_columns);
            let schema = if key.foreign_schema.is_empty() { &relation.name.schema } else { &key.foreign_schema };
            match self.catalog.relation(schema, &key.foreign_table) {
                Some(other) => {
                    let other = std::sync::Arc::clone(other);
                    self.columns(&object, &other, "foreign_keys.foreign_columns", &key.foreign_columns);
                }
                None => {
                    let name = QualifiedName::new(schema, &key.foreign_table);
                    self.say(&object, format!("`foreign_keys` names the relation `{name}`, which is not exposed"));
                }
            }
            if key.local_columns.is_empty() || key.local_columns.len() != key.foreign_columns.len() {
                self.say(&object, "`foreign_keys` needs as many `local_columns` as `foreign_columns`, at least one");
            }
        }
    }

    fn columns<'n>(
        &mut self,
        object: &str,
        relation: &Relation,
        key: &str,
        names: impl IntoIterator<Item = &'n String>,
    ) {
        for name in names {
            if !relation.columns.contains_key(name) {
                self.say(object, format!("`{key}` names the column `{name}`, which {} does not have", relation.name));
            }
        }
    }

    fn constraints(&mut self, schema: &str) {
        let catalog = self.catalog;
        for way in catalog.relationships.values().flatten().filter(|way| way.source.schema == schema) {
            // Told once, where the constraint is.
            let is_here = match &way.link {
                Link::ManyToOne { .. } => true,
                Link::OneToOne { source_is_parent, .. } => !source_is_parent,
                _ => false,
            };
            if let (Some(constraint), true) = (way.constraint(), is_here && !way.source_is_view && !way.target_is_view)
            {
                let object = format!("constraint {constraint} on {}", way.source);
                self.read(Object::Constraint, &object, way.comment.as_deref());
            }
        }
    }

    fn enums(&mut self) {
        let catalog = self.catalog;
        let values = |name| match catalog.types.get(name) {
            Some(DeclaredType::Enum(values)) => Some(values),
            _ => None,
        };
        let mut commented: Vec<_> = catalog.type_comments.iter().collect();
        commented.sort();
        for (name, comment) in commented {
            let Some(values) = values(name) else { continue };
            let object = format!("type {name}");
            let Some(said) = self.read(Object::Enum, &object, Some(comment)) else { continue };
            for value in said.mappings.iter().flat_map(indexmap::IndexMap::keys) {
                if !values.contains(value) {
                    self.say(&object, format!("`mappings` names `{value}`, which is no value of it"));
                }
            }
        }
    }
}
