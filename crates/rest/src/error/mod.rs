//! Everything that can be wrong with a REST request, and how it is told.
//!
//! Codes, texts and statuses are PostgREST's, because clients act on them: PGRST1xx is about the request, PGRST2xx
//! about names that the catalog does not have (`lookup`), PGRST0xx and SQLSTATEs come from the database (`database`).
//! Invariant: an error carries the caller's words, names the caller may know, and what PostgreSQL told; never SQL text.
//! Read on: `response` (the JSON body and the fields), `similar` (who was meant).

mod database;
mod lookup;
mod response;
pub mod similar;

use std::time::Duration;

use ferrobase_base::{Kind, PublicError};
use serde_json::Value;

use crate::body::BodyError;
use crate::body::rows::RowError;
use crate::parse::ParseError;
use crate::profile::UnknownSchema;
use crate::range::RangeError;

pub use lookup::{CallKind, LookupError, Similar};
pub(crate) use response::{body, of_operation};
pub use response::{error_shape, to_response};

/// A failed REST request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The query string does not follow the grammar.
    #[error(transparent)]
    Query(#[from] ParseError),
    /// A method that functions do not have.
    #[error("Cannot use the {0} method on RPC")]
    RpcMethod(String),
    /// The body makes no sense.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// A row of a streamed body makes no sense.
    #[error("{}", .0.error)]
    Row(RowError),
    /// No such rows.
    #[error("Requested range not satisfiable")]
    Range(RangeError),
    /// PUT without exactly the primary key in its filters.
    #[error("Filters must include all and only primary key columns with 'eq' operators")]
    PutFilters,
    /// A schema that is not exposed.
    #[error("Invalid schema: {}", .0.asked)]
    Schema(UnknownSchema),
    /// No representation that the caller takes; the types that were asked for.
    #[error("None of these media types are available: {}", .0.join(", "))]
    NotAcceptable(Vec<String>),
    /// A filter, order or limit on something that is not embedded.
    #[error("'{name}' is not an embedded resource in this request")]
    NotEmbedded {
        /// The word that was used.
        name: String,
        /// The alias of the relation of that name, which is how it must be called.
        alias: Option<String>,
    },
    /// SQL code set `response.headers` to nonsense.
    #[error("response.headers guc must be a JSON array composed of objects with a single key and a string value")]
    ResponseHeaders,
    /// SQL code set `response.status` to nonsense.
    #[error("response.status guc must be a valid status code")]
    ResponseStatus,
    /// PUT with a limit or offset.
    #[error("limit/offset querystring parameters are not allowed for PUT")]
    PutLimit,
    /// PUT whose body and filters name different rows.
    #[error("Payload values do not match URL in primary key column(s)")]
    PutMismatch,
    /// One object was asked for, and this is how many rows there are.
    #[error("Cannot coerce the result to a single JSON object")]
    NotSingular(u64),
    /// A method that nothing has.
    #[error("Unsupported HTTP method: {0}")]
    Method(String),
    /// Order by a relation of which a row can have many.
    #[error("A related order on '{target}' is not possible")]
    RelatedOrder {
        /// Where it starts.
        origin: String,
        /// The embedded relation.
        target: String,
    },
    /// A filter on an embedded relation that is no null filter.
    #[error("Bad operator on the '{0}' embedded resource")]
    EmbedFilter(String),
    /// Unknown preferences under strict handling.
    #[error("Invalid preferences given with handling=strict")]
    Preferences(Vec<String>),
    /// Aggregates are switched off.
    #[error("Use of aggregate functions is not allowed")]
    Aggregates,
    /// More rows would change than the caller allows; how many.
    #[error("Query result exceeds max-affected preference constraint")]
    MaxAffected(u64),
    /// A path that names nothing.
    #[error("Invalid path specified in request URL")]
    Path,
    /// The description at the root is switched off.
    #[error("Root endpoint metadata is disabled")]
    RootDisabled,
    /// Known and not done; why.
    #[error("Feature not implemented")]
    NotImplemented(String),
    /// A limit on changed rows for a function that does not return a set.
    #[error("Function must return SETOF or TABLE when max-affected preference is used with handling=strict")]
    MaxAffectedCall,
    /// `If-Match` names nothing that is there.
    #[error("The rows are not those that If-Match names")]
    Precondition,
    /// `If-None-Match: *` of a PUT, and the row is there.
    #[error("The row is there already")]
    Exists,
    /// A page by cursor ends between two rows that its order does not tell apart.
    #[error("The order does not tell all rows apart")]
    PageTie,
    /// The values of an order that should go into a cursor are too long.
    #[error("The values of the order are too long for a cursor")]
    PageKey,
    /// Elements of a list of changes have the same key; where they stand.
    #[error("Two elements of the list have the same key")]
    DuplicateKeys(Vec<u64>),
    /// Elements of a list of changes found no row although all must.
    #[error("Some of the rows were not found")]
    RowsNotFound {
        /// How many.
        rows: u64,
        /// Where the first of them stand in the list.
        places: Vec<u64>,
    },
    /// A name that the catalog does not have, or has more than once.
    #[error(transparent)]
    Lookup(Box<LookupError>),
    /// The catalog is not loaded yet.
    #[error("Could not query the database for the schema cache. Retrying.")]
    NoCatalog,
    /// PostgreSQL or the way to it.
    #[error(transparent)]
    Database(Box<PublicError>),
}

