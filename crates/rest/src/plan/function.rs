//! Which of several functions of a name a request calls, and with what.
//!
//! Overloads are told apart by the names of the arguments alone. A POST whose arguments fit no named parameters may
//! still fit a function of one unnamed parameter that takes the whole body. The rules are PostgREST's.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use ferrobase_catalog::{Function, Parameter, QualifiedName, ReturnShape};
use ferrobase_query::CatalogSql;
use ferrobase_query::plan::{Argument, ArgumentValue, Arguments, RecordField, Returned, UnnamedType};

use super::Planner;
use crate::body::{BodyError, Payload, begins_list};
use crate::error::Error;
use crate::error::similar::{LIKELY, POSSIBLE, closest};
use crate::error::{CallKind, LookupError};
use crate::media::MediaType;
use crate::request::{CallMethod, RestRequest};

impl<'a> Planner<'a> {
    /// The function that a request calls.
    pub(super) fn function(
        &self,
        request: &RestRequest,
        name: &str,
        method: CallMethod,
    ) -> Result<&'a Arc<Function>, LookupError> {
        let arguments = argument_names(request, method);
        let kind = call_kind(request, method);
        let overloads = self.catalog.overloads(self.schema, name);
        let is_json_post = method == CallMethod::Post && request.content_type == MediaType::Json;
        let named: Vec<_> = overloads.iter().filter(|function| takes(function, &arguments, kind)).collect();
        let whole = || overloads.iter().filter(|function| takes_whole_body(function, kind, is_json_post));
        match named.as_slice() {
            [only] => Ok(only),
            [] => match whole().collect::<Vec<_>>().as_slice() {
                [only] => Ok(only),
                [] => Err(self.no_function(name, arguments, kind, overloads)),
                several => Err(ambiguous(several)),
            },
            several => Err(ambiguous(several)),
        }
    }

    fn no_function(
        &self,
        name: &str,
        arguments: BTreeSet<String>,
        call: CallKind,
        overloads: &[Arc<Function>],
    ) -> LookupError {
        let similar = if call.is_whole_body() {
            None
        } else if overloads.is_empty() {
            let known = self.catalog.functions.iter().filter(|(known, functions)| {
                known.schema == self.schema && functions.iter().any(|function| self.sight.suggests_function(function))
            });
            closest(name, known.map(|(known, _)| known.name.as_str()), LIKELY).map(str::to_owned)
        } else {
            let asked = list(arguments.iter().map(String::as_str));
            let lists: Vec<String> = overloads
                .iter()
                .filter(|function| self.sight.suggests_function(function))
                .map(|function| list(function.parameters.iter().map(|parameter| parameter.name.as_str())))
                .collect();
            closest(&asked, lists.iter().map(String::as_str), POSSIBLE).map(|meant| format!("{name}{meant}"))
        };
        LookupError::NoFunction {
            function: QualifiedName::new(self.schema, name),
            arguments: arguments.into_iter().collect(),
            call,
            similar,
        }
    }
}

/// `(a, b)`, sorted.
fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    format!("({})", names.join(", "))
}

fn ambiguous(functions: &[&Arc<Function>]) -> LookupError {
    LookupError::AmbiguousFunction(functions.iter().map(|function| Arc::clone(function)).collect())
}

fn argument_names(request: &RestRequest, method: CallMethod) -> BTreeSet<String> {
    match method {
        CallMethod::Get | CallMethod::Head => request.query.arguments.iter().map(|(name, _)| name.clone()).collect(),
        CallMethod::Post => request.columns.clone(),
    }
}

fn call_kind(request: &RestRequest, method: CallMethod) -> CallKind {
    match (method, &request.content_type) {
        (CallMethod::Post, MediaType::Json) => CallKind::Json,
        (CallMethod::Post, MediaType::Text) => CallKind::Text,
        (CallMethod::Post, MediaType::Xml) => CallKind::Xml,
        (CallMethod::Post, MediaType::OctetStream) => CallKind::Bytes,
        _ => CallKind::Named,
    }
}

/// Whether a function can be called with exactly these arguments by name.
fn takes(function: &Function, arguments: &BTreeSet<String>, kind: CallKind) -> bool {
    let parameters = &function.parameters;
    if parameters.is_empty() {
        return arguments.is_empty() && !kind.is_whole_body();
    }
    let is_known = |name: &String| parameters.iter().any(|parameter| parameter.name == *name);
    let required = parameters.iter().filter(|parameter| parameter.required);
    arguments.iter().all(is_known) && required.into_iter().all(|parameter| arguments.contains(&parameter.name))
}

/// What stands for JSON that gives no named arguments.
const NO_ROWS: Bytes = Bytes::from_static(b"[]");

/// Whether a function has one parameter, without a name.
fn is_unnamed(function: &Function) -> bool {
    matches!(function.parameters.as_slice(), [only] if only.name.is_empty())
}

