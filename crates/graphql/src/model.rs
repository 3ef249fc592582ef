//! What one role sees of one schema, before it is a schema of GraphQL.
//!
//! Plain data, made by `reflect` from the catalog, read by `schema` (which draws types from it) and by `plan` (which looks
//! up what a field means). Names here are names of GraphQL; names of the database stand beside them.
//! Invariant: what is in here the role may see; whether it may do it is still PostgreSQL's to say.

use std::collections::HashMap;
use std::sync::Arc;

use ferrobase_catalog::{Function, QualifiedName, Relation};
use ferrobase_query::plan::{Argument, Join};
use ferrobase_query::sql::CatalogSql;
use indexmap::IndexMap;

use crate::made::{InputShape, Made};
use crate::mistakes::Mistake;
use crate::naming::is_enum_value;
use crate::scalar::{Class, ValueType};
use crate::views::{Documents, Place};

/// The index of a table in [`Model::tables`].
pub(crate) type TableId = usize;

/// Everything that one role sees of one schema.
#[derive(Debug, Default)]
pub(crate) struct Model {
    /// The schema of the database.
    pub(crate) schema: String,
    /// What its owner says about it.
    pub(crate) description: Option<String>,
    /// The schema of pg_trgm, where it is installed.
    pub(crate) trigrams: Option<String>,
    /// Whether introspection is answered.
    pub(crate) introspection: bool,
    /// Whether it is a part of a federation.
    pub(crate) is_subgraph: bool,
    /// How routers read it then.
    pub(crate) sdl: Option<String>,
    /// Relations whose rows have a type.
    pub(crate) tables: Vec<Table>,
    /// The same by the name of their type.
    pub(crate) by_type: HashMap<String, TableId>,
    /// Enums by name.
    pub(crate) enums: IndexMap<String, EnumType>,
    /// Fields of `Query`, without `node`.
    pub(crate) query: IndexMap<String, QueryField>,
    /// Fields of `Mutation`.
    pub(crate) mutation: IndexMap<String, MutationField>,
    /// Types of JSON documents.
    pub(crate) documents: Documents,
    /// Names that were not to be had, and what is therefore missing.
    pub(crate) mistakes: Vec<Mistake>,
}

impl Model {
    /// Gives up JSON views, and with them the types of documents.
    pub(crate) fn forget_documents(&mut self) {
        self.documents = Documents::default();
        self.query.retain(|_, field| !matches!(field, QueryField::Documents(_) | QueryField::DocumentPage(_)));
        let read = self.query.values_mut().filter_map(|field| match field {
            QueryField::Call(callee) => Some(callee),
            _ => None,
        });
        let written = self.mutation.values_mut().filter_map(|field| match field {
            MutationField::Call(callee) => Some(callee),
            _ => None,
        });
        for callee in read.chain(written) {
            if let CallReturns::Made(made) = &mut std::sync::Arc::make_mut(callee).returns {
                made.forget_documents();
            }
        }
    }
}

/// A field of `Query`.
#[derive(Clone, Debug)]
pub(crate) enum QueryField {
    /// Rows of a table, page by page.
    Collection(TableId),
    /// One row by its primary key.
    ByKey(TableId),
    /// One row by any of its keys.
    ByAnyKey(TableId),
    /// Rows in groups.
    Groups(TableId),
    /// A function that reads.
    Call(Arc<Callee>),
    /// Documents of a JSON view, as a list.
    Documents(TableId),
    /// The same page by page.
    DocumentPage(TableId),
}

/// A field of `Mutation`.
#[derive(Clone, Debug)]
pub(crate) enum MutationField {
    /// New rows.
    Insert(TableId),
    /// Changed rows.
    Update(TableId),
    /// Removed rows.
    Delete(TableId),
    /// Several changes, each of rows of its own.
    UpdateMany(TableId),
    /// One changed row.
    UpdateByKey(TableId),
    /// One removed row.
    DeleteByKey(TableId),
    /// A function that may write.
    Call(Arc<Callee>),
}

