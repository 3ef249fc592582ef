//! What a schema offers to programs, in words of no language.

use ferrobase_catalog::QualifiedName;

/// One schema; everything in it is sorted by name.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    pub(crate) name: String,
    pub(crate) tables: Vec<Relation>,
    pub(crate) views: Vec<Relation>,
    /// By name, with overloads.
    pub(crate) functions: Vec<(String, Vec<Function>)>,
    pub(crate) enums: Vec<(String, Vec<String>)>,
    pub(crate) composites: Vec<(String, Vec<(String, Type)>)>,
}

impl Schema {
    /// A table or view by name.
    pub(crate) fn relation(&self, name: &str) -> Option<&Relation> {
        self.tables.iter().chain(&self.views).find(|relation| relation.name == name)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Relation {
    pub(crate) name: String,
    pub(crate) columns: Vec<Column>,
    /// Functions of one row that can be selected like columns.
    pub(crate) computed: Vec<(String, Outcome)>,
    pub(crate) insertable: bool,
    pub(crate) updatable: bool,
    pub(crate) references: Vec<Reference>,
}

#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) value: Type,
    pub(crate) nullable: bool,
    pub(crate) has_default: bool,
    pub(crate) insert: Write,
    pub(crate) update: Write,
}

/// Whether a column is given when a row is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    Required,
    Optional,
    Never,
}

/// A foreign key of this relation, or one that is seen through a view at either end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) constraint: String,
    pub(crate) columns: Vec<String>,
    pub(crate) one_to_one: bool,
    pub(crate) relation: String,
    pub(crate) referenced: Vec<String>,
}

/// The type of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// A type of PostgreSQL or of an extension, by its bare name without modifiers: `character varying`, `citext`.
    Base(String),
    /// An enum of one of the schemas.
    Enum(QualifiedName),
    /// An enum of another schema: its values.
    Labels(Vec<String>),
    /// A composite type of one of the schemas.
    Composite(QualifiedName),
    /// The row type of a table or view of one of the schemas.
    Row {
        relation: QualifiedName,
        is_view: bool,
    },
    List(Box<Type>),
    /// Something of another schema.
    Unknown,
}

/// A function, called by name with named arguments, or with a row.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    /// Sorted by name.
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) outcome: Outcome,
    pub(crate) set: bool,
    /// A set of at most one row, says its author; or no set.
    pub(crate) single: bool,
    /// Its result can be selected from, as from a relation.
    pub(crate) selectable: Option<Selectable>,
    /// Why it cannot be called.
    pub(crate) error: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    /// Empty where the whole body, or a row, is the argument.
    pub(crate) name: String,
    pub(crate) value: Type,
    pub(crate) required: bool,
}

/// One result of a function.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Void,
    Value(Type),
    /// A row of a relation of one of the schemas.
    Row(QualifiedName),
    /// Declared columns.
    Columns(Vec<(String, Type)>),
}

/// From which relation (none: from nowhere) to which a function leads.
#[derive(Clone, Debug)]
pub(crate) struct Selectable {
    pub(crate) from: Option<String>,
    pub(crate) to: String,
}
