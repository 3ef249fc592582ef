//! The catalog as one role sees it becomes a model.
//!
//! pg_graphql's rules: a relation with a key is a type, a foreign key two fields, a function of a row a field, any other
//! function a field of `Query` or `Mutation`; privileges hide, comments rename. What clashes with an earlier name is left
//! out or renamed, and the model says so.

mod functions;
mod keys;
pub(crate) mod outcomes;
mod variants;
mod views;
mod ways;
mod words;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ferrobase_catalog::{Catalog, Generated, Privilege, QualifiedName, Relation, RelationKind};
use ferrobase_query::sql::CatalogSql;
use indexmap::IndexMap;

use crate::directive::{self, Directive, ForeignKey};
use crate::mistakes::Mistake;
use crate::model::{Column, Field, FieldKind, Model, MutationField, QueryField, Table, TableId};
use crate::naming::{Naming, is_enum_value, is_name, lower_first};
use crate::scalar::{Class, ValueType};

/// The size of a page that does not say its size.
const PAGE: u64 = 30;
/// Names of types that are ours or the specification's.
const RESERVED: [&str; 15] = [
    "Query",
    "Mutation",
    "Subscription",
    "Node",
    "PageInfo",
    "Cursor",
    "ID",
    "FilterIs",
    "OrderByDirection",
    "IDFilter",
    "NullFilter",
    "FullText",
    "FullTextMode",
    "JSONAt",
    "JSONOrderBy",
];

/// What the names of types that belong to another type end with.
const DERIVED: [&str; 37] = [
    "Aggregate",
    "AggregateOrderBy",
    "AvgAggregateResult",
    "AvgHaving",
    "Column",
    "Connection",
    "DeleteResponse",
    "Edge",
    "ExtremeHaving",
    "ExtremeOrderBy",
    "Similarity",
    "Filter",
    "Group",
    "GroupKeys",
    "GroupOrderBy",
    "Having",
    "InsertInput",
    "InsertResponse",
    "Key",
    "KeyInput",
    "ListFilter",
    "ManyFilter",
    "ManyInput",
    "ManyUpdate",
    "MaxAggregateResult",
    "MinAggregateResult",
    "NumberOrderBy",
    "OnConflict",
    "OneInput",
    "OrderBy",
    "Related",
    "Remove",
    "SumAggregateResult",
    "SumHaving",
    "Update",
    "UpdateColumn",
    "UpdateInput",
];

/// What is reflected for whom.
#[derive(Clone, Copy)]
pub(crate) struct Sight<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) schema: &'a str,
    pub(crate) role: &'a str,
    /// Whether the role may know of a relation.
    pub(crate) sees: &'a dyn Fn(&Relation) -> bool,
    /// The size of the largest page.
    pub(crate) max_rows: Option<u64>,
    /// Whether introspection is answered where the schema's comment says nothing.
    pub(crate) introspection: bool,
}

/// The model of a schema for a role.
pub(crate) fn reflect(sight: Sight<'_>) -> Model {
    let comment = sight.catalog.schemas.get(sight.schema).and_then(|schema| schema.comment.as_deref());
    let commented = directive::read(comment);
    let naming = Naming { inflects: commented.directive.inflect_names };
    let model = Model {
        schema: sight.schema.to_owned(),
        description: commented.description,
        trigrams: sight.catalog.extensions.get("pg_trgm").cloned(),
        introspection: commented.directive.introspection.unwrap_or(sight.introspection),
        is_subgraph: commented.directive.federation,
        ..Model::default()
    };
    let values = Class::ALL.map(Class::name);
    let filters = values.iter().flat_map(|name| ["Filter", "ListFilter"].map(|what| format!("{name}{what}")));
    let taken =
        RESERVED.into_iter().chain(outcomes::RESERVED).chain(values).map(str::to_owned).chain(filters).collect();
    let mut reflecting = Reflecting {
        sight,
        naming,
        model,
        taken,
        schema: commented.directive,
        enums: IndexMap::new(),
        declared: words::declared(sight.catalog),
        foreign_keys: Vec::new(),
        ids: HashMap::new(),
        row_types: row_types(sight.catalog),
    };
    if sight.catalog.may_use_schema(sight.role, sight.schema) {
        reflecting.tables();
        reflecting.relationships();
        reflecting.roots();
        let documents = reflecting.document_types();
        reflecting.functions();
        reflecting.document_fields(documents);
    }
    reflecting.model
}

struct Reflecting<'a> {
    sight: Sight<'a>,
    naming: Naming,
    model: Model,
    taken: HashSet<String>,
    schema: Directive,
    /// Enums that were met, by their name in SQL.
    enums: IndexMap<String, ValueType>,
    /// Enums that are declared, by their name in SQL.
    declared: HashMap<String, QualifiedName>,
    /// Relationships that comments of relations declare.
    foreign_keys: Vec<(TableId, ForeignKey)>,
    /// Tables by the names of their relations.
    ids: HashMap<QualifiedName, TableId>,
    /// Names under which SQL knows the rows of relations.
    row_types: HashSet<String>,
}

