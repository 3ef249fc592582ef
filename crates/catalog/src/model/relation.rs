//! Tables and whatever reads like one, and their columns.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use super::{Grants, QualifiedName};

/// What kind of relation it is (`pg_class.relkind`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RelationKind {
    /// Ordinary table.
    #[default]
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

/// A table or something that reads like one. Partitions of a partitioned table are never among those of a catalog:
/// a grant on the parent does not reach them and the parent's policies do not guard them.
#[derive(Clone, Debug, Default)]
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
    /// Primary key columns in key order (PostgREST lists those of a table by name); for a view those of the base
    /// tables whose key it shows in full, under the view's names, else empty.
    pub primary_key: Vec<String>,
    /// Columns that tell any two of its rows apart: the primary key of a table without heirs; of a view, which may show a row
    /// of a table several times, what its whole query lets be told. Empty where nobody knows any.
    pub row_key: Vec<String>,
    /// Unique constraints and indexes usable by ON CONFLICT, without the primary key.
    pub unique_keys: Vec<Vec<String>>,
    /// Whether other tables inherit from it (or did): their rows are among its own, and its keys do not hold for them.
    pub has_heirs: bool,
    /// Whether INSERT can work (for views: updatable, or an INSTEAD OF trigger).
    pub insertable: bool,
    /// Whether UPDATE can work.
    pub updatable: bool,
    /// Whether INSERT with ON CONFLICT can work: neither a rule nor an INSTEAD OF trigger writes in its place.
    pub upsertable: bool,
    /// Whether DELETE can work.
    pub deletable: bool,
    /// Row-level security.
    pub row_security: RowSecurity,
    /// For views: `security_invoker` is set.
    pub security_invoker: bool,
    /// For views: every user relation that is read, directly or through other views, in any schema, by name.
    pub reads: Vec<BaseRead>,
    /// Functions that look like a column of this relation: `select=full_name` calls `full_name(relation)`.
    pub computed_fields: IndexMap<String, ComputedField>,
    /// Privileges per role (`public` for PUBLIC), as granted, inheritance not applied.
    pub grants: BTreeMap<String, Grants>,
}

impl Relation {
    /// A column by name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.get(name)
    }

    /// A computed field by name; a column of that name wins, as it does in PostgreSQL.
    pub fn computed_field(&self, name: &str) -> Option<&ComputedField> {
        if self.columns.contains_key(name) { None } else { self.computed_fields.get(name) }
    }

    /// Whether it is a view of either sort.
    pub fn is_view(&self) -> bool {
        matches!(self.kind, RelationKind::View | RelationKind::MaterializedView)
    }
}

/// A relation that a view reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseRead {
    /// What is read.
    pub relation: QualifiedName,
    /// Its kind.
    pub kind: RelationKind,
    /// It has row-level security.
    pub row_security: bool,
    /// It is read with the caller's rights and policies on every path, because each view on the way has
    /// `security_invoker`. Otherwise some view's owner reads it, whoever asks.
    pub as_caller: bool,
}

/// `ENABLE` and `FORCE ROW LEVEL SECURITY`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowSecurity {
    /// Policies apply to everyone but the owner and BYPASSRLS roles.
    pub enabled: bool,
    /// Policies apply to the owner too.
    pub forced: bool,
}

/// A function of one row, callable as if it were a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComputedField {
    /// The function. PostgreSQL finds it by the search path; this is the one that the configured path finds first.
    pub function: QualifiedName,
    /// Its result type as SQL would write it in a cast.
    pub type_name: String,
    /// What sort of type it is.
    pub type_class: TypeClass,
}

/// A column.
#[derive(Clone, Debug, Default)]
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
    /// The declared type, which may be a domain, as SQL would write it. Representations are found by this name.
    pub declared_type: String,
    /// The type as API descriptions name it (PostgREST's OpenAPI): built-in types without modifiers and domains
    /// over them resolved, everything else as declared.
    pub shown_type: String,
    /// `pg_type.oid` of the base type.
    pub type_oid: u32,
    /// What sort of base type it is, for choosing JSON access and rendering.
    pub type_class: TypeClass,
    /// Longest text allowed, for `varchar(n)`, `char(n)` and bit strings.
    pub max_length: Option<i32>,
    /// The default as SQL text: `nextval(...)` for `GENERATED BY DEFAULT AS IDENTITY`, the domain's default where
    /// the column has none; none for columns that the caller may not write.
    pub default: Option<String>,
    /// Identity or generated columns: whether a caller may write them.
    pub generated: Generated,
    /// A column of a view that shows something else than a column of a table, so that nobody can write it; known
    /// only where the scope asked for it (`Scope::view_columns`).
    pub read_only: bool,
    /// A column of a view that is known to show NULL: the table's column allows it, or an outer join may find no row.
    pub shows_null: bool,
    /// Two values can be compared with each other.
    pub comparable: bool,
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
