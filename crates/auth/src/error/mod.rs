//! What can fail in this room, and what its caller is told.
//!
//! A handler returns an [`Error`]; `response` writes it in the shape that the caller's client understands. Refusals are made
//! where they are decided, by the constructors named after the status.
//! Invariant: an error tells nothing about the database or about accounts that the contract does not tell; causes are logged
//! once, in `response`. What triggers and tables of the application say is theirs to tell, and is told as elsewhere.

mod code;
mod response;

use std::borrow::Cow;
use std::time::Duration;

use ferrobase_base::PublicError;
use ferrobase_edge::error as edge;
use ferrobase_pg::{DbError, Error as PgError};
use ferrobase_request::sqlstate::{Audience, public_error};
use http::StatusCode;

use crate::OWNER;

pub use code::ErrorCode;
pub(crate) use response::{edge_shape, shape};

/// What is wrong with a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// Too short.
    Length,
    /// A kind of character is missing.
    Characters,
    /// Known from a leak.
    Pwned,
}

impl Weakness {
    /// As clients read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Characters => "characters",
            Self::Pwned => "pwned",
        }
    }
}

/// A failure of this room.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request is refused, as the contract says.
    #[error("{message}")]
    Refused {
        /// HTTP status.
        status: StatusCode,
        /// Stable code.
        code: ErrorCode,
        /// One sentence.
        message: Cow<'static, str>,
        /// When asking again makes sense.
        retry_after: Option<Duration>,
    },
    /// A password that is not good enough.
    #[error("{message}")]
    WeakPassword {
        /// What it lacks.
        message: String,
        /// The same for programs.
        reasons: Vec<Weakness>,
    },
    /// A failure in OAuth's own shape (RFC 6749, 5.2).
    #[error("{description}")]
    OAuth {
        /// OAuth's word.
        error: &'static str,
        /// One sentence.
        description: Cow<'static, str>,
    },
    /// Code of the application said no in the database.
    #[error("{}", .0.message)]
    Application(Box<PublicError>),
    /// PostgreSQL, or the way to it.
    #[error("the database failed")]
    Database(#[source] PgError),
    /// Our own fault, or a broken dependency.
    #[error("{doing} failed")]
    Internal {
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The result of everything in this room.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A refusal with any status.
    pub fn refused(status: StatusCode, code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self::Refused { status, code, message: message.into(), retry_after: None }
    }

    /// 400.
    pub fn bad_request(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self::refused(StatusCode::BAD_REQUEST, code, message)
    }

    /// 400 `validation_failed`.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::bad_request(ErrorCode::ValidationFailed, message)
    }

    /// 401.
    pub fn unauthorized(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self::refused(StatusCode::UNAUTHORIZED, code, message)
    }

    /// 403.
    pub fn forbidden(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self::refused(StatusCode::FORBIDDEN, code, message)
    }

    /// 404.
    pub fn not_found(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self::refused(StatusCode::NOT_FOUND, code, message)
    }

    /// 422.
    pub fn unprocessable(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self::refused(StatusCode::UNPROCESSABLE_ENTITY, code, message)
    }

    /// 429.
    pub fn too_many(code: ErrorCode, message: impl Into<Cow<'static, str>>, wait: Duration) -> Self {
        Self::Refused { status: StatusCode::TOO_MANY_REQUESTS, code, message: message.into(), retry_after: Some(wait) }
    }

    /// A failure of our own, with its cause for the log.
    pub fn internal<E>(doing: &'static str) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        move |source| Self::Internal { doing, source: source.into() }
    }

    /// Which constraint a statement violated.
    pub fn violated(&self) -> Option<&str> {
        match self {
            Self::Database(PgError::Db(db)) => db.constraint.as_deref(),
            _ => None,
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Refused { status, .. } => *status,
            Self::WeakPassword { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::OAuth { .. } => StatusCode::BAD_REQUEST,
            Self::Application(said) => edge::status(said.kind),
            Self::Database(error) => response::status_of_database(error),
            Self::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What a browser is told when it is redirected.
    pub(crate) fn told(&self) -> (StatusCode, Cow<'static, str>, String) {
        (self.status(), self.code(), response::message(self))
    }

    /// Logs a failure of ours that will not be an answer by itself.
    pub(crate) fn log(&self) {
        response::log(self);
    }

    pub(crate) fn code(&self) -> Cow<'static, str> {
        let code = match self {
            Self::Application(said) => return said.code.clone(),
            Self::Refused { code, .. } => *code,
            Self::WeakPassword { .. } => ErrorCode::WeakPassword,
            Self::OAuth { .. } => ErrorCode::Unknown,
            Self::Database(_) => match self.status() {
                StatusCode::GATEWAY_TIMEOUT => ErrorCode::RequestTimeout,
                StatusCode::BAD_REQUEST => ErrorCode::ValidationFailed,
                _ => ErrorCode::UnexpectedFailure,
            },
            Self::Internal { .. } => ErrorCode::UnexpectedFailure,
        };
        code.as_str().into()
    }
}

impl From<PgError> for Error {
    fn from(error: PgError) -> Self {
        match error {
            PgError::Db(said) if is_applications(&said) => {
                let audience = Audience { is_anonymous: false, shows_internals: false };
                Self::Application(Box::new(public_error(&said, audience)))
            }
            error => Self::Database(error),
        }
    }
}

/// A RAISE (of a trigger: nothing of ours raises), or a constraint of a table that is not ours.
fn is_applications(error: &DbError) -> bool {
    let is_raised = error.routine.as_deref() == Some("exec_stmt_raise");
    let is_elsewhere = error.schema.as_deref().is_some_and(|schema| schema != OWNER.schema);
    is_raised || (error.code.class() == "23" && is_elsewhere)
}
