//! The types of the schema cache. Plain data with look-ups; no SQL, no I/O.
//!
//! One file per subject: `relation` (tables, views, columns), `relationship` (what embedding follows), `function`
//! (what RPC calls), `declared` (enums, composite types, domains), `shape` (what JSON documents have), `access` (roles and
//! grants), `name`. Maps keep the order in which they were filled, which the loader makes deterministic: the same
//! database gives the same catalog.
//! Tests elsewhere build values of these types by hand; every struct that can has a `Default` for that.

mod access;
mod declared;
mod function;
mod name;
mod relation;
mod relationship;
mod shape;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use indexmap::IndexMap;

pub use access::{Grants, PUBLIC, Privilege, Role, Schema};
pub use declared::{DeclaredType, Field};
pub use function::{
    Function, Isolation, MediaHandler, OutputColumn, Parameter, Representation, ReturnShape, Returns, RowFunction,
    Volatility,
};
pub use name::{NameRef, QualifiedName, own_type_name};
pub use relation::{BaseRead, Column, ComputedField, Generated, Relation, RelationKind, RowSecurity, TypeClass};
pub use relationship::{ColumnPairs, Junction, Link, Relationship};
pub use shape::{DEPRECATED, ObjectShape, SEVERAL, Sampled, Shape, Shapes, TYPE_NAME};

/// Everything that is known about one database at one moment, as far as the scope of the load exposes it.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Counts up with every catalog that a handle was given; part of the key of whatever is cached from a catalog.
    pub generation: u64,
    /// `server_version_num`, for example 150018.
    pub server_version: u32,
    /// All user schemas, exposed or not.
    pub schemas: BTreeMap<String, Schema>,
    /// Installed extensions, each with the schema of its objects: where their operators are, whatever the search path.
    pub extensions: BTreeMap<String, String>,
    /// Schemas of the scope that do not exist.
    pub missing_schemas: Vec<String>,
    /// Tables, views, materialized views, foreign and partitioned tables of the exposed schemas, by name.
    pub relations: IndexMap<QualifiedName, Arc<Relation>>,
    /// Functions of the exposed schemas by name; several under one name are overloads, fewest parameters first.
    pub functions: IndexMap<QualifiedName, Vec<Arc<Function>>>,
    /// Functions that can be called with one row of an exposed relation, by name, whether or not their parameter has a
    /// name: who may call them. (Those that are called by name are `functions`.)
    pub row_functions: HashMap<QualifiedName, Vec<RowFunction>>,
    /// Enums, free-standing composite types and domains of every user schema, exposed or not, by name.
    pub types: IndexMap<QualifiedName, DeclaredType>,
    /// `COMMENT ON` those of them that have one.
    pub type_comments: HashMap<QualifiedName, String>,
    /// Relationships between exposed relations by source, detected and computed. Computed ones come first and have
    /// already replaced the detected ones whose target has their name; the rest is in the order in which PostgREST
    /// lists them.
    pub relationships: IndexMap<QualifiedName, Vec<Relationship>>,
    /// Domain casts that present or read values (PostgREST: data representations), by (source type, target type).
    pub representations: IndexMap<(String, String), Representation>,
    /// Custom media type handlers (aggregates and functions that return a domain named like a media type).
    pub media_handlers: Vec<MediaHandler>,
    /// What stands in the JSON documents of views, as far as the scope asked for it.
    pub shapes: Arc<Shapes>,
    /// All roles of the cluster, with what matters for running as them.
    pub roles: IndexMap<String, Role>,
    /// Names that `timezone` accepts (`pg_timezone_names`); empty unless the scope asked for them.
    pub timezones: HashSet<String>,
}

impl Catalog {
    /// A relation by schema and name.
    pub fn relation(&self, schema: &str, name: &str) -> Option<&Arc<Relation>> {
        self.relations.get(&NameRef(schema, name))
    }

    /// The overloads of a function, empty when there is none.
    pub fn overloads(&self, schema: &str, name: &str) -> &[Arc<Function>] {
        self.functions.get(&NameRef(schema, name)).map_or(&[], Vec::as_slice)
    }

    /// The function of this name that PostgreSQL calls with a row of a relation.
    pub fn row_function(&self, function: &QualifiedName, row: &QualifiedName) -> Option<&RowFunction> {
        let of_row = || self.row_functions.get(function).into_iter().flatten().filter(|known| known.row == *row);
        // What takes nothing else fits better than what has defaults for the rest.
        of_row().find(|known| known.takes_the_row_only).or_else(|| of_row().next())
    }

    /// The relationships that start at a relation, whatever schema they lead to.
    pub fn relationships_of(&self, source: &QualifiedName) -> &[Relationship] {
        self.relationships.get(source).map_or(&[], Vec::as_slice)
    }

    /// The relationships that a request to `schema` may follow from a relation of it: those that lead to the same
    /// schema, and computed ones whose function is there.
    pub fn relationships_within<'a>(
        &'a self,
        schema: &'a str,
        source: &str,
    ) -> impl Iterator<Item = &'a Relationship> + 'a {
        let all = self.relationships.get(&NameRef(schema, source)).map_or(&[][..], Vec::as_slice);
        all.iter().filter(move |relationship| relationship.schema() == schema)
    }

    /// The cast that turns one type into another, where a domain declares it.
    pub fn representation(&self, source_type: &str, target_type: &str) -> Option<&Representation> {
        if self.representations.is_empty() {
            return None;
        }
        self.representations.get(&(source_type.to_owned(), target_type.to_owned()))
    }

    /// The handler of a media type (lower case) for a relation or function, or with `None` the one for any element.
    pub fn media_handler(&self, target: Option<&QualifiedName>, media_type: &str) -> Option<&MediaHandler> {
        self.media_handlers.iter().find(|h| h.target.as_ref() == target && h.media_type == media_type)
    }
}
