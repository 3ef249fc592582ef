//! The catalog as one role sees it becomes a model.
//!
//! pg_graphql's rules: a relation with a key is a type, a foreign key two fields, a function of a row a field, any other
//! function a field of `Query` or `Mutation`; privileges hide, comments rename. What clashes with an earlier name is left
//! out or renamed, and the model says so.

mod keys;
pub(crate) mod outcomes;
mod variants;
mod views;
mod ways;
mod words;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ferrobase_catalog::{
    Catalog, Function, Generated, Privilege, QualifiedName, Relation, RelationKind, ReturnShape, TypeClass, Volatility,
};
use indexmap::IndexMap;

use crate::directive::{self, Directive, ForeignKey};
use crate::mistakes::Mistake;
use crate::model::{
    CallArgument, CallReturns, Callee, Column, Field, FieldKind, Model, MutationField, QueryField, Table, TableId,
};
use crate::naming::{Naming, is_name, lower_first};
use crate::scalar::{Class, ValueType};

/// The size of a page that does not say its size.
const PAGE: u64 = 30;
/// Names of types that are ours or the specification's.
const RESERVED: [&str; 14] = [
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
    let taken =
        RESERVED.into_iter().chain(outcomes::RESERVED).chain(Class::ALL.map(Class::name)).map(str::to_owned).collect();
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
            _ => relation.primary_key.clone(),
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
            total_count: said.total_count.is_none_or(|switch| switch.enabled),
            aggregates: said.aggregate.is_none_or(|switch| switch.enabled),
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
                // PostgreSQL does not know what a view's columns can be; of its key it is said.
                nullable: column.nullable && !(is_view && table.key.contains(&column.name)),
                computed: false,
                is_binary_json: column.type_class == TypeClass::Jsonb,
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
                is_binary_json: computed.type_class == TypeClass::Jsonb,
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
                if table.keys.iter().filter(|key| key.readable).nth(1).is_some() {
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

    fn functions(&mut self) {
        let catalog = self.sight.catalog;
        for (name, overloads) in &catalog.functions {
            let [function] = overloads.as_slice() else { continue };
            let hides = !catalog.may_execute(self.sight.role, function) || function.is_document_view();
            if name.schema != self.sight.schema || hides {
                continue;
            }
            let Some((name, callee)) = self.callee(function) else { continue };
            let callee = Arc::new(callee);
            let (free, reads) = match function.volatility {
                Volatility::Volatile => (!self.model.mutation.contains_key(&name), false),
                Volatility::Stable | Volatility::Immutable => {
                    (!self.model.query.contains_key(&name) && name != "node", true)
                }
            };
            match (free, reads) {
                (false, _) => {
                    let text = format!("its name for GraphQL, `{name}`, is not free: it is left out");
                    self.mistake(&function.name, text);
                }
                (true, true) => {
                    self.model.query.insert(name, QueryField::Call(callee));
                }
                (true, false) => {
                    self.model.mutation.insert(name, MutationField::Call(callee));
                }
            }
        }
    }

    fn callee(&mut self, function: &Arc<Function>) -> Option<(String, Callee)> {
        if function.is_variadic() || function.parameters.iter().any(|parameter| parameter.name.is_empty()) {
            return None;
        }
        let commented = directive::read(function.comment.as_deref());
        let name = commented.directive.name.clone().unwrap_or_else(|| self.function_name(function));
        let mut arguments = IndexMap::new();
        for parameter in &function.parameters {
            if self.is_row_type(&parameter.type_name) {
                return None;
            }
            let is_input = self.is_conventional(function) && parameter.type_name == "jsonb";
            let input = if is_input { self.input_shape(&name, &commented.directive.input) } else { None };
            let argument = CallArgument {
                parameter: parameter.name.clone(),
                sql_type: parameter.type_name_unbounded.clone(),
                value: self.value_type(&parameter.type_name, TypeClass::Scalar, &[]),
                required: parameter.required,
                input,
            };
            let said = commented.directive.arguments.get(&parameter.name);
            let name = said.cloned().unwrap_or_else(|| self.argument_name(function, &parameter.name));
            if !is_name(&name) || arguments.insert(name, argument).is_some() {
                return None;
            }
        }
        let returns = match self.made(function, &name, &commented.directive) {
            Some(made) => CallReturns::Made(made),
            None => self.returns(function)?,
        };
        if !is_name(&name) {
            return None;
        }
        let (description, deprecated) = (commented.description, commented.directive.deprecated);
        Some((name, Callee { function: Arc::clone(function), description, deprecated, arguments, returns }))
    }

    fn returns(&mut self, function: &Function) -> Option<CallReturns> {
        let set = function.returns.set;
        match &function.returns.shape {
            ReturnShape::Row { relation: Some(relation), .. } => {
                let id = *self.ids.get(relation)?;
                let table = &self.model.tables[id];
                let reads = if set { table.has_pages() } else { table.is_readable() };
                reads.then_some(if set { CallReturns::Many(id) } else { CallReturns::One(id) })
            }
            ReturnShape::Scalar(name) => {
                let value = self.returned_type(name)?;
                Some(if set { CallReturns::Values(value) } else { CallReturns::Value(value) })
            }
            ReturnShape::Void | ReturnShape::Row { .. } => None,
        }
    }

    /// A type by its name in `pg_type`; none for what only a description at run time would tell.
    fn returned_type(&mut self, name: &QualifiedName) -> Option<ValueType> {
        if name.schema != "pg_catalog" {
            // An array's type is called after its element's.
            let element = name.name.strip_prefix('_');
            let element = element.filter(|element| self.declared.contains_key(&format!("{}.{element}", name.schema)));
            return Some(match element {
                Some(element) => self.value_type(&format!("{}.{element}[]", name.schema), TypeClass::Array, &[]),
                None => self.value_type(&name.to_string(), TypeClass::Scalar, &[]),
            });
        }
        let (element, is_list) = match name.name.strip_prefix('_') {
            Some(element) => (element, true),
            None => (name.name.as_str(), false),
        };
        let sql = match element {
            "int2" => "smallint",
            "int4" => "integer",
            "int8" => "bigint",
            "float4" => "real",
            "float8" => "double precision",
            "varchar" => "character varying",
            "bpchar" => "character",
            "bool" => "boolean",
            "time" => "time without time zone",
            "timetz" => "time with time zone",
            "timestamp" => "timestamp without time zone",
            "timestamptz" => "timestamp with time zone",
            "record" | "trigger" | "event_trigger" | "internal" | "cstring" => return None,
            other => other,
        };
        Some(ValueType { is_list, ..ValueType::of_sql(sql) })
    }

    /// Whether a type is that of a relation's rows.
    fn is_row_type(&self, type_name: &str) -> bool {
        self.row_types.contains(&type_name.trim_end_matches("[]").replace('"', ""))
    }
}

/// SQL writes a type with its schema where the search path does not lead to it.
fn row_types(catalog: &Catalog) -> HashSet<String> {
    catalog.relations.keys().flat_map(|name| [name.name.clone(), name.to_string()]).collect()
}
