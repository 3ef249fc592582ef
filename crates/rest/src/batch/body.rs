//! The body of a batch: what is to be done, in which order, and what happens when a part of it fails.
//!
//! A list of operations, or an object around it. Pure. Names of members are checked, so that a misspelt one is told
//! and not ignored; bodies of operations stay the text that they are.

use bytes::Bytes;
use ferrobase_pg::Isolation;
use ferrobase_query::plan::{Lock, LockStrength, LockWait};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::BatchError;
use crate::body::{self, Entries};

/// Fields that an operation may have: those that say how it is done. Others describe the caller or the way that the
/// request came, and what a gateway put there must not be replaced by a body.
pub(super) const FIELDS: [&str; 9] = [
    "accept",
    "accept-profile",
    "content-profile",
    "content-type",
    "if-match",
    "if-none-match",
    "prefer",
    "range",
    "range-unit",
];

/// A batch.
#[derive(Debug)]
pub(super) struct Batch<'b> {
    pub(super) isolation: Option<Isolation>,
    pub(super) defer_constraints: bool,
    pub(super) operations: Vec<Operation<'b>>,
}

/// One request of a batch.
#[derive(Debug)]
pub(super) struct Operation<'b> {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<&'b RawValue>,
    pub(super) lock: Option<Lock>,
    pub(super) on_error: OnError<'b>,
}

/// What happens when an operation fails.
#[derive(Debug)]
pub(super) enum OnError<'b> {
    /// Nothing of the batch is kept.
    Rollback,
    /// Nothing of the operation is kept.
    Continue,
    /// Nothing of the operation is kept, and another one takes its place.
    Instead(Box<Operation<'b>>),
}

impl<'b> Batch<'b> {
    /// Reads a batch of at most so many operations, alternatives among them.
    ///
    /// # Errors
    /// What is wrong, and in which operation where it is one of them.
    pub(super) fn read(text: &'b Bytes, most: usize) -> Result<Self, (BatchError, Option<usize>)> {
        let whole = |error| (error, None);
        body::check_depth(text).map_err(|error| whole(BatchError::Malformed(error.to_string())))?;
        let envelope = if body::begins_list(text) {
            Envelope { isolation: None, defer_constraints: false, operations: read(text).map_err(whole)? }
        } else {
            read::<Envelope<'_>>(text).map_err(whole)?
        };
        if envelope.operations.is_empty() {
            return Err(whole(BatchError::Malformed("there is no operation".to_owned())));
        }
        let mut left = most;
        let mut operations = Vec::with_capacity(envelope.operations.len());
        for (index, raw) in envelope.operations.into_iter().enumerate() {
            let operation = Operation::read(raw.get(), &mut left, most);
            operations.push(operation.map_err(|error| (error, Some(index)))?);
        }
        Ok(Self {
            isolation: envelope.isolation.map(Level::isolation),
            defer_constraints: envelope.defer_constraints,
            operations,
        })
    }

    /// Whether no operation can write, so that the transaction need not either.
    pub(super) fn only_reads(&self) -> bool {
        self.operations.iter().all(Operation::only_reads)
    }
}

fn read<'b, T: Deserialize<'b>>(text: &'b [u8]) -> Result<T, BatchError> {
    serde_json::from_slice(text).map_err(|error| BatchError::Malformed(error.to_string()))
}