impl Error {
    /// The stable code, the class and the message.
    fn head(&self) -> (&'static str, Kind) {
        match self {
            Self::Query(ParseError::Grammar(_)) => ("PGRST100", Kind::Invalid),
            Self::Query(ParseError::NegativeLimit) | Self::Range(_) => ("PGRST103", Kind::RangeNotSatisfiable),
            Self::RpcMethod(_) => ("PGRST101", Kind::MethodNotAllowed),
            Self::Row(RowError { error: BodyError::Long, .. }) => ("FB132", Kind::BodyTooLarge),
            Self::Body(_) | Self::Row(_) => ("PGRST102", Kind::Invalid),
            Self::PutFilters => ("PGRST105", Kind::MethodNotAllowed),
            Self::Schema(_) => ("PGRST106", Kind::NotAcceptable),
            Self::NotAcceptable(_) => ("PGRST107", Kind::NotAcceptable),
            Self::NotEmbedded { .. } => ("PGRST108", Kind::Invalid),
            Self::ResponseHeaders => ("PGRST111", Kind::Internal),
            Self::ResponseStatus => ("PGRST112", Kind::Internal),
            Self::PutLimit => ("PGRST114", Kind::Invalid),
            Self::PutMismatch => ("PGRST115", Kind::Invalid),
            Self::NotSingular(_) => ("PGRST116", Kind::NotAcceptable),
            Self::Method(_) => ("PGRST117", Kind::MethodNotAllowed),
            Self::RelatedOrder { .. } => ("PGRST118", Kind::Invalid),
            Self::EmbedFilter(_) => ("PGRST120", Kind::Invalid),
            Self::Preferences(_) => ("PGRST122", Kind::Invalid),
            Self::Aggregates => ("PGRST123", Kind::Invalid),
            Self::MaxAffected(_) => ("PGRST124", Kind::Invalid),
            Self::Path => ("PGRST125", Kind::NotFound),
            Self::RootDisabled => ("PGRST126", Kind::NotFound),
            Self::NotImplemented(_) => ("PGRST127", Kind::Invalid),
            Self::MaxAffectedCall => ("PGRST128", Kind::Invalid),
            Self::Precondition => ("FB131", Kind::PreconditionFailed),
            Self::Exists => ("FB133", Kind::PreconditionFailed),
            Self::PageKey => ("FB125", Kind::Invalid),
            Self::PageTie => ("FB126", Kind::Invalid),
            Self::DuplicateKeys(_) => ("FB112", Kind::Invalid),
            Self::RowsNotFound { .. } => ("FB113", Kind::NotFound),
            Self::NoCatalog => ("PGRST002", Kind::Unavailable),
            // Both are told in full elsewhere.
            Self::Lookup(_) | Self::Database(_) => ("PGRSTX00", Kind::Internal),
        }
    }

