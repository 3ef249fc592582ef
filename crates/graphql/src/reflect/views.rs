//! JSON views: relations and functions whose rows are documents become types and fields.
//!
//! Two steps around the functions: first the types of all documents, because a function can answer one of them, then the
//! fields of `Query`, because what was there before wins. Names: design rules in docs/guide/graphql-views.md.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use ferrobase_catalog::{Column as CatalogColumn, Function, Privilege, Relation, Sampled, Shape, TypeClass};
use ferrobase_query::plan::{Argument, ArgumentValue, CallerSource};
use ferrobase_query::sql::CatalogSql;
use indexmap::IndexMap;

use super::Reflecting;
use crate::directive::{self, Commented};
use crate::mistakes::Mistake;
use crate::model::{Column, Field, FieldKind, QueryField, Table, View};
use crate::naming::{camel, is_name, plural, singular, upper_first};
use crate::scalar::Class;
use crate::views::{Building, Called, DocumentType, Place};

/// The column of documents.
pub(super) const DATA: &str = "data";
/// What names of views begin with that are made for this.
const PREFIXES: [&str; 3] = ["v_", "tv_", "mv_"];
/// What the names of types end with in which a view is asked and told.
const OF_VIEWS: [&str; 6] = ["Column", "Connection", "Edge", "Filter", "OrderBy", "Similarity"];
/// What the names of types end with that functions make.
const OF_FUNCTIONS: [&str; 5] = ["Error", "Input", "Result", "Row", "Success"];

/// Why documents have no type.
const UNSEEN: &str = "it has no rows and no declared fields: its documents have no type yet";
const UNHEARD: &str = "nothing is known of the types that it is `one_of`: declare them as `types`, where policies may hide rows, whose own names \
    for their types are not listened to then";

/// A source of documents with what is known of it.
pub(super) struct Found {
    relation: Arc<Relation>,
    function: Option<Arc<Function>>,
    said: Commented,
    place: Place,
    /// Rows of it were seen.
    is_seen: bool,
}

/// A source of documents with what was seen of them.
struct Source {
    relation: Arc<Relation>,
    function: Option<Arc<Function>>,
    said: Commented,
    shape: Shape,
    /// Names of types that whoever made it gives its documents.
    given: BTreeSet<String>,
}

impl Source {
    fn called<'n>(&'n self, own: &'n str, union: &'n str) -> Called<'n> {
        let said = self.said.directive.name.as_deref();
        Called { said, own, union: said.unwrap_or(union), one_of: &self.said.directive.one_of, given: &self.given }
    }
}

fn without_prefix(name: &str) -> Option<&str> {
    PREFIXES.into_iter().find_map(|prefix| name.strip_prefix(prefix).filter(|rest| !rest.is_empty()))
}

fn base_name(name: &str) -> &str {
    without_prefix(name).unwrap_or(name)
}

/// The name of the type of a view's documents, where nothing says another.
fn own_name(base: &str) -> String {
    upper_first(&camel(&singular(base)))
}