/// The same of one operation. Where in its text it went wrong says nothing about where in the batch.
fn read_part<'b, T: Deserialize<'b>>(text: &'b str) -> Result<T, BatchError> {
    serde_json::from_str(text).map_err(|error| {
        let told = error.to_string();
        let why = told.split_once(" at line ").map_or(told.as_str(), |(why, _)| why);
        BatchError::Malformed(why.to_owned())
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with a list of operations")]
struct Envelope<'b> {
    isolation: Option<Level>,
    #[serde(default)]
    defer_constraints: bool,
    #[serde(borrow)]
    operations: Vec<&'b RawValue>,
}

#[derive(Deserialize)]
#[serde(expecting = "the name of an isolation level")]
enum Level {
    #[serde(rename = "read committed")]
    ReadCommitted,
    #[serde(rename = "repeatable read")]
    RepeatableRead,
    #[serde(rename = "serializable")]
    Serializable,
}

impl Level {
    fn isolation(self) -> Isolation {
        match self {
            Self::ReadCommitted => Isolation::ReadCommitted,
            Self::RepeatableRead => Isolation::RepeatableRead,
            Self::Serializable => Isolation::Serializable,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an operation, which is an object with a method and a path")]
struct Raw<'b> {
    method: String,
    path: String,
    #[serde(default, borrow)]
    headers: Option<Entries<'b>>,
    #[serde(default, borrow)]
    body: Option<&'b RawValue>,
    #[serde(default)]
    lock: Option<String>,
    #[serde(default, borrow)]
    on_error: Option<&'b RawValue>,
}

impl<'b> Operation<'b> {
    fn read(text: &'b str, left: &mut usize, most: usize) -> Result<Self, BatchError> {
        if !text.starts_with('{') {
            let what = "an operation is an object with a method and a path".to_owned();
            return Err(BatchError::Malformed(what));
        }
        Self::of(read_part(text)?, left, most)
    }

    fn of(raw: Raw<'b>, left: &mut usize, most: usize) -> Result<Self, BatchError> {
        *left = left.checked_sub(1).ok_or(BatchError::TooMany { most })?;
        let on_error = match raw.on_error.map(RawValue::get) {
            None | Some("\"rollback\"") => OnError::Rollback,
            Some("\"continue\"") => OnError::Continue,
            // Each alternative counts, so that their nesting has a bound too.
            Some(text) if text.starts_with('{') => OnError::Instead(Box::new(Self::read(text, left, most)?)),
            Some(_) => {
                let what = "on_error is \"rollback\", \"continue\" or another operation".to_owned();
                return Err(BatchError::Malformed(what));
            }
        };
        let (path, query) = raw.path.split_once('?').unwrap_or((&raw.path, ""));
        if path.trim_matches('/').is_empty() {
            return Err(BatchError::Operation(format!("the path '{}' names no table, view or function", raw.path)));
        }
        let method = method(&raw.method)?;
        Ok(Self {
            path: format!("/{}", path.strip_prefix('/').unwrap_or(path)),
            query: query.to_owned(),
            headers: headers(raw.headers.unwrap_or_default())?,
            body: raw.body,
            lock: raw.lock.map(|text| lock(&text, &method)).transpose()?,
            method,
            on_error,
        })
    }

    fn only_reads(&self) -> bool {
        let reads = matches!(self.method, Method::GET | Method::HEAD) && self.lock.is_none();
        reads
            && match &self.on_error {
                OnError::Instead(other) => other.only_reads(),
                OnError::Rollback | OnError::Continue => true,
            }
    }

    /// Whether its failure leaves the rest of the batch alone.
    pub(super) fn may_fail(&self) -> bool {
        !matches!(self.on_error, OnError::Rollback)
    }
}

fn method(text: &str) -> Result<Method, BatchError> {
    [Method::GET, Method::HEAD, Method::POST, Method::PATCH, Method::PUT, Method::DELETE]
        .into_iter()
        .find(|known| known.as_str() == text)
        .ok_or_else(|| BatchError::Operation(format!("'{text}' is none of GET, HEAD, POST, PATCH, PUT and DELETE")))
}

fn headers(entries: Entries<'_>) -> Result<HeaderMap, BatchError> {
    let mut headers = HeaderMap::new();
    for (name, value) in entries.0 {
        let lower = name.to_ascii_lowercase();
        if !FIELDS.contains(&lower.as_str()) {
            return Err(BatchError::Operation(format!("the field '{name}' is not one of {}", FIELDS.join(", "))));
        }
        let value: String = read_part(value.get())?;
        let (Ok(key), Ok(value)) = (HeaderName::try_from(lower), HeaderValue::try_from(value)) else {
            return Err(BatchError::Operation(format!("the value of the field '{name}' cannot be sent")));
        };
        headers.append(key, value);
    }
    Ok(headers)
}

/// `update`, `no key update`, `share`, `key share`, and then perhaps `nowait` or `skip locked`.
fn lock(text: &str, method: &Method) -> Result<Lock, BatchError> {
    let refused = |why: &str| BatchError::Operation(format!("the lock '{text}' {why}"));
    let (strength, wait) = if let Some(strength) = text.strip_suffix(" nowait") {
        (strength, LockWait::Fail)
    } else if let Some(strength) = text.strip_suffix(" skip locked") {
        (strength, LockWait::Skip)
    } else {
        (text, LockWait::Wait)
    };
    let strength = match strength {
        "update" => LockStrength::Update,
        "no key update" => LockStrength::NoKeyUpdate,
        "share" => LockStrength::Share,
        "key share" => LockStrength::KeyShare,
        _ => return Err(refused("is not known")),
    };
    if method != Method::GET {
        return Err(refused("is for rows that are read by GET"));
    }
    Ok(Lock { strength, wait })
}
