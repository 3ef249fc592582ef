//! References of an operation to what earlier ones answered, as JSON pointers (RFC 6901) into the answer so far.
//!
//! In a body `{"$ref": "/0/body/0/id"}` stands for the id of the first row that operation 0 answered with; in the value
//! of a filter or argument `{/0/body/0/id}` does. A value replaces a value: in a body as JSON, in a filter after the
//! query string was taken apart, so that nothing which it holds can be read as grammar.
//! Invariant: a reference that leads nowhere fails the operation. Bounds: depth of references in a body, and what is
//! searched is taken apart once.

use std::cell::OnceCell;
use std::collections::HashMap;

use http::{HeaderMap, HeaderValue};
use percent_encoding::{percent_decode_str, utf8_percent_encode};
use serde_json::value::RawValue;

use super::error::BatchError;
use crate::ast::{Extended, Logic, Operation, Query};
use crate::body::Entries;
use crate::parse;
use ferrobase_query::sql::array_literal;

/// How deep in a body references are looked for.
const MAX_DEPTH: usize = 32;
/// The only key of an object that is a reference.
const KEY: &str = "$ref";
/// How references stand in a canonical query string, which is percent-encoded.
const OPEN: &str = "%7B";
const CLOSE: &str = "%7D";
const COMMA: &str = "%2C";
/// Last words of parameters that hold filters.
const FILLED: [&str; 3] = ["and", "or", "having"];

/// What references lead into.
pub(super) trait Answers {
    /// The answer of an operation: an object with `status`, `headers` and `body`.
    fn answer(&self, operation: usize) -> Option<&Node>;
}

/// JSON that is taken apart as far as somebody asked.
#[derive(Debug)]
pub(super) struct Node {
    raw: Box<RawValue>,
    parts: OnceCell<Parts>,
}

#[derive(Debug)]
enum Parts {
    List(Vec<Node>),
    Map(HashMap<String, Node>),
    None,
}

impl Node {
    pub(super) fn new(raw: Box<RawValue>) -> Self {
        Self { raw, parts: OnceCell::new() }
    }

    fn parts(&self) -> &Parts {
        self.parts.get_or_init(|| match self.raw.get().as_bytes().first() {
            Some(b'[') => serde_json::from_str::<Vec<Box<RawValue>>>(self.raw.get())
                .map_or(Parts::None, |items| Parts::List(items.into_iter().map(Self::new).collect())),
            Some(b'{') => serde_json::from_str::<HashMap<String, Box<RawValue>>>(self.raw.get())
                .map_or(Parts::None, |map| Parts::Map(map.into_iter().map(|(k, v)| (k, Self::new(v))).collect())),
            _ => Parts::None,
        })
    }

    fn step(&self, token: &str) -> Option<&Self> {
        match self.parts() {
            Parts::List(items) => items.get(index(token)?),
            Parts::Map(map) => map.get(&token.replace("~1", "/").replace("~0", "~")),
            Parts::None => None,
        }
    }
}

/// An index as a pointer writes it: no sign, no leading zero.
fn index(token: &str) -> Option<usize> {
    let plain = token == "0" || !token.starts_with('0');
    token.parse().ok().filter(|_| plain && token.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether a text is a pointer into the answers.
fn is_pointer(text: &str) -> bool {
    text.strip_prefix('/').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn find<'a>(pointer: &str, answers: &'a dyn Answers) -> Result<&'a Node, BatchError> {
    let mut tokens = pointer.split('/').skip(1);
    let start = tokens.next().and_then(index).and_then(|operation| answers.answer(operation));
    tokens
        .try_fold(start, |node, token| Some(node?.step(token)).filter(Option::is_some))
        .flatten()
        .ok_or_else(|| BatchError::NoReference(pointer.to_owned()))
}

/// A body with values in the place of its references; `None` when it has none.
pub(super) fn fill_body(body: &str, answers: &dyn Answers) -> Result<Option<String>, BatchError> {
    if !may_refer(body) {
        return Ok(None);
    }
    let mut out = String::with_capacity(body.len());
    fill(body, answers, &mut out, 0)?;
    Ok(Some(out))
}

fn may_refer(json: &str) -> bool {
    json.contains("\"$ref\"")
}

fn fill(json: &str, answers: &dyn Answers, out: &mut String, depth: usize) -> Result<(), BatchError> {
    if !may_refer(json) {
        out.push_str(json);
        return Ok(());
    }
    if depth > MAX_DEPTH {
        return Err(BatchError::TooDeep { most: MAX_DEPTH });
    }
    let malformed = |error: serde_json::Error| BatchError::Malformed(error.to_string());
    match json.trim_start().as_bytes().first() {
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(json).map_err(malformed)?;
            separated(out, ['[', ']'], items, |out, item| fill(item.get(), answers, out, depth + 1))
        }
        Some(b'{') => {
            let entries: Entries<'_> = serde_json::from_str(json).map_err(malformed)?;
            if let [(key, value)] = entries.0.as_slice()
                && key == KEY
                && let Ok(pointer) = serde_json::from_str::<String>(value.get())
                && is_pointer(&pointer)
            {
                out.push_str(find(&pointer, answers)?.raw.get());
                return Ok(());
            }
            separated(out, ['{', '}'], entries.0, |out, (key, value)| {
                out.push_str(&serde_json::Value::String(key).to_string());
                out.push(':');
                fill(value.get(), answers, out, depth + 1)
            })
        }
        // A text that only looks like it.
        _ => {
            out.push_str(json);
            Ok(())
        }
    }
}