impl Reflecting<'_> {
    /// Whether a relation is a JSON view. One whose name does not say so is one when its documents are objects, and nobody
    /// named its key for pg_graphql's sake.
    pub(super) fn is_view(&self, relation: &Relation) -> bool {
        if !relation.has_documents() {
            return false;
        }
        let is_object = || self.sampled(relation).is_some_and(|sampled| !sampled.shape.objects.is_empty());
        let said = || self.said(relation).directive;
        without_prefix(&relation.name.name).is_some()
            || said().primary_key_columns.is_none() && (is_object() || !said().fields.is_empty())
    }

    /// What rows show; nothing where the view's comment wants none of it.
    fn sampled(&self, relation: &Relation) -> Option<&Sampled> {
        let sampled = self.sight.catalog.shapes.relations.get(&relation.name)?;
        self.said(relation).directive.sample.unwrap_or(true).then_some(&**sampled)
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
        directive.sample = directive.sample.or(of_view.sample);
        if directive.one_of.is_empty() {
            directive.one_of = of_view.one_of;
        }
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
                let Sampled { shape, names: given, .. } = self.sampled(relation).cloned().unwrap_or_default();
                let relation = Arc::clone(relation);
                sources.push(Source { said: self.said(&relation), relation, function: None, shape, given });
            }
        }
        for function in catalog.functions.values().flatten().filter(|function| function.is_document_view()) {
            if function.name.schema == self.sight.schema && catalog.may_execute(self.sight.role, function) {
                let said = directive::read(function.comment.as_deref());
                let sampled = catalog.shapes.functions.get(&function.name);
                let sampled = sampled.filter(|_| said.directive.sample.unwrap_or(true));
                let Sampled { shape, names: given, .. } = sampled.map(|one| Sampled::clone(one)).unwrap_or_default();
                let relation = Arc::new(as_relation(function));
                sources.push(Source { relation, function: Some(Arc::clone(function)), said, shape, given });
            }
        }
        sources
    }

    /// Names that documents cannot say: of everything that is there, and of what is still to come.
    fn reserved(&self, sources: &[Source]) -> HashSet<String> {
        let mut names = self.taken.clone();
        let values = Class::ALL.map(|class| class.name().to_owned()).into_iter();
        let enums = self.declared.values().flat_map(|name| [name.name.clone(), self.naming.type_name(&name.name)]);
        for value in values.chain(enums).chain(self.model.enums.keys().cloned()) {
            names.extend(["Filter", "ListFilter"].map(|what| format!("{value}{what}")));
            names.insert(value);
        }
        for table in &self.model.tables {
            names.extend(table.keys.iter().map(|key| crate::schema::key_type(table, key)));
        }
        let catalog = self.sight.catalog;
        for function in catalog.functions.values().flatten() {
            if function.name.schema == self.sight.schema && catalog.may_execute(self.sight.role, function) {
                let said = directive::read(function.comment.as_deref()).directive.name;
                let base = upper_first(&said.unwrap_or_else(|| self.function_name(function)));
                names.extend(OF_FUNCTIONS.map(|what| format!("{base}{what}")));
            }
        }
        for Source { relation, said, .. } in sources {
            let base = base_name(&relation.name.name);
            let fields = said.directive.field.clone().into_iter().chain([camel(base), camel(&plural(base))]);
            for own in fields.map(|field| upper_first(&field)) {
                names.extend(OF_VIEWS.iter().flat_map(|what| [format!("{own}{what}"), format!("{own}View{what}")]));
            }
        }
        names.extend(["_Service", "_Any", crate::schema::ENTITY].map(str::to_owned));
        names
    }

    /// The types of all documents that the role may read.
    pub(super) fn document_types(&mut self) -> Vec<Found> {
        let sources = self.sources();
        let taken = self.reserved(&sources);
        let documents = std::mem::take(&mut self.model.documents);
        let mut building = Building { documents, taken: &taken, owned: HashSet::new(), mistakes: Vec::new() };
        // What a view is called after it shows first.
        let mut sources: Vec<_> =
            sources.into_iter().map(|source| (own_name(base_name(&source.relation.name.name)), source)).collect();
        sources.sort_by_cached_key(|(own, source)| building.root_name(&source.shape, source.called(own, "")) != *own);
        let mut found = Vec::new();
        for (own, mut source) in sources {
            // What is declared is not looked for: users may write there what they like.
            for object in source.shape.objects.values_mut() {
                let declared =
                    object.keys.iter_mut().filter(|(key, _)| source.said.directive.fields.contains_key(*key));
                declared.for_each(|(_, shape)| *shape = Shape::default());
            }
            let union = upper_first(&camel(base_name(&source.relation.name.name)));
            let place = building.root(&source.shape, source.called(&own, &union));
            let is_seen = !source.shape.objects.is_empty();
            let Source { relation, function, said, .. } = source;
            let Some(place) = place else {
                let text = "its documents are of a type whose name something else has: it is left out";
                building.mistakes.push(Mistake { object: relation.name.to_string(), text: text.to_owned() });
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
            found.push(Found { relation, function, said, place, is_seen });
        }
        self.model.mistakes.append(&mut building.mistakes);
        self.model.documents = building.finish();
        self.taken.extend(self.model.documents.types.keys().cloned());
        found
    }

    /// The fields of `Query` that give documents.
    pub(super) fn document_fields(&mut self, found: Vec<Found>) {
        for Found { relation, function, said, place, is_seen } in found {
            let (Place::Object(type_name) | Place::Union(type_name)) = &place else { continue };
            if !self.model.documents.types.contains_key(type_name) {
                let is_unheard = is_seen && matches!(place, Place::Union(_));
                self.mistake(&relation.name, if is_unheard { UNHEARD } else { UNSEEN });
                continue;
            }
            let base = base_name(&relation.name.name);
            let name = match &said.directive.field {
                Some(name) => name.clone(),
                // What documents say of themselves decides nothing here.
                None if base.eq_ignore_ascii_case(said.directive.name.as_deref().unwrap_or(&own_name(base))) => {
                    camel(&plural(base))
                }
                None => camel(base),
            };
            let page = format!("{name}Connection");
            let is_free = |name: &String| is_name(name) && name != "node" && !self.model.query.contains_key(name);
            if !is_free(&name) || !is_free(&page) {
                let text = format!("its name for GraphQL, `{name}`, is no name or not free: it is left out");
                self.mistake(&relation.name, text);
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
        let is_taken = OF_VIEWS.iter().any(|what| self.taken.contains(&format!("{own}{what}")));
        let type_name = if is_taken { format!("{own}View") } else { own };
        self.taken.extend(OF_VIEWS.iter().map(|what| format!("{type_name}{what}")));
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
                is_binary_json: super::is_binary_json(&column.base_type),
                is_enum: !column.enum_values.is_empty(),
                compared_as: super::compared_as(column),
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
            said.directive.primary_key_columns.iter().chain([&relation.row_key, &id]).chain(&relation.unique_keys);
        let is_key = |key: &&Vec<String>| {
            let is_there =
                |name: &String| relation.columns.contains_key(name) && name != DATA && self.reads(relation, name);
            !key.is_empty() && key.iter().all(is_there)
        };
        ways.into_iter().find(is_key).cloned().unwrap_or_default()
    }

    /// The arguments of a view that is a function: what is known of the caller. None where nobody knows one that it needs.
    fn told(&mut self, function: &Function, said: &Commented) -> Option<Vec<Argument>> {
        let catalog = self.sight.catalog;
        let sampled = catalog.shapes.functions.get(&function.name);
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
                let text =
                    format!("no claim is known for the parameter `{}` of a view: it is left out", parameter.name);
                self.mistake(&function.name, text);
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
            comparable: true,
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
