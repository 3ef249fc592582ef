//! What can fail in `graphql`, and how it is told: a list of errors with messages, places, paths and codes.
//!
//! Two sorts, as the specification has them: a request that is none (no `data` in the answer), and a field that failed
//! (`data` is null). `extensions.code` is stable; `extensions.sqlstate` is PostgreSQL's code where it was PostgreSQL that
//! refused. Invariant: what PostgreSQL tells anonymous callers is decided by `request`, not here.

use apollo_compiler::response::GraphQLError;
use axum::body::Body;
use axum::response::Response;
use ferrobase_base::{Kind, PublicError};
use ferrobase_pg::DbError;
use ferrobase_query::CompileError;
use ferrobase_query::guard::{Refusal, Violation};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::cost;

/// A failure of this room.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The body is no request.
    #[error("{0}")]
    Request(String),
    /// Several requests in one body.
    #[error("A body is one request, not a list of them")]
    Batch,
    /// A document that was named by its hash and is not known: send it along once.
    #[error("PersistedQueryNotFound")]
    NotPersisted,
    /// A document that does not have the hash that came with it.
    #[error("The document does not have the hash that came with it")]
    HashMismatch,
    /// Another version of persisted queries, or they are switched off.
    #[error("PersistedQueryNotSupported")]
    NotSupported,
    /// A name of a document that is not among the trusted ones.
    #[error("No trusted document has this name")]
    NotInList,
    /// A document that is not among the trusted ones.
    #[error("Only trusted documents are answered")]
    NotTrusted,
    /// A method that this request cannot have.
    #[error("{0}")]
    Method(String),
    /// A body of a type that nothing here reads.
    #[error("The body must be application/json")]
    MediaType,
    /// A schema that is not exposed.
    #[error("The schema `{0}` is not exposed")]
    Schema(String),
    /// The document cannot be read.
    #[error("the document cannot be read")]
    Syntax(Vec<GraphQLError>),
    /// The document does not fit the schema.
    #[error("the document is not valid")]
    Invalid(Vec<GraphQLError>),
    /// Which operation, or with which variables, is not clear.
    #[error("{}", .0.message)]
    Operation(Box<GraphQLError>),
    /// Introspection is switched off.
    #[error("Introspection is switched off")]
    Introspection,
    /// A field that the schema has and the model has not.
    #[error("Unknown field `{0}`")]
    Unknown(String),
    /// The value of an argument makes no sense.
    #[error("The argument `{argument}` {reason}")]
    Argument {
        /// Which.
        argument: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Too many levels of selections or conditions.
    #[error("More than {0} levels of nesting")]
    TooDeep(usize),
    /// More aliases than allowed.
    #[error("More than {0} aliases")]
    TooManyAliases(usize),
    /// More fields than allowed, fragments opened.
    #[error("More than {0} fields and fragments")]
    TooManyFields(usize),
    /// More rows than allowed.
    #[error("The operation may touch {cost} rows, {most} are allowed")]
    TooCostly {
        /// By what it asks for.
        cost: f64,
        /// At most.
        most: f64,
    },
    /// More rows would change than `atMost` allows.
    #[error("The change affects {rows} rows, more than `atMost` allows")]
    AtMost {
        /// How many.
        rows: u64,
    },
    /// Two rows that are given are the same row.
    #[error("Two of the rows that are given are the same row")]
    Twice,
    /// What the database, or the way to it, says.
    #[error("{0}")]
    Database(Box<PublicError>),
    /// A field that failed, by the keys that lead to it.
    #[error("{source}")]
    At {
        /// The keys, the innermost first.
        path: Vec<String>,
        /// What failed.
        source: Box<Error>,
    },
}

/// Codes of kinds.
fn code_of(public: &PublicError) -> &'static str {
    match public.kind {
        // Two rows that exclude each other are as much in conflict as two of one key.
        _ if public.code == "23P01" => "CONFLICT",
        Kind::Unauthenticated => "UNAUTHENTICATED",
        Kind::Forbidden => "FORBIDDEN",
        Kind::NotFound => "NOT_FOUND",
        Kind::Conflict | Kind::PreconditionFailed => "CONFLICT",
        Kind::TooManyRequests => "RATE_LIMITED",
        Kind::Unavailable => "UNAVAILABLE",
        Kind::Timeout | Kind::RequestTimeout => "TIMEOUT",
        Kind::Internal => "INTERNAL_SERVER_ERROR",
        Kind::Raised(status) if status >= 500 => "INTERNAL_SERVER_ERROR",
        _ => "BAD_USER_INPUT",
    }
}