/// Refuses a list that gives no arguments to a function that takes them by name.
pub(super) fn check_arguments(request: &RestRequest, function: &Function) -> Result<(), Error> {
    match &request.payload {
        Some(Payload::Ragged { raw }) if begins_list(raw) && !is_unnamed(function) => Err(BodyError::Keys.into()),
        _ => Ok(()),
    }
}

/// Whether a function has one unnamed parameter of a type that a body of this sort can be.
fn takes_whole_body(function: &Function, kind: CallKind, is_json_post: bool) -> bool {
    let [parameter] = function.parameters.as_slice() else { return false };
    parameter.name.is_empty()
        && match (kind, parameter.type_name.as_str()) {
            (CallKind::Json, "json" | "jsonb") => is_json_post,
            (CallKind::Text, "text") | (CallKind::Xml, "xml") | (CallKind::Bytes, "bytea") => true,
            _ => false,
        }
}

/// The arguments of a call.
pub(super) fn arguments(request: &RestRequest, function: &Function, method: CallMethod) -> Arguments {
    let from_url = matches!(method, CallMethod::Get | CallMethod::Head);
    let pairs: Option<&[(String, String)]> = match &request.payload {
        _ if from_url => Some(&request.query.arguments),
        Some(Payload::Form(pairs)) => Some(pairs),
        _ => None,
    };
    let body = match &request.payload {
        Some(Payload::Json { raw, .. } | Payload::Unscanned { raw, .. } | Payload::Whole(raw)) => Some(raw.clone()),
        Some(Payload::Ragged { raw }) => Some(if is_unnamed(function) { raw.clone() } else { NO_ROWS }),
        // Only inserts take rows that are streamed.
        Some(Payload::Form(_) | Payload::Staged { .. }) | None => None,
    };
    if let [only] = function.parameters.as_slice()
        && is_unnamed(function)
    {
        let body = pairs.map(as_json).or(body);
        return Arguments::Unnamed { type_name: unnamed_type(only), body };
    }
    let given = argument_names(request, method);
    let parameters = function.parameters.iter().filter(|parameter| given.contains(&parameter.name));
    match (pairs, body) {
        (Some(pairs), _) => Arguments::Named(parameters.map(|parameter| argument(parameter, pairs)).collect()),
        (None, Some(json)) => Arguments::Record {
            fields: parameters.map(record_field).collect(),
            is_object: is_object(request.payload.as_ref()),
            json,
        },
        (None, None) => Arguments::Named(Vec::new()),
    }
}

fn is_object(payload: Option<&Payload>) -> bool {
    matches!(payload, Some(Payload::Json { array: false, .. } | Payload::Unscanned { array: false, .. }))
}

/// Of a repeated argument the last value counts, except for a VARIADIC parameter, which takes them all.
fn argument(parameter: &Parameter, pairs: &[(String, String)]) -> Argument {
    let mut values = pairs.iter().filter(|(name, _)| *name == parameter.name).map(|(_, value)| value.clone());
    let value = if parameter.variadic {
        ArgumentValue::List(values.collect())
    } else {
        ArgumentValue::Text(values.next_back().unwrap_or_default())
    };
    Argument {
        name: parameter.name.clone(),
        type_name: CatalogSql::written_by_catalog(&parameter.type_name_unbounded),
        variadic: parameter.variadic,
        value,
    }
}

fn record_field(parameter: &Parameter) -> RecordField {
    RecordField {
        name: parameter.name.clone(),
        type_name: CatalogSql::written_by_catalog(&parameter.type_name_unbounded),
        cast: None,
        variadic: parameter.variadic,
    }
}

fn as_json(pairs: &[(String, String)]) -> Bytes {
    let object: serde_json::Map<String, serde_json::Value> =
        pairs.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    serde_json::Value::Object(object).to_string().into()
}

fn unnamed_type(parameter: &Parameter) -> UnnamedType {
    match parameter.type_name.as_str() {
        "json" => UnnamedType::Json,
        "jsonb" => UnnamedType::Jsonb,
        "xml" => UnnamedType::Xml,
        "bytea" => UnnamedType::Bytea,
        _ => UnnamedType::Text,
    }
}

/// What a function gives back, as far as the statement's shape depends on it.
pub(super) fn returned(function: &Function) -> Returned {
    let scalar = matches!(function.returns.shape, ReturnShape::Void | ReturnShape::Scalar(_));
    Returned { scalar, set: function.returns.set }
}

/// The name under which the rows of a function are selected, filtered and embedded from.
pub(super) fn row_name(function: &Function) -> &str {
    match &function.returns.shape {
        ReturnShape::Row { relation: Some(relation), .. } => &relation.name,
        ReturnShape::Row { type_name, .. } => &type_name.name,
        ReturnShape::Void | ReturnShape::Scalar(_) => &function.name.name,
    }
}