/// A relation whose rows have a type.
#[derive(Debug)]
pub(crate) struct Table {
    /// The relation.
    pub(crate) relation: Arc<Relation>,
    /// The name of its rows' type, which the names of all other types begin with.
    pub(crate) type_name: String,
    /// What its owner says about it.
    pub(crate) description: Option<String>,
    /// Fields of a row.
    pub(crate) fields: IndexMap<String, Field>,
    /// Columns that name a row, in key order.
    pub(crate) key: Vec<String>,
    /// Every key whose columns are fields, the primary one first.
    pub(crate) keys: Vec<UniqueKey>,
    /// Its rows are of several types.
    pub(crate) variants: Option<Variants>,
    /// Rows can be inserted.
    pub(crate) insertable: bool,
    /// Rows can be changed.
    pub(crate) updatable: bool,
    /// Rows can be removed.
    pub(crate) deletable: bool,
    /// Pages know how many rows there are.
    pub(crate) total_count: bool,
    /// Pages know what rows add up to.
    pub(crate) aggregates: bool,
    /// The size of a page that does not say its size.
    pub(crate) page: u64,
    /// The size of the largest page.
    pub(crate) most: u64,
    /// Its rows are JSON documents; the fields are then what can be asked beside them.
    pub(crate) view: Option<View>,
}

/// What makes a relation, or a function that looks like one, a JSON view.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// What its documents are.
    pub(crate) place: Place,
    /// The function that gives the rows, and its arguments, which nobody gives.
    pub(crate) function: Option<(QualifiedName, Vec<Argument>)>,
}

/// Rows of several types in one relation, whose own type is then an interface.
#[derive(Clone, Debug)]
pub(crate) struct Variants {
    /// The column that says which.
    pub(crate) column: String,
    /// The types.
    pub(crate) types: Vec<Variant>,
    /// The name of the type of rows whose value has none.
    pub(crate) other: String,
}

/// A type of rows.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    /// The value of the column.
    pub(crate) value: String,
    /// Its name.
    pub(crate) name: String,
    /// Fields that not every type has and this one does.
    pub(crate) own: Vec<String>,
}

impl Variants {
    /// Whether a field is one that not every type has.
    pub(crate) fn is_own(&self, field: &str) -> bool {
        self.types.iter().any(|variant| variant.own.iter().any(|own| own == field))
    }
}

/// Columns that no two rows have the same values in.
#[derive(Clone, Debug)]
pub(crate) struct UniqueKey {
    /// Its name: those of the fields.
    pub(crate) name: String,
    /// The columns, in key order.
    pub(crate) columns: Vec<String>,
    /// Rows are found by it: it holds for all of them, and the role may read its columns.
    pub(crate) finds: bool,
}

/// A field of a row.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    /// What its owner says about it.
    pub(crate) description: Option<String>,
    /// Why not to use it any more.
    pub(crate) deprecated: Option<String>,
    /// What it is.
    pub(crate) kind: FieldKind,
}

/// What a field of a row is.
#[derive(Clone, Debug)]
pub(crate) enum FieldKind {
    /// What names the row among all rows of all tables.
    NodeId,
    /// A column, or a function of the row that gives a value.
    Column(Column),
    /// A related row.
    One(Reference),
    /// Related rows, page by page.
    Many(Reference),
}

/// A column as a field.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// Its name in the database.
    pub(crate) name: String,
    /// Its type.
    pub(crate) value: ValueType,
    /// It may be null in answers.
    pub(crate) nullable: bool,
    /// It is a function of the row, not a column.
    pub(crate) computed: bool,
    /// It is `jsonb`, not `json`.
    pub(crate) is_binary_json: bool,
    /// It is an enum, or a domain over one, whatever GraphQL calls it.
    pub(crate) is_enum: bool,
    /// The type as which operators take it, where they do not take its own.
    pub(crate) compared_as: Option<CatalogSql>,
    /// The role may read it.
    pub(crate) readable: bool,
    /// The role may give it to a new row.
    pub(crate) insertable: bool,
    /// The role may change it.
    pub(crate) updatable: bool,
    /// A new row needs no value for it.
    pub(crate) optional: bool,
}

/// Where a field of a row leads.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    /// The table.
    pub(crate) table: TableId,
    /// How rows correspond.
    pub(crate) join: Join,
    /// There may be no row.
    pub(crate) nullable: bool,
    /// The row itself has the columns that refer to the other one.
    pub(crate) refers: bool,
}

/// An enum.
#[derive(Clone, Debug, Default)]
pub(crate) struct EnumType {
    /// What its owner says about it.
    pub(crate) description: Option<String>,
    /// Its words.
    pub(crate) words: Vec<String>,
}

/// A function as a field.
#[derive(Clone, Debug)]
pub(crate) struct Callee {
    /// The function.
    pub(crate) function: Arc<Function>,
    /// What its owner says about it.
    pub(crate) description: Option<String>,
    /// Why not to use it any more.
    pub(crate) deprecated: Option<String>,
    /// Its arguments by their names in GraphQL.
    pub(crate) arguments: IndexMap<String, CallArgument>,
    /// What it returns.
    pub(crate) returns: CallReturns,
    /// How many values or rows of its own are told of it; none where their number is not limited.
    pub(crate) most: Option<u64>,
}

