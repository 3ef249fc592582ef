//! Calls of functions.

use bytes::Bytes;
use ferrobase_catalog::QualifiedName;

use super::Columns;
use crate::sql::CatalogSql;

/// The output column of a function that returns scalars. Clients can filter and order by it, so the name is
/// PostgREST's.
pub const SCALAR: &str = "pgrst_scalar";

/// A call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// What is called.
    pub function: QualifiedName,
    /// With what.
    pub arguments: Arguments,
    /// What comes back.
    pub returned: Returned,
    /// Columns of the result that the read needs.
    pub columns: Columns,
}

/// What a function returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Returned {
    /// Scalars, which become one column named [`SCALAR`]; else rows.
    pub scalar: bool,
    /// Any number of them, not exactly one.
    pub set: bool,
}

/// Arguments of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Arguments {
    /// By name, each a text.
    Named(Vec<Argument>),
    /// By name, from a JSON object. Of a list of objects the first counts; of an empty one the function is not called.
    Record {
        /// Parameters that the object gives.
        fields: Vec<RecordField>,
        /// JSON text.
        json: Bytes,
        /// It is an object, not a list.
        is_object: bool,
    },
    /// The whole body for a function of one unnamed parameter.
    Unnamed {
        /// Type of the parameter.
        type_name: UnnamedType,
        /// The body; none is NULL.
        body: Option<Bytes>,
    },
}

/// A named argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Name of the parameter.
    pub name: String,
    /// Its type, without a length.
    pub type_name: CatalogSql,
    /// It is VARIADIC.
    pub variadic: bool,
    /// The value.
    pub value: ArgumentValue,
}

/// The value of a named argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArgumentValue {
    /// One text.
    Text(String),
    /// Several, for a VARIADIC parameter.
    List(Vec<String>),
    /// What the request's transaction knows about the caller: nothing that came with the request's text.
    Caller {
        /// Where it stands; the first that says something counts.
        sources: Vec<CallerSource>,
        /// The parameter's default, where none says anything; else NULL.
        default: Option<CatalogSql>,
    },
}

/// A place in which something is known about the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallerSource {
    /// A claim of the verified token, by the keys that lead to it.
    Claim(Vec<String>),
    /// A setting of the transaction, by its name.
    Setting(&'static str),
}

/// A parameter that a JSON object gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordField {
    /// Name of the parameter and key in the object.
    pub name: String,
    /// The type as which it is read, without a length.
    pub type_name: CatalogSql,
    /// The type to which it is cast then.
    pub cast: Option<CatalogSql>,
    /// It is VARIADIC.
    pub variadic: bool,
}

/// Types that a single unnamed parameter can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // named as in SQL
pub enum UnnamedType {
    Json,
    Jsonb,
    Text,
    Xml,
    Bytea,
}
