//! JSON views: relations and functions whose rows are documents become types and fields.
//!
//! Two steps around the functions: first the types of all documents, because a function can answer one of them, then the
//! fields of `Query`, because what was there before wins. Names: design rules in docs/guide/graphql-views.md.

use std::sync::Arc;

use ferrobase_catalog::{Column as CatalogColumn, Function, Privilege, Relation, Shape, TypeClass};
use ferrobase_query::plan::{Argument, ArgumentValue, CallerSource};
use ferrobase_query::sql::CatalogSql;
use indexmap::IndexMap;

use super::Reflecting;
use crate::directive::{self, Commented};
use crate::model::{Column, Field, FieldKind, QueryField, Table, View};
use crate::naming::{camel, is_name, plural, singular, upper_first};
use crate::views::{Building, DocumentType, Place};

/// The column of documents.
pub(super) const DATA: &str = "data";
/// What names of views begin with that are made for this.
const PREFIXES: [&str; 3] = ["v_", "tv_", "mv_"];

/// A source of documents with what is known of it.
pub(super) struct Found {
    relation: Arc<Relation>,
    function: Option<Arc<Function>>,
    said: Commented,
    place: Place,
}

/// A source of documents with what was seen of them.
struct Source {
    relation: Arc<Relation>,
    function: Option<Arc<Function>>,
    said: Commented,
    shape: Shape,
}

fn without_prefix(name: &str) -> Option<&str> {
    PREFIXES.into_iter().find_map(|prefix| name.strip_prefix(prefix).filter(|rest| !rest.is_empty()))
}

fn base_name(name: &str) -> &str {
    without_prefix(name).unwrap_or(name)
}

