//! The types of the schema cache. Plain data with look-ups; no SQL, no I/O.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;

/// A schema-qualified name, unquoted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QualifiedName {
    /// Schema.
    pub schema: String,
    /// Object name within it.
    pub name: String,
}

impl QualifiedName {
    /// Both parts.
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self { schema: schema.into(), name: name.into() }
    }
}

impl fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// Everything that is known about one database at one moment.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// `server_version_num`, for example 150018.
    pub server_version: u32,
    /// All user schemas with their comments.
    pub schemas: BTreeMap<String, Option<String>>,
    /// Tables, views, materialized views, foreign and partitioned tables by name.
    pub relations: HashMap<QualifiedName, Arc<Relation>>,
    /// Functions by name; several under one name are overloads, fewest parameters first.
    pub functions: HashMap<QualifiedName, Vec<Arc<Function>>>,
    /// Relationships by source relation, detected and computed; computed ones come first and override by name.
    pub relationships: HashMap<QualifiedName, Vec<Relationship>>,
    /// Domain casts that present or read values (PostgREST: data representations), by (source type, target type).
    pub representations: HashMap<(String, String), Representation>,
    /// Custom media type handlers (aggregates and functions that return a domain named like a media type).
    pub media_handlers: Vec<MediaHandler>,
    /// Roles that a request may run as, with what matters for running as them.
    pub roles: HashMap<String, Role>,
    /// Names that `timezone` accepts (`pg_timezone_names`).
    pub timezones: HashSet<String>,
}

impl Catalog {
    /// A relation by schema and name.
    pub fn relation(&self, schema: &str, name: &str) -> Option<&Arc<Relation>> {
        self.relations.get(&QualifiedName::new(schema, name))
    }

    /// The overloads of a function, empty when there is none.
    pub fn overloads(&self, schema: &str, name: &str) -> &[Arc<Function>] {
        self.functions.get(&QualifiedName::new(schema, name)).map_or(&[], Vec::as_slice)
    }

    /// The relationships that start at a relation.
    pub fn relationships_of(&self, source: &QualifiedName) -> &[Relationship] {
        self.relationships.get(source).map_or(&[], Vec::as_slice)
    }
}

/// What kind of relation it is (`pg_class.relkind`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RelationKind {
    /// Ordinary table.
    Table,
    /// Partitioned table; its partitions are not exposed.
    PartitionedTable,
    /// View.
    View,
    /// Materialized view.
    MaterializedView,
    /// Foreign table.
    ForeignTable,
}

/// A table or something that reads like one.
#[derive(Clone, Debug)]
pub struct Relation {
    /// Its `pg_class.oid`, for comparing with what the server reports.
    pub oid: u32,
    /// Its name.
    pub name: QualifiedName,
    /// Its kind.
    pub kind: RelationKind,
    /// `COMMENT ON`.
    pub comment: Option<String>,
    /// Owning role.
    pub owner: String,
    /// Columns in table order.
    pub columns: IndexMap<String, Column>,
    /// Primary key columns; for a view those of its base table that it shows in full, else empty.
    pub primary_key: Vec<String>,
    /// Unique constraints and indexes usable by ON CONFLICT, without the primary key.
    pub unique_keys: Vec<Vec<String>>,
    /// Whether INSERT can work (for views: updatable, or an INSTEAD OF trigger).
    pub insertable: bool,
    /// Whether UPDATE can work.
    pub updatable: bool,
    /// Whether DELETE can work.
    pub deletable: bool,
    /// Row-level security.
    pub row_security: RowSecurity,
    /// For views: `security_invoker` is set.
    pub security_invoker: bool,
    /// For views: base relations that are read, directly or through other views.
    pub reads: Vec<QualifiedName>,
    /// Whether it is a partition of another table.
    pub is_partition: bool,
    /// Privileges per role (`public` for PUBLIC), as granted, inheritance not applied.
    pub grants: BTreeMap<String, Grants>,
}

impl Relation {
    /// A column by name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.get(name)
    }

    /// Whether it is a view of either sort.
    pub fn is_view(&self) -> bool {
        matches!(self.kind, RelationKind::View | RelationKind::MaterializedView)
    }
}