fn separated<T>(
    out: &mut String,
    [open, close]: [char; 2],
    items: Vec<T>,
    mut write: impl FnMut(&mut String, T) -> Result<(), BatchError>,
) -> Result<(), BatchError> {
    out.push(open);
    for (place, item) in items.into_iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        write(out, item)?;
    }
    out.push(close);
    Ok(())
}

/// Refuses references in fields: nothing there would be replaced.
pub(super) fn check_fields(headers: &HeaderMap) -> Result<(), BatchError> {
    let refers = |value: &HeaderValue| has_pointer(&String::from_utf8_lossy(value.as_bytes()));
    match headers.iter().find(|(_, value)| refers(value)) {
        Some((name, _)) => Err(misplaced(name.as_str())),
        None => Ok(()),
    }
}

fn misplaced(place: &str) -> BatchError {
    BatchError::Operation(format!(
        "there is a reference in '{place}'; only bodies, filters and arguments of functions may refer to earlier answers"
    ))
}

/// Refuses references in parameters that are neither filters nor arguments, such as `limit` and `order`.
fn check_parameters(query: &Query) -> Result<(), BatchError> {
    for pair in query.canonical.split('&') {
        let Some((key, value)) = pair.split_once('=') else { continue };
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let key = decoded(key);
        let is_filled =
            query.filter_fields.contains(&key) || FILLED.contains(&key.rsplit('.').next().unwrap_or_default());
        if !is_filled && has_pointer(&decoded(value)) {
            return Err(misplaced(&key));
        }
    }
    Ok(())
}

/// Whether there is a reference anywhere in a text.
fn has_pointer(text: &str) -> bool {
    text.split('{').skip(1).any(|rest| rest.split_once('}').is_some_and(|(inner, _)| is_pointer(inner)))
}

/// Puts values in the place of the references of a query string that was taken apart.
pub(super) fn fill_query(query: &mut Query, answers: &dyn Answers) -> Result<(), BatchError> {
    if query.canonical.contains(OPEN) {
        check_parameters(query)?;
    }
    for (_, filter) in &mut query.filters {
        fill_operation(&mut filter.operation, answers)?;
    }
    for (_, logic) in query.logic.iter_mut().chain(&mut query.having) {
        fill_logic(logic, answers)?;
    }
    for (_, value) in &mut query.arguments {
        fill_text(value, answers)?;
    }
    if query.canonical.contains(OPEN) {
        query.canonical = filled_canonical(&query.canonical, answers)?;
    }
    Ok(())
}