impl Error {
    pub(crate) fn unknown(name: &str) -> Self {
        Self::Unknown(name.to_owned())
    }

    /// The same error, below a key.
    pub(crate) fn at(self, key: &str) -> Self {
        match self {
            Self::At { mut path, source } => {
                path.push(key.to_owned());
                Self::At { path, source }
            }
            source => Self::At { path: vec![key.to_owned()], source: Box::new(source) },
        }
    }

    /// The schema could not be made: a bug of ours.
    pub(crate) fn unmade(error: &tokio::task::JoinError) -> Self {
        tracing::error!(error = error as &dyn std::error::Error, "A schema could not be made");
        Self::Database(Box::new(PublicError::new(Kind::Internal, "FB105", "The schema could not be made")))
    }

    /// A failure of the database, or of the way to it.
    pub(crate) fn database(error: &ferrobase_request::Error) -> Self {
        let violation = error.db().and_then(|db| ferrobase_query::guard::violation(db.code.as_str(), &db.message));
        match violation {
            Some(Violation { refusal: Refusal::TooMany, rows, .. }) => Self::AtMost { rows },
            Some(Violation { refusal: Refusal::DuplicateKeys, .. }) => Self::Twice,
            None if error.db().is_some_and(is_written_twice) => Self::Twice,
            _ => Self::Database(Box::new(PublicError::from(error))),
        }
    }

    /// Whether the request could not even begin to run.
    fn is_of_request(&self) -> bool {
        !matches!(self, Self::At { .. } | Self::Database(_) | Self::AtMost { .. } | Self::Twice)
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Request(_) | Self::Method(_) | Self::MediaType | Self::Schema(_) => "BAD_REQUEST",
            Self::Batch => "BATCHING_NOT_SUPPORTED",
            Self::NotPersisted => "PERSISTED_QUERY_NOT_FOUND",
            Self::HashMismatch => "PERSISTED_QUERY_HASH_MISMATCH",
            Self::NotSupported => "PERSISTED_QUERY_NOT_SUPPORTED",
            Self::NotInList => "PERSISTED_QUERY_NOT_IN_LIST",
            Self::NotTrusted => "QUERY_NOT_IN_SAFELIST",
            Self::Syntax(_) => "GRAPHQL_PARSE_FAILED",
            Self::Invalid(_) | Self::Unknown(_) | Self::Introspection => "GRAPHQL_VALIDATION_FAILED",
            Self::Operation(_) => "OPERATION_RESOLUTION_FAILURE",
            Self::Argument { .. } | Self::Twice => "BAD_USER_INPUT",
            Self::TooDeep(_) => "OPERATION_TOO_DEEP",
            Self::TooManyAliases(_) => "TOO_MANY_ALIASES",
            Self::TooManyFields(_) => "TOO_MANY_FIELDS",
            Self::TooCostly { .. } => "OPERATION_COST_EXCEEDED",
            Self::AtMost { .. } => "TOO_MANY_ROWS",
            Self::Database(public) => code_of(public),
            Self::At { source, .. } => source.code(),
        }
    }

    /// The error as the specification writes it.
    fn told(&self) -> Vec<Value> {
        match self {
            Self::Syntax(all) | Self::Invalid(all) => all.iter().map(|one| placed(one, self.code())).collect(),
            Self::Operation(one) => vec![placed(one, self.code())],
            Self::At { path, source } => {
                let mut all = source.told();
                for one in &mut all {
                    // Names never begin with a digit: such a key is a place in a list.
                    let key = |key: &String| key.parse::<u64>().map_or_else(|_| key.as_str().into(), Value::from);
                    one["path"] = path.iter().rev().map(key).collect();
                }
                all
            }
            Self::Database(public) => vec![json!({"message": public.message, "extensions": database(public)})],
            other => vec![json!({"message": other.to_string(), "extensions": {"code": other.code()}})],
        }
    }

    /// What is wrong, each sentence for itself, with its place in the document.
    pub fn sentences(&self) -> Vec<String> {
        let sentence = |one: &Value| {
            let message = one["message"].as_str().unwrap_or_default();
            match (&one["locations"][0]["line"], &one["locations"][0]["column"]) {
                (Value::Number(line), Value::Number(column)) => format!("{line}:{column}: {message}"),
                _ => message.to_owned(),
            }
        };
        self.told().iter().map(sentence).collect()
    }

    fn public(&self) -> Option<&PublicError> {
        match self {
            Self::Database(public) => Some(public),
            Self::At { source, .. } => source.public(),
            _ => None,
        }
    }

    /// The status: with `application/json` every answer that is one is 200, as clients of it expect.
    fn status(&self, is_modern: bool) -> StatusCode {
        match self {
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Request(_) | Self::Schema(_) | Self::Batch => StatusCode::BAD_REQUEST,
            other if is_modern && other.is_of_request() => StatusCode::BAD_REQUEST,
            _ => StatusCode::OK,
        }
    }
}