/// `ENABLE` and `FORCE ROW LEVEL SECURITY`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowSecurity {
    /// Policies apply to everyone but the owner and BYPASSRLS roles.
    pub enabled: bool,
    /// Policies apply to the owner too.
    pub forced: bool,
}

/// Table privileges of one role; column grants are kept apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// SELECT on the whole relation.
    pub select: bool,
    /// INSERT on the whole relation.
    pub insert: bool,
    /// UPDATE on the whole relation.
    pub update: bool,
    /// DELETE.
    pub delete: bool,
    /// Columns with a SELECT grant of their own.
    pub select_columns: Vec<String>,
    /// Columns with an INSERT grant of their own.
    pub insert_columns: Vec<String>,
    /// Columns with an UPDATE grant of their own.
    pub update_columns: Vec<String>,
}

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// `pg_attribute.attnum`.
    pub position: i16,
    /// `COMMENT ON`.
    pub comment: Option<String>,
    /// Whether NULL is allowed.
    pub nullable: bool,
    /// The type as SQL would write it in a cast, domains resolved to their base type (`format_type` with modifiers:
    /// `character varying(10)`, `integer[]`), qualified where the type is not in `pg_catalog`.
    pub base_type: String,
    /// The declared type, which may be a domain, as SQL would write it.
    pub declared_type: String,
    /// `pg_type.oid` of the base type.
    pub type_oid: u32,
    /// What sort of base type it is, for choosing JSON access and rendering.
    pub type_class: TypeClass,
    /// Longest text allowed, for `varchar(n)` and `char(n)`.
    pub max_length: Option<i32>,
    /// The default expression as SQL text, identity included (`nextval(...)` or `GENERATED`).
    pub default: Option<String>,
    /// Identity or generated columns: whether a caller may write them.
    pub generated: Generated,
    /// Values of an enum type in order, else empty.
    pub enum_values: Vec<String>,
}

/// Who writes a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Generated {
    /// The caller.
    #[default]
    No,
    /// `GENERATED ALWAYS AS IDENTITY`: never the caller.
    IdentityAlways,
    /// `GENERATED BY DEFAULT AS IDENTITY`: either.
    IdentityByDefault,
    /// `GENERATED ALWAYS AS (...) STORED|VIRTUAL`: never the caller.
    Computed,
}

/// Classes of types that planning must tell apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TypeClass {
    /// Anything without special treatment.
    #[default]
    Scalar,
    /// `json`.
    Json,
    /// `jsonb`.
    Jsonb,
    /// Arrays: `->0` goes through `to_jsonb`.
    Array,
    /// Composite types: `->field` goes through `to_jsonb`.
    Composite,
    /// `tsvector`: full-text operators need no conversion.
    TsVector,
}

/// How two relations are joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relationship {
    /// Where it starts.
    pub source: QualifiedName,
    /// Where it leads.
    pub target: QualifiedName,
    /// How rows correspond.
    pub link: Link,
    /// Source and target are the same relation.
    pub is_self: bool,
    /// The source is a view.
    pub source_is_view: bool,
    /// The target is a view.
    pub target_is_view: bool,
}

impl Relationship {
    /// Whether at most one target row belongs to a source row.
    pub fn is_to_one(&self) -> bool {
        match &self.link {
            Link::ManyToOne { .. } | Link::OneToOne { .. } => true,
            Link::OneToMany { .. } | Link::ManyToMany(_) => false,
            Link::Computed { to_one, .. } => *to_one,
        }
    }
}

/// Pairs of (source column, target column).
pub type ColumnPairs = Vec<(String, String)>;

/// The correspondence of a relationship.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// The source has the foreign key.
    ManyToOne {
        /// Constraint name.
        constraint: String,
        /// Column pairs.
        columns: ColumnPairs,
    },
    /// The target has the foreign key.
    OneToMany {
        /// Constraint name.
        constraint: String,
        /// Column pairs.
        columns: ColumnPairs,
    },
    /// The foreign key is unique; `source_is_parent` when the target has it.
    OneToOne {
        /// Constraint name.
        constraint: String,
        /// Column pairs.
        columns: ColumnPairs,
        /// The target has the key.
        source_is_parent: bool,
    },
    /// Through a junction whose key contains both foreign keys.
    ManyToMany(Junction),
    /// A function that takes a source row and returns target rows.
    Computed {
        /// The function.
        function: QualifiedName,
        /// `ROWS 1` or not SETOF.
        to_one: bool,
    },
}

