//! Functions that the API may call, and the functions that present and read values.

use super::QualifiedName;

/// `pg_proc.provolatile`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Volatility {
    /// May write.
    #[default]
    Volatile,
    /// Reads only.
    Stable,
    /// Depends on its arguments only.
    Immutable,
}

/// A function that the API may call.
#[derive(Clone, Debug, Default)]
pub struct Function {
    /// Its `pg_proc.oid`.
    pub oid: u32,
    /// Its name.
    pub name: QualifiedName,
    /// `COMMENT ON`.
    pub comment: Option<String>,
    /// Owning role, whose rights apply when it is SECURITY DEFINER.
    pub owner: String,
    /// Implementation language (`sql`, `plpgsql`, ...).
    pub language: String,
    /// Input parameters (IN, INOUT, VARIADIC) in order.
    pub parameters: Vec<Parameter>,
    /// Columns of the result, where the function declares them (OUT, INOUT, TABLE).
    pub output_columns: Vec<OutputColumn>,
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
        self.parameters.last().is_some_and(|p| p.variadic)
    }
}

/// A function that can be called with one row of a relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFunction {
    /// The relation.
    pub row: QualifiedName,
    /// It has no other parameter.
    pub takes_the_row_only: bool,
    /// `COMMENT ON`.
    pub comment: Option<String>,
    /// Roles with EXECUTE (`public` for PUBLIC).
    pub execute_grants: Vec<String>,
}

/// One input parameter.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Parameter {
    /// Its name, empty when unnamed.
    pub name: String,
    /// Its type as SQL would write it in a cast.
    pub type_name: String,
    /// The same with unbounded length (`character varying` for `character`), for building records from JSON: a
    /// parameter accepts any length, a cast to the bare type would cut to one.
    pub type_name_unbounded: String,
    /// No DEFAULT.
    pub required: bool,
    /// VARIADIC.
    pub variadic: bool,
}

/// One declared column of a function's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputColumn {
    /// Its name, empty when unnamed.
    pub name: String,
    /// Its type as SQL would write it in a cast.
    pub type_name: String,
}

/// The result of a function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Returns {
    /// SETOF or TABLE.
    pub set: bool,
    /// A set of which its author says `ROWS 1`.
    pub rows_one: bool,
    /// The declared type of each, as SQL would write it in a cast.
    pub type_name: String,
    /// What each row is.
    pub shape: ReturnShape,
}

/// What one result of a function is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ReturnShape {
    /// `void`.
    #[default]
    Void,
    /// A scalar, array, a domain over one (under its base type's name), or `record` without declared columns,
    /// which only row-to-JSON can read.
    Scalar(QualifiedName),
    /// A row: a table's row type, a composite type, or declared columns (OUT, INOUT, TABLE).
    Row {
        /// The type: `pg_catalog.record` for several declared columns, the type of the column for a single one.
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
    /// What is applied to the rows: an aggregate, or for a function that returns the media type itself the domain,
    /// called like a cast.
    pub function: QualifiedName,
    /// What it applies to: a relation, or a function of that name; `None` for any element.
    pub target: Option<QualifiedName>,
    /// The media type asked for, in lower case, as the domain is named (`*/*` for any).
    pub media_type: String,
    /// The media type answered: `application/octet-stream` for `*/*` unless the function sets another one.
    pub content_type: String,
    /// It is an aggregate (over rows) and not the result of a function.
    pub is_aggregate: bool,
}

/// Transaction isolation, the strictest one last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isolation {
    /// The default.
    ReadCommitted,
    /// One snapshot for the transaction.
    RepeatableRead,
    /// As if one after another.
    Serializable,
}

impl Isolation {
    /// Reads the value of `default_transaction_isolation`. Anything unknown is the default; PostgreSQL treats
    /// READ UNCOMMITTED as READ COMMITTED.
    pub fn from_setting(value: &str) -> Self {
        match value.to_ascii_lowercase().as_str() {
            "repeatable read" => Self::RepeatableRead,
            "serializable" => Self::Serializable,
            _ => Self::ReadCommitted,
        }
    }
}