fn placed(error: &GraphQLError, code: &str) -> Value {
    let mut one = Map::new();
    one.insert("message".to_owned(), error.message.clone().into());
    if !error.locations.is_empty() {
        let place = |at: &apollo_compiler::parser::LineColumn| json!({"line": at.line, "column": at.column});
        one.insert("locations".to_owned(), error.locations.iter().map(place).collect());
    }
    one.insert("extensions".to_owned(), json!({"code": code}));
    Value::Object(one)
}

fn database(public: &PublicError) -> Value {
    let mut extensions = Map::new();
    extensions.insert("code".to_owned(), code_of(public).into());
    extensions.insert("sqlstate".to_owned(), public.code.as_ref().into());
    if let Some(details) = &public.details {
        extensions.insert("details".to_owned(), details.clone());
    }
    if let Some(hint) = &public.hint {
        extensions.insert("hint".to_owned(), hint.as_str().into());
    }
    Value::Object(extensions)
}

impl From<&CompileError> for Error {
    fn from(error: &CompileError) -> Self {
        match error {
            CompileError::TooDeep => Self::TooDeep(64),
            CompileError::TooManyValues(_) => Self::Request("The operation has too many values".to_owned()),
            other => {
                tracing::error!(error = other as &dyn std::error::Error, "A plan could not be compiled");
                Self::Database(Box::new(PublicError::new(
                    Kind::Internal,
                    "FB105",
                    "The operation could not be compiled",
                )))
            }
        }
    }
}

/// The type that a caller who knows it asks for (GraphQL over HTTP).
pub(crate) const MODERN: &str = "application/graphql-response+json";
const PLAIN: &str = "application/json; charset=utf-8";
const MODERN_UTF8: &str = "application/graphql-response+json; charset=utf-8";

/// The answer for an error.
pub(crate) fn to_response(error: &Error, is_modern: bool) -> Response {
    let mut body = Map::new();
    body.insert("errors".to_owned(), Value::Array(error.told()));
    if !error.is_of_request() {
        body.insert("data".to_owned(), Value::Null);
    }
    if let Error::TooCostly { cost, .. } = error {
        body.insert("extensions".to_owned(), json!({"cost": cost::told(*cost)}));
    }
    let mut response = respond(Value::Object(body).to_string().into(), is_modern);
    let log_code = match error.public() {
        // Whoever cannot be served now should know it from the status.
        Some(public) => {
            let refused = matches!(
                public.kind,
                Kind::Unauthenticated | Kind::Unavailable | Kind::Timeout | Kind::TooManyRequests
            );
            if refused {
                ferrobase_edge::error::decorate(&mut response, public);
            }
            public.code.clone()
        }
        None => {
            *response.status_mut() = error.status(is_modern);
            if response.status() == StatusCode::METHOD_NOT_ALLOWED {
                response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, POST"));
            }
            error.code().into()
        }
    };
    response.extensions_mut().insert(ferrobase_edge::error::ErrorCode(log_code));
    response
}

/// The edge's own refusals in this room's shape.
pub(crate) fn error_shape(error: &PublicError) -> Response {
    let body = json!({"errors": [{"message": error.message, "extensions": database(error)}]});
    let mut response = respond(body.to_string().into(), false);
    ferrobase_edge::error::decorate(&mut response, error);
    response
}

/// An answer.
pub(crate) fn respond(body: bytes::Bytes, is_modern: bool) -> Response {
    let mut response = Response::new(Body::from(body));
    let media = HeaderValue::from_static(if is_modern { MODERN_UTF8 } else { PLAIN });
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    response
}
/// Of two new rows with the same key one would change the other. A subquery that gives several rows has the code too.
fn is_written_twice(error: &DbError) -> bool {
    let is_upsert = error.routine.as_deref().is_some_and(|routine| routine.starts_with("ExecOnConflict"));
    is_upsert && error.code.as_str() == "21000"
}