impl Reflecting<'_> {
    /// Whether a relation is a JSON view. One whose name does not say so is one when its documents are objects, and nobody
    /// named its key for pg_graphql's sake.
    pub(super) fn is_view(&self, relation: &Relation) -> bool {
        if !relation.has_documents() {
            return false;
        }
        let is_object = || self.shape(relation).is_some_and(|shape| !shape.objects.is_empty());
        let said = || self.said(relation).directive;
        without_prefix(&relation.name.name).is_some()
            || said().primary_key_columns.is_none() && (is_object() || !said().fields.is_empty())
    }

    fn shape(&self, relation: &Relation) -> Option<&Shape> {
        self.sight.catalog.shapes.relations.get(&relation.name).map(|sampled| &sampled.shape)
    }

    /// What the comments on the view and on its documents say; those on the documents count more, and describe the type.
    fn said(&self, relation: &Relation) -> Commented {
        let of_view = directive::read(relation.comment.as_deref()).directive;
        let data = relation.columns.get(DATA).and_then(|column| column.comment.as_deref());
        let Commented { mut directive, description } = directive::read(data);
        directive.name = directive.name.or(of_view.name);
        directive.field = directive.field.or(of_view.field);
        directive.max_rows = directive.max_rows.or(of_view.max_rows);
        directive.primary_key_columns = directive.primary_key_columns.or(of_view.primary_key_columns);
        directive.total_count = directive.total_count.or(of_view.total_count);
        if directive.fields.is_empty() {
            directive.fields = of_view.fields;
        }
        directive.types.extend(of_view.types);
        Commented { directive, description }
    }

    /// Everything that gives documents which the role may read.
    fn sources(&self) -> Vec<Source> {
        let mut sources = Vec::new();
        let catalog = self.sight.catalog;
        for relation in catalog.relations.values() {
            let is_here = relation.name.schema == self.sight.schema && self.is_view(relation);
            if is_here && (self.sight.sees)(relation) && self.reads(relation, DATA) {
                let shape = self.shape(relation).cloned().unwrap_or_default();
                let relation = Arc::clone(relation);
                sources.push(Source { said: self.said(&relation), relation, function: None, shape });
            }
        }
        for function in catalog.functions.values().flatten().filter(|function| function.is_document_view()) {
            if function.name.schema == self.sight.schema && catalog.may_execute(self.sight.role, function) {
                let sampled = catalog.shapes.functions.get(&function.name);
                let shape = sampled.map(|sampled| sampled.shape.clone()).unwrap_or_default();
                let said = directive::read(function.comment.as_deref());
                let relation = Arc::new(as_relation(function));
                sources.push(Source { relation, function: Some(Arc::clone(function)), said, shape });
            }
        }
        sources
    }

    /// The types of all documents that the role may read.
    pub(super) fn document_types(&mut self) -> Vec<Found> {
        let sources = self.sources();
        let taken = self.taken.clone();
        let mut building = Building { documents: std::mem::take(&mut self.model.documents), taken: &taken };
        let mut found = Vec::new();
        for Source { relation, function, said, mut shape } in sources {
            // What is declared is not looked for: users may write there what they like.
            for object in shape.objects.values_mut() {
                let declared = object.keys.iter_mut().filter(|(key, _)| said.directive.fields.contains_key(*key));
                declared.for_each(|(_, shape)| *shape = Shape::default());
            }
            let base = base_name(&relation.name.name);
            let otherwise = said.directive.name.clone().unwrap_or_else(|| upper_first(&camel(&singular(base))));
            let Some(place) = building.root(&shape, &upper_first(&camel(base)), &otherwise) else {
                tracing::warn!(view = %relation.name, "The documents of a view are of a type whose name something else has");
                continue;
            };
            for (name, fields) in &said.directive.types {
                fields.as_object().into_iter().for_each(|fields| building.declared(name, fields));
            }
            if let Place::Object(name) = &place {
                building.declared(name, &said.directive.fields);
                if let Some(DocumentType::Object(object)) = building.documents.types.get_mut(name)
                    && function.is_none()
                {
                    object.description = object.description.take().or_else(|| said.description.clone());
                }
            }
            found.push(Found { relation, function, said, place });
        }
        self.model.documents = building.finish();
        self.taken.extend(self.model.documents.types.keys().cloned());
        found
    }

    /// The fields of `Query` that give documents.
    pub(super) fn document_fields(&mut self, found: Vec<Found>) {
        for Found { relation, function, said, place } in found {
            let (Place::Object(type_name) | Place::Union(type_name)) = &place else { continue };
            if !self.model.documents.types.contains_key(type_name) {
                tracing::warn!(view = %relation.name, "A view has no rows and no declared fields: it has no type yet");
                continue;
            }
            let base = base_name(&relation.name.name);
            let name = match &said.directive.field {
                Some(name) => name.clone(),
                None if base.eq_ignore_ascii_case(type_name) => camel(&plural(base)),
                None => camel(base),
            };
            let page = format!("{name}Connection");
            let is_free = |name: &String| is_name(name) && name != "node" && !self.model.query.contains_key(name);
            if !is_free(&name) || !is_free(&page) {
                tracing::warn!(view = %relation.name, name, "A view has no name for GraphQL that is free");
                continue;
            }
            let function = match function.as_ref().map(|function| self.told(function, &said)) {
                Some(None) => continue,
                told => told.flatten().map(|arguments| (relation.name.clone(), arguments)),
            };
            let view = View { place, function };
            let table = self.beside(&relation, &name, &said, view);
            let has_key = !table.key.is_empty();
            let id = self.model.tables.len();
            self.model.tables.push(table);
            self.model.query.insert(name, QueryField::Documents(id));
            if has_key {
                self.model.query.insert(page, QueryField::DocumentPage(id));
            }
        }
    }

    fn reads(&self, relation: &Relation, column: &str) -> bool {
        // Rows of a function come with it.
        relation.oid == 0 || self.sight.catalog.may_column(self.sight.role, Privilege::Select, relation, column)
    }

    /// What can be asked beside the documents: the view's other columns.
    fn beside(&mut self, relation: &Arc<Relation>, field: &str, said: &Commented, view: View) -> Table {
        let own = upper_first(field);
        let type_name = if self.model.by_type.contains_key(&own) { format!("{own}View") } else { own };
        let of_view = directive::read(relation.comment.as_deref());
        let mut fields = IndexMap::new();
        for column in relation.columns.values().filter(|column| column.name != DATA) {
            let name = camel(&column.name);
            if !self.reads(relation, &column.name) || !is_name(&name) {
                continue;
            }
            let value = self.column_type(column);
            let kind = FieldKind::Column(Column {
                name: column.name.clone(),
                value,
                nullable: true,
                computed: false,
                is_binary_json: column.type_class == TypeClass::Jsonb,
                readable: true,
                insertable: false,
                updatable: false,
                optional: true,
            });
            fields.entry(name).or_insert(Field { description: column.comment.clone(), deprecated: None, kind });
        }
        let most = said.directive.max_rows.or(self.schema.max_rows).or(self.sight.max_rows).unwrap_or(u64::MAX);
        Table {
            relation: Arc::clone(relation),
            type_name,
            description: of_view.description,
            fields,
            key: self.key_of(relation, said),
            keys: Vec::new(),
            variants: None,
            insertable: false,
            updatable: false,
            deletable: false,
            total_count: said.directive.total_count.is_none_or(|switch| switch.enabled),
            aggregates: false,
            page: super::PAGE.min(most),
            most,
            view: Some(view),
        }
    }

    /// The columns that tell rows apart, so that pages can go on behind one.
    fn key_of(&self, relation: &Relation, said: &Commented) -> Vec<String> {
        let id = vec!["id".to_owned()];
        let ways =
            said.directive.primary_key_columns.iter().chain([&relation.primary_key, &id]).chain(&relation.unique_keys);
        let is_key = |key: &&Vec<String>| {
            let is_there =
                |name: &String| relation.columns.contains_key(name) && name != DATA && self.reads(relation, name);
            !key.is_empty() && key.iter().all(is_there)
        };
        ways.into_iter().find(is_key).cloned().unwrap_or_default()
    }

    /// The arguments of a view that is a function: what is known of the caller. None where nobody knows one that it needs.
    fn told(&self, function: &Function, said: &Commented) -> Option<Vec<Argument>> {
        let sampled = self.sight.catalog.shapes.functions.get(&function.name);
        let default = |index: usize| sampled.and_then(|sampled| sampled.defaults.get(index).cloned().flatten());
        let mut arguments = Vec::new();
        for (index, parameter) in function.parameters.iter().enumerate() {
            let sources = match said.directive.claims.get(&parameter.name) {
                Some(path) => vec![CallerSource::Claim(path.split('.').map(str::to_owned).collect())],
                None => known_sources(&parameter.name),
            };
            let default = default(index);
            if sources.is_empty() && !parameter.required {
                continue;
            }
            if sources.is_empty() || parameter.variadic {
                tracing::warn!(view = %function.name, parameter = parameter.name, "No claim is known for a parameter of a view");
                return None;
            }
            arguments.push(Argument {
                name: parameter.name.clone(),
                type_name: CatalogSql::written_by_catalog(&parameter.type_name_unbounded),
                variadic: false,
                value: ArgumentValue::Caller {
                    sources,
                    default: default.map(|text| CatalogSql::written_by_catalog(&text)),
                },
            });
        }
        Some(arguments)
    }
}