/// The canonical query string with values where it has references, so that `Content-Location` and `Link` lead somewhere
/// outside of the batch too.
fn filled_canonical(canonical: &str, answers: &dyn Answers) -> Result<String, BatchError> {
    let mut out = String::with_capacity(canonical.len());
    let mut rest = canonical;
    while let Some((before, after)) = rest.split_once(OPEN) {
        out.push_str(before);
        let pointer = after.split_once(CLOSE).and_then(|(inner, behind)| {
            let inner = percent_decode_str(inner).decode_utf8().ok()?;
            let ends = behind.is_empty() || ["&", COMMA, ")", "%29"].iter().any(|end| behind.starts_with(end));
            (is_pointer(&inner) && ends).then(|| (inner.into_owned(), behind))
        });
        let pair = &out[out.rfind('&').map_or(0, |at| at + 1)..];
        let starts = [".", "=", "%28", COMMA].iter().any(|start| pair.ends_with(start));
        match pointer.filter(|_| starts) {
            Some((pointer, behind)) => {
                // Inside of parentheses a value is one of several, and quotes keep it one.
                let is_listed = pair.ends_with("%28") || pair.ends_with(COMMA);
                let is_inner = pair.contains("%28");
                let node = find(&pointer, answers)?;
                let value = match node.parts() {
                    Parts::List(_) if is_listed => {
                        texts(&pointer, node)?.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(",")
                    }
                    Parts::List(_) => {
                        let list = array_literal(texts(&pointer, node)?.iter().map(String::as_str));
                        if is_inner { quoted(&list) } else { list }
                    }
                    Parts::Map(_) | Parts::None if is_inner => quoted(&scalar(&pointer, node)?),
                    Parts::Map(_) | Parts::None => scalar(&pointer, node)?,
                };
                out.extend(utf8_percent_encode(&value, parse::KEPT));
                rest = behind;
            }
            None => {
                out.push_str(OPEN);
                rest = after;
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// A value as a list of the grammar has it.
fn quoted(text: &str) -> String {
    if text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_')) && !text.is_empty() {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn fill_logic(logic: &mut Logic, answers: &dyn Answers) -> Result<(), BatchError> {
    match logic {
        Logic::Filter(filter) => fill_operation(&mut filter.operation, answers),
        Logic::Aggregate(filter) => fill_operation(&mut filter.operation, answers),
        // The grammar bounds the depth.
        Logic::Group { items, .. } => items.iter_mut().try_for_each(|item| fill_logic(item, answers)),
    }
}

fn fill_operation(operation: &mut Operation, answers: &dyn Answers) -> Result<(), BatchError> {
    match operation {
        Operation::Compare { value, .. }
        | Operation::Simple { value, .. }
        | Operation::IsDistinct(value)
        | Operation::FullText { value, .. } => fill_text(value, answers),
        Operation::In(values) | Operation::Extended(Extended::Keys { keys: values, .. } | Extended::Within(values)) => {
            fill_list(values, answers)
        }
        Operation::Extended(Extended::Similar { value, .. }) => fill_text(value, answers),
        // These hold names, words of the grammar or a language of its own, and no plain value.
        Operation::Is(_) | Operation::Extended(Extended::Column { .. } | Extended::JsonPath { .. }) => Ok(()),
    }
}

fn fill_list(values: &mut Vec<String>, answers: &dyn Answers) -> Result<(), BatchError> {
    let mut filled = Vec::with_capacity(values.len());
    for value in values.drain(..) {
        match pointer_of(&value) {
            None => filled.push(value),
            Some(pointer) => filled.extend(texts(pointer, find(pointer, answers)?)?),
        }
    }
    *values = filled;
    Ok(())
}

/// The pointer that a value is, braces and all.
fn pointer_of(value: &str) -> Option<&str> {
    value.strip_prefix('{')?.strip_suffix('}').filter(|inner| is_pointer(inner))
}

fn fill_text(value: &mut String, answers: &dyn Answers) -> Result<(), BatchError> {
    let Some(pointer) = pointer_of(value) else { return Ok(()) };
    let node = find(pointer, answers)?;
    let text = match node.parts() {
        Parts::List(_) => array_literal(texts(pointer, node)?.iter().map(String::as_str)),
        Parts::Map(_) | Parts::None => scalar(pointer, node)?,
    };
    *value = text;
    Ok(())
}

/// The texts of a scalar or of a list of scalars.
fn texts(pointer: &str, node: &Node) -> Result<Vec<String>, BatchError> {
    match node.parts() {
        Parts::List(items) => items.iter().map(|item| scalar(pointer, item)).collect(),
        Parts::Map(_) | Parts::None => Ok(vec![scalar(pointer, node)?]),
    }
}

fn scalar(pointer: &str, node: &Node) -> Result<String, BatchError> {
    let unusable = |what| Err(BatchError::Unusable { pointer: pointer.to_owned(), what });
    let raw = node.raw.get();
    match raw.as_bytes().first() {
        Some(b'"') => serde_json::from_str(raw).or_else(|_| unusable("a text that is none")),
        Some(b'{') => unusable("an object"),
        Some(b'[') => unusable("a list in a list"),
        Some(b'n') | None => unusable("null"),
        Some(_) => Ok(raw.to_owned()),
    }
}

#[cfg(test)]
mod tests;