    fn details(&self) -> Option<String> {
        Some(match self {
            Self::Query(ParseError::Grammar(failure)) => failure.details.clone(),
            Self::Query(ParseError::NegativeLimit) => RangeError::NegativeLimit.to_string(),
            Self::Range(error) => error.to_string(),
            Self::Row(error) => line_of_body(error.line),
            Self::NotSingular(rows) => format!("The result contains {rows} rows"),
            Self::RelatedOrder { origin, target } => {
                format!("'{origin}' and '{target}' do not form a many-to-one or one-to-one relationship")
            }
            Self::EmbedFilter(_) => "Only is null or not is null filters are allowed on embedded resources".to_owned(),
            Self::Preferences(unknown) => format!("Invalid preferences: {}", unknown.join(", ")),
            Self::MaxAffected(rows) => format!("The query affects {rows} rows"),
            Self::NotImplemented(why) => why.clone(),
            Self::DuplicateKeys(places) => {
                format!("Elements whose key comes more than once, counted from 0: {}", listed(places))
            }
            Self::RowsNotFound { rows, places } => {
                format!("{rows} elements changed nothing, counted from 0: {}", listed(places))
            }
            Self::NotEmbedded { alias: Some(_), .. } => {
                "Target names are not allowed in filters if they have an alias".to_owned()
            }
            _ => return None,
        })
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Precondition => "Read them again: the ETag depends on select and Accept.".to_owned(),
            Self::NotEmbedded { name, alias: None } => {
                format!("Verify that '{name}' is included in the 'select' query parameter.")
            }
            Self::NotEmbedded { name, alias: Some(alias) } => {
                format!("Change '{name}' to '{alias}' in filters, orders or limits.")
            }
            Self::Exists => "Without If-None-Match, PUT replaces it; If-Match replaces what was seen.".to_owned(),
            Self::PageTie => "Add columns to order that tell any two rows apart".to_owned(),
            Self::PageKey => "Order by something shorter".to_owned(),
            Self::Schema(UnknownSchema { exposed, .. }) => {
                format!("Only the following schemas are exposed: {}", exposed.join(", "))
            }
            _ => return None,
        })
    }

    /// The message alone, as it is told.
    fn message(&self) -> String {
        match self {
            Self::Query(ParseError::Grammar(failure)) => failure.message.clone(),
            Self::Query(ParseError::NegativeLimit) => "Requested range not satisfiable".to_owned(),
            other => other.to_string(),
        }
    }
}

/// How the place of an error in a streamed body is told.
pub(crate) fn line_of_body(line: u64) -> String {
    format!("Line {line} of the body")
}

fn listed(places: &[u64]) -> String {
    places.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}

impl From<LookupError> for Error {
    fn from(error: LookupError) -> Self {
        Self::Lookup(Box::new(error))
    }
}

impl From<RangeError> for Error {
    fn from(error: RangeError) -> Self {
        Self::Range(error)
    }
}

impl From<UnknownSchema> for Error {
    fn from(error: UnknownSchema) -> Self {
        Self::Schema(error)
    }
}

impl From<Error> for PublicError {
    fn from(error: Error) -> Self {
        match error {
            Error::Database(public) => *public,
            Error::Lookup(lookup) => (*lookup).into(),
            other => {
                let (code, kind) = other.head();
                let mut public = PublicError::new(kind, code, other.message());
                public.details = other.details().map(Value::String);
                public.hint = other.hint();
                if matches!(other, Error::NoCatalog) {
                    public = public.retry_after(Duration::from_secs(1));
                }
                public
            }
        }
    }
}

#[cfg(test)]
mod tests;