/// Where what parameters of these names mean is known. Only claims that whoever signs tokens sets by himself: what users may
/// write about themselves (`user_metadata`) decides nothing.
fn known_sources(parameter: &str) -> Vec<CallerSource> {
    let claim = |path: &[&str]| CallerSource::Claim(path.iter().map(|key| (*key).to_owned()).collect());
    match parameter.trim_start_matches("p_") {
        "viewer_id" | "viewer" => vec![CallerSource::Setting("app.user_id")],
        "viewer_role" => {
            vec![claim(&["user_role"]), claim(&["app_metadata", "role"]), CallerSource::Setting("app.role")]
        }
        "viewer_tenant_id" | "tenant_id" => vec![CallerSource::Setting("app.tenant_id")],
        _ => Vec::new(),
    }
}

/// The rows of a function as if they were those of a relation.
fn as_relation(function: &Function) -> Relation {
    let column = |column: &ferrobase_catalog::OutputColumn| {
        let of = CatalogColumn {
            name: column.name.clone(),
            nullable: true,
            base_type: column.type_name.clone(),
            declared_type: column.type_name.clone(),
            type_class: if column.type_name == "jsonb" { TypeClass::Jsonb } else { TypeClass::Scalar },
            ..CatalogColumn::default()
        };
        (column.name.clone(), of)
    };
    Relation {
        name: function.name.clone(),
        comment: function.comment.clone(),
        columns: function.output_columns.iter().map(column).collect(),
        ..Relation::default()
    }
}