/// An argument of a function.
#[derive(Clone, Debug)]
pub(crate) struct CallArgument {
    /// The name of the parameter.
    pub(crate) parameter: String,
    /// Its type as SQL writes it, of any length.
    pub(crate) sql_type: String,
    /// Its type.
    pub(crate) value: ValueType,
    /// It has no default.
    pub(crate) required: bool,
    /// The keys of an object that it is.
    pub(crate) input: Option<InputShape>,
}

/// What a function returns.
#[derive(Clone, Debug)]
pub(crate) enum CallReturns {
    /// A value.
    Value(ValueType),
    /// Values.
    Values(ValueType),
    /// A row.
    One(TableId),
    /// Rows, page by page.
    Many(TableId),
    /// Something that has a type of its own.
    Made(Made),
}

impl Column {
    /// The column as operators and functions take it.
    pub(crate) fn operand(&self) -> ferrobase_query::plan::Field {
        let as_type = self.compared_as.clone();
        ferrobase_query::plan::Field { as_type, ..ferrobase_query::plan::Field::column(&self.name) }
    }
}

impl Table {
    /// The name of a type that goes with the rows' type.
    pub(crate) fn type_of(&self, what: &str) -> String {
        format!("{}{what}", self.type_name)
    }

    /// The fields that are columns, by name.
    pub(crate) fn columns(&self) -> impl Iterator<Item = (&String, &Field, &Column)> {
        self.fields.iter().filter_map(|(name, field)| match &field.kind {
            FieldKind::Column(column) => Some((name, field, column)),
            _ => None,
        })
    }

    /// A column by the name of its field.
    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        match &self.fields.get(name)?.kind {
            FieldKind::Column(column) => Some(column),
            _ => None,
        }
    }

    /// Whether rows have a field of this name that the role may read.
    pub(crate) fn shown(&self, name: &str) -> bool {
        let hidden = |field: &Field| matches!(&field.kind, FieldKind::Column(column) if !column.readable);
        self.fields.get(name).is_some_and(|field| !hidden(field))
    }

    /// Columns that an enum can name, that the role may read and whose values can be told apart and put in order.
    pub(crate) fn comparable(&self) -> impl Iterator<Item = (&String, &Column)> {
        let compares = |column: &Column| column.readable && !column.computed && column.value.class.is_ordered();
        let may = move |(name, _, column): &(&String, &Field, &Column)| is_enum_value(name) && compares(column);
        self.columns().filter(may).map(|(name, _, column)| (name, column))
    }

    /// Columns that an enum can name and that the role may change.
    pub(crate) fn changeable(&self) -> impl Iterator<Item = &str> {
        let may = |(name, _, column): &(&String, &Field, &Column)| is_enum_value(name) && column.updatable;
        self.columns().filter(may).map(|(name, ..)| name.as_str())
    }

    /// Keys that an enum can name.
    pub(crate) fn named_keys(&self) -> impl Iterator<Item = &UniqueKey> {
        self.keys.iter().filter(|key| is_enum_value(&key.name))
    }

    /// Whether it has texts that the role may read.
    pub(crate) fn has_texts(&self) -> bool {
        self.comparable().any(|(_, column)| column.value.class == Class::String && !column.value.is_list)
    }

    /// Whether it has rows that the role may read.
    pub(crate) fn is_readable(&self) -> bool {
        self.columns().any(|(_, _, column)| column.readable)
    }

    /// Whether its rows can be told in groups, and asked for by what others add up to.
    pub(crate) fn has_groups(&self) -> bool {
        self.aggregates && self.comparable().next().is_some()
    }

    /// Whether a row can be named by its primary key.
    pub(crate) fn is_named_by_key(&self) -> bool {
        self.key.iter().all(|column| self.field_of(column).is_some_and(|(_, column)| column.readable))
    }

    /// Whether its rows can be told page by page: an order ends in the primary key, which must be readable for that.
    pub(crate) fn has_pages(&self) -> bool {
        self.is_readable() && (self.view.is_some() || self.is_named_by_key())
    }

    /// The field of a column, by the column's name in the database.
    pub(crate) fn field_of(&self, column: &str) -> Option<(&String, &Column)> {
        self.columns()
            .find(|(_, _, other)| other.name == column && !other.computed)
            .map(|(name, _, column)| (name, column))
    }
}