impl Reflecting<'_> {
    fn tables(&mut self) {
        let catalog = self.sight.catalog;
        for relation in catalog.relations.values() {
            if relation.name.schema != self.sight.schema || !(self.sight.sees)(relation) || self.is_view(relation) {
                continue;
            }
            if let Some(table) = self.table(relation) {
                let id = self.model.tables.len();
                let said = directive::read(relation.comment.as_deref()).directive;
                self.foreign_keys.extend(said.foreign_keys.into_iter().map(|key| (id, key)));
                self.model.by_type.insert(table.type_name.clone(), id);
                self.ids.insert(relation.name.clone(), id);
                self.model.tables.push(table);
            }
        }
    }

    fn table(&mut self, relation: &Arc<Relation>) -> Option<Table> {
        let Sight { catalog, role, .. } = self.sight;
        let may = |privilege| catalog.may_some(role, privilege, relation);
        let reads = may(Privilege::Select);
        let (inserts, updates) =
            (relation.insertable && may(Privilege::Insert), relation.updatable && may(Privilege::Update));
        let deletes = relation.deletable && catalog.may(role, Privilege::Delete, relation);
        if !(reads || inserts || updates || deletes) {
            return None;
        }
        let commented = directive::read(relation.comment.as_deref());
        let said = commented.directive;
        let key = match &said.primary_key_columns {
            Some(columns) if columns.iter().all(|column| relation.columns.contains_key(column)) => columns.clone(),
            _ => relation.row_key.clone(),
        };
        // Without a key nothing tells one row from another, and no page can go on behind one.
        if key.is_empty() {
            return None;
        }
        let name = said.name.clone().unwrap_or_else(|| self.naming.type_name(&relation.name.name));
        if !is_name(&name) || !self.take(&name) {
            self.mistake(
                &relation.name,
                format!("its name for GraphQL, `{name}`, is no name or not free: it is left out"),
            );
            return None;
        }
        let most = said.max_rows.or(self.schema.max_rows).or(self.sight.max_rows).unwrap_or(u64::MAX);
        let is_view = relation.kind == RelationKind::View || relation.kind == RelationKind::MaterializedView;
        let mut table = Table {
            relation: Arc::clone(relation),
            type_name: name,
            description: commented.description,
            fields: IndexMap::new(),
            key,
            keys: Vec::new(),
            variants: None,
            insertable: inserts,
            updatable: updates,
            deletable: deletes,
            total_count: said.total_count.or(self.schema.total_count).is_none_or(|switch| switch.enabled),
            aggregates: said.aggregate.or(self.schema.aggregate).is_none_or(|switch| switch.enabled),
            page: said.max_rows.or(self.schema.max_rows).unwrap_or(PAGE).min(most),
            most,
            view: None,
        };
        let reads_key = table.key.iter().all(|column| catalog.may_column(role, Privilege::Select, relation, column));
        if reads_key {
            let kind = FieldKind::NodeId;
            let description = Some("Names the row among all rows of all types.".to_owned());
            table.fields.insert("nodeId".to_owned(), Field { description, deprecated: None, kind });
        }
        self.columns(&mut table, is_view);
        table.keys = keys::of(&table);
        table.variants = said.polymorphic.as_ref().and_then(|said| self.variants(&table, said));
        Some(table)
    }

    fn columns(&mut self, table: &mut Table, is_view: bool) {
        let Sight { catalog, role, .. } = self.sight;
        let relation = Arc::clone(&table.relation);
        for column in relation.columns.values() {
            let may = |privilege| catalog.may_column(role, privilege, &relation, &column.name);
            let is_ours = !matches!(column.generated, Generated::IdentityAlways | Generated::Computed);
            let (readable, insertable, updatable) = (
                may(Privilege::Select),
                table.insertable && is_ours && may(Privilege::Insert),
                table.updatable && is_ours && may(Privilege::Update),
            );
            if !(readable || insertable || updatable) {
                continue;
            }
            let value = self.column_type(column);
            let field = Column {
                name: column.name.clone(),
                value,
                // PostgreSQL does not know what a view's columns can be; of its key it is said, unless it is known better.
                nullable: column.nullable && (!is_view || column.shows_null || !table.key.contains(&column.name)),
                computed: false,
                is_binary_json: is_binary_json(&column.base_type),
                is_enum: !column.enum_values.is_empty(),
                compared_as: compared_as(column),
                readable,
                insertable,
                updatable,
                optional: column.nullable || column.default.is_some() || column.generated != Generated::No,
            };
            self.field(table, &column.name, column.comment.as_deref(), FieldKind::Column(field));
        }
        // A function of the row is given the whole row.
        let computed_fields = if self.reads_all(&relation) { Some(&relation.computed_fields) } else { None };
        for (name, computed) in computed_fields.into_iter().flatten() {
            let may_call = catalog.may_execute_of_row(role, &computed.function, &relation.name);
            if relation.columns.contains_key(name) || !may_call {
                continue;
            }
            let function = catalog.row_function(&computed.function, &relation.name);
            let value = self.value_type(&computed.type_name, computed.type_class, &[]);
            let column = Column {
                name: name.clone(),
                value,
                nullable: true,
                computed: true,
                is_binary_json: is_binary_json(&computed.type_name),
                is_enum: false,
                compared_as: None,
                readable: true,
                insertable: false,
                updatable: false,
                optional: true,
            };
            let comment = function.and_then(|function| function.comment.clone());
            self.field(table, name.trim_start_matches('_'), comment.as_deref(), FieldKind::Column(column));
        }
    }

    /// Whether the role may read every column.
    fn reads_all(&self, relation: &Relation) -> bool {
        let Sight { catalog, role, .. } = self.sight;
        relation.columns.keys().all(|column| catalog.may_column(role, Privilege::Select, relation, column))
    }

    /// Says what is wrong with an object.
    fn mistake(&mut self, object: impl std::fmt::Display, text: impl Into<String>) {
        self.model.mistakes.push(Mistake { object: object.to_string(), text: text.into() });
    }

    fn field(&mut self, table: &mut Table, own: &str, comment: Option<&str>, kind: FieldKind) {
        let commented = directive::read(comment);
        let name = commented.directive.name.unwrap_or_else(|| self.naming.field(own));
        if !is_name(&name) || table.fields.contains_key(&name) {
            let text = format!("its name for GraphQL, `{name}`, is no name or not free: it is left out");
            self.mistake(format_args!("{}.{own}", table.relation.name), text);
            return;
        }
        if matches!(&kind, FieldKind::Column(column) if !column.computed) && !is_enum_value(&name) {
            let text = format!(
                "its name for GraphQL, `{name}`, is no value of an enum: nothing that lists columns can name it"
            );
            self.mistake(format_args!("{}.{own}", table.relation.name), text);
        }
        let field = Field { description: commented.description, deprecated: commented.directive.deprecated, kind };
        table.fields.insert(name, field);
    }

    /// Takes the name of a type, and with it those that are made of it.
    fn take(&mut self, name: &str) -> bool {
        let is_free =
            !self.taken.contains(name) && DERIVED.iter().all(|what| !self.taken.contains(&format!("{name}{what}")));
        if is_free {
            self.taken.insert(name.to_owned());
            self.taken.extend(DERIVED.iter().map(|what| format!("{name}{what}")));
        }
        is_free
    }

    fn roots(&mut self) {
        let mut query = IndexMap::new();
        let mut mutation = IndexMap::new();
        for (id, table) in self.model.tables.iter().enumerate() {
            let name = lower_first(&table.type_name);
            if table.is_readable() {
                if table.has_pages() {
                    query.insert(format!("{name}Collection"), QueryField::Collection(id));
                }
                if table.is_named_by_key() {
                    query.insert(format!("{name}ByPk"), QueryField::ByKey(id));
                }
                if table.keys.iter().filter(|key| key.finds).nth(1).is_some() {
                    query.insert(format!("{name}By"), QueryField::ByAnyKey(id));
                }
                if table.has_groups() {
                    query.insert(format!("{name}Groups"), QueryField::Groups(id));
                }
            }
            let type_name = &table.type_name;
            let is_named = table.is_readable() && table.is_named_by_key();
            if table.insertable && table.columns().any(|(_, _, column)| column.insertable) {
                mutation.insert(format!("insertInto{type_name}Collection"), MutationField::Insert(id));
            }
            if table.updatable && table.columns().any(|(_, _, column)| column.updatable) {
                mutation.insert(format!("update{type_name}Collection"), MutationField::Update(id));
                mutation.insert(format!("update{type_name}CollectionMany"), MutationField::UpdateMany(id));
                if is_named {
                    mutation.insert(format!("update{type_name}ByPk"), MutationField::UpdateByKey(id));
                }
            }
            if table.deletable {
                mutation.insert(format!("deleteFrom{type_name}Collection"), MutationField::Delete(id));
                if is_named {
                    mutation.insert(format!("deleteFrom{type_name}ByPk"), MutationField::DeleteByKey(id));
                }
            }
        }
        self.model.query = query;
        self.model.mutation = mutation;
    }
}

/// Of documents, or of lists of them.
pub(crate) fn is_binary_json(type_name: &str) -> bool {
    type_name.trim_end_matches("[]") == "jsonb"
}

/// Operators of enums take no domains over them.
fn compared_as(column: &ferrobase_catalog::Column) -> Option<CatalogSql> {
    let is_domain = !column.enum_values.is_empty() && column.declared_type != column.base_type;
    is_domain.then(|| CatalogSql::written_by_catalog(&column.base_type))
}

/// SQL writes a type with its schema where the search path does not lead to it.
fn row_types(catalog: &Catalog) -> HashSet<String> {
    catalog.relations.keys().flat_map(|name| [name.name.clone(), name.to_string()]).collect()
}
