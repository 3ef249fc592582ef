//! Failures of PostgreSQL and of the way to it.
//!
//! The table from SQLSTATE to class is `request`'s; here our own guards are recognised, whose texts only this room
//! knows how to tell.

use ferrobase_base::{Kind, PublicError};
use ferrobase_query::guard::{self, Refusal, Violation};
use ferrobase_request as request;
use serde_json::Value;

use super::Error;

impl From<request::Error> for Error {
    fn from(error: request::Error) -> Self {
        if matches!(error, request::Error::NoCatalog) {
            return Self::NoCatalog;
        }
        let violation = error.db().and_then(|db| guard::violation(db.code.as_str(), &db.message));
        match violation {
            Some(Violation { refusal, rows, places }) => match refusal {
                Refusal::NotSingular => Self::NotSingular(rows),
                Refusal::NotMatching => Self::PutMismatch,
                Refusal::TooMany => Self::MaxAffected(rows),
                Refusal::Precondition => Self::Precondition,
                Refusal::Exists => Self::Exists,
                Refusal::DuplicateKeys => Self::DuplicateKeys(places),
                Refusal::NotFound => Self::RowsNotFound { rows, places },
            },
            None => Self::Database(Box::new(PublicError::from(&error))),
        }
    }
}

impl Error {
    /// With a class that says whose mistake it was: the request's.
    pub(crate) fn of_the_request(mut self) -> Self {
        if let Self::Database(public) = &mut self {
            public.kind = Kind::Invalid;
        }
        self
    }

    /// Says which element of a list it was, before what PostgreSQL says.
    pub(crate) fn at_element(mut self, place: u64) -> Self {
        if let Self::Database(public) = &mut self {
            let place = format!("Element {place} of the list, counted from 0");
            public.details = Some(Value::String(match public.details.take() {
                Some(Value::String(details)) => format!("{place}: {details}"),
                _ => place,
            }));
        }
        self
    }

    /// With a hint of ours, where PostgreSQL gave none.
    pub(crate) fn hinted(mut self, hint: Option<String>) -> Self {
        if let Self::Database(public) = &mut self
            && public.hint.is_none()
        {
            public.hint = hint;
        }
        self
    }
}