/// The table in the middle of a many-to-many relationship.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Junction {
    /// The junction.
    pub table: QualifiedName,
    /// The constraint that leads to the source.
    pub source_constraint: String,
    /// The constraint that leads to the target.
    pub target_constraint: String,
    /// (source column, junction column).
    pub source_columns: ColumnPairs,
    /// (target column, junction column).
    pub target_columns: ColumnPairs,
}

/// `pg_proc.provolatile`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Volatility {
    /// May write.
    Volatile,
    /// Reads only.
    Stable,
    /// Depends on its arguments only.
    Immutable,
}

/// A function or procedure that the API may call.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its `pg_proc.oid`.
    pub oid: u32,
    /// Its name.
    pub name: QualifiedName,
    /// `COMMENT ON`.
    pub comment: Option<String>,
    /// Input parameters (IN, INOUT, VARIADIC) in order.
    pub parameters: Vec<Parameter>,
    /// What comes back.
    pub returns: Returns,
    /// Volatility.
    pub volatility: Volatility,
    /// Runs with its owner's rights.
    pub security_definer: bool,
    /// `SET` clauses of the function.
    pub settings: Vec<(String, String)>,
    /// `default_transaction_isolation` of the function's settings, when there.
    pub isolation: Option<Isolation>,
    /// Roles with EXECUTE (`public` for PUBLIC).
    pub execute_grants: Vec<String>,
}

impl Function {
    /// Whether the last parameter is VARIADIC.
    pub fn is_variadic(&self) -> bool {
        self.parameters.iter().any(|p| p.variadic)
    }
}

/// One input parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name, empty when unnamed.
    pub name: String,
    /// Its type as SQL would write it in a cast.
    pub type_name: String,
    /// The same with unbounded length (`character varying` for `varchar(10)`), for building records from JSON.
    pub type_name_unbounded: String,
    /// No DEFAULT.
    pub required: bool,
    /// VARIADIC.
    pub variadic: bool,
}

/// The result of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returns {
    /// SETOF or TABLE.
    pub set: bool,
    /// What each row is.
    pub shape: ReturnShape,
}

/// What one result of a function is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReturnShape {
    /// `void`.
    Void,
    /// A scalar, array, domain over a scalar, ...
    Scalar(QualifiedName),
    /// A row: a table's row type, a composite type, OUT parameters or `record`.
    Row {
        /// The type; `pg_catalog.record` for OUT parameters and `record`.
        type_name: QualifiedName,
        /// The relation whose row type it is, when there is one: relationships start there.
        relation: Option<QualifiedName>,
        /// A domain over a composite type.
        is_domain: bool,
    },
}

/// A domain cast used to present or read values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Representation {
    /// From.
    pub source_type: String,
    /// To: `json`, `text` or a domain.
    pub target_type: String,
    /// The cast function, quoted and qualified, ready for SQL text.
    pub function: String,
}

/// A custom media type handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaHandler {
    /// The function or aggregate.
    pub function: QualifiedName,
    /// The relation it applies to; `None` for any element.
    pub target: Option<QualifiedName>,
    /// The media type it makes, as the domain is named (`*/*` for any).
    pub media_type: String,
    /// It is an aggregate (over rows) and not a function of a scalar.
    pub is_aggregate: bool,
}

/// Transaction isolation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// The default.
    ReadCommitted,
    /// One snapshot for the transaction.
    RepeatableRead,
    /// As if one after another.
    Serializable,
}

/// A role as far as running requests as it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Role {
    /// SUPERUSER.
    pub superuser: bool,
    /// BYPASSRLS.
    pub bypass_rls: bool,
    /// LOGIN.
    pub login: bool,
    /// `ALTER ROLE ... SET`, applied per transaction as far as allowed.
    pub settings: Vec<(String, String)>,
    /// `default_transaction_isolation` among them.
    pub isolation: Option<Isolation>,
    /// Roles whose privileges it has, itself and PUBLIC aside (inherited memberships, transitive).
    pub inherits: Vec<String>,
    /// Roles that it may SET ROLE to (transitive).
    pub may_become: Vec<String>,
}
