//! The query string of a REST request as an [`ast::Query`](crate::ast::Query).
//!
//! First stage: **parse** -> plan -> query -> execute -> render. Hand-written recursive descent over [`scan::Scan`];
//! pure, and total: any text gives a query or an error of the caller (PGRST100, PGRST103), never a panic.
//! Invariant: nothing here knows the catalog or writes SQL. Bounds: nesting 64, 16,384 items a value, 2,048
//! parameters; the length of the whole is bounded by the listener.
//! What PostgREST does not have is read only in [`Dialect::Extended`], and only where PostgREST's grammar has an error: no
//! text means something else than it does there.
//! Read on: `extension` (our own parameters), `scan` and `trouble` (how errors get their wording), `select`, `filter`, `logic`, `order`, `window`.

mod extended;
mod extension;
mod failure;
mod filter;
mod logic;
mod name;
mod order;
mod pairs;
mod scan;
mod select;
mod trouble;
mod window;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub(crate) use self::extension::CURSOR;
pub use self::failure::{Failure, ParseError};
pub(crate) use self::pairs::KEPT;
pub use self::pairs::MAX_PAIRS;
pub(crate) use self::pairs::split_form;
pub use self::scan::{MAX_DEPTH, MAX_ITEMS};

use self::failure::shown;
use self::filter::Reach;
use self::scan::parse_all;
use crate::ast::{EmbedPath, Field, Filter, Logic, Operation, OrderTerm, Query, SelectItem};

/// Parameters that are never filters.
const RESERVED: [&str; 3] = ["select", "columns", "on_conflict"];
/// Last words of parameters that are never filters, alone or after an embedding path.
const RESERVED_LAST: [&str; 5] = ["order", "limit", "offset", "and", "or"];

/// Which grammar a query string follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// PostgREST's and nothing else.
    #[default]
    Postgrest,
    /// With our own operators and parameters, all of which are errors in PostgREST's.
    Extended,
}

/// How a query string is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading<'a> {
    /// Of a function called by GET or HEAD: what is no filter is an argument.
    pub arguments: bool,
    /// Parameters that belong to other parts of the server, never filters.
    pub reserved: &'a [String],
    /// The grammar.
    pub dialect: Dialect,
    /// `on` names the columns by which rows of the body find theirs, and is no filter.
    pub keyed: bool,
}

/// Reads a query string (without the `?`).
///
/// # Errors
/// A value that does not follow its grammar, text that is not UTF-8, a bound that is exceeded.
pub fn query(raw: &str, reading: Reading<'_>) -> Result<Query, ParseError> {
    let pairs = pairs::split(raw)?;
    let canonical = pairs::canonical(&pairs);
    let mut query = Query { canonical, ..Query::default() };
    let dialect = reading.dialect;
    // The order of these decides which of several mistakes is reported.
    let given: Vec<(&str, &str)> =
        pairs.iter().filter_map(|(key, value)| Some((key.as_str(), value.as_deref()?))).collect();
    for &(key, value) in given.iter().filter(|(key, _)| last_word(key) == "order") {
        query.order.push(order(dialect, key, value)?);
    }
    for &(key, value) in given.iter().filter(|(key, _)| matches!(last_word(key), "and" | "or")) {
        query.logic.push(logic(dialect, key, value)?);
    }
    query.columns = first(&pairs, "columns").map(|value| columns("columns parameter", value)).transpose()?;
    query.select = select(dialect, first(&pairs, "select").unwrap_or("*"))?;
    let is_key = |key: &str| reading.keyed && key == "on";
    for &(key, value) in given.iter().filter(|(key, _)| !is_reserved(key, reading.reserved) && !is_key(key)) {
        if !extension::read(&mut query, key, value, reading)? {
            read_filter(&mut query, key, value, reading)?;
        }
    }
    query.on_conflict =
        first(&pairs, "on_conflict").map(|value| key_columns("on_conflict parameter", value)).transpose()?;
    if reading.keyed {
        query.on = first(&pairs, "on").map(|value| key_columns("on parameter", value)).transpose()?;
    }
    query.windows = window::windows(&given)?;
    Ok(query)
}

/// What follows the last dot of a key, or all of it.
fn last_word(key: &str) -> &str {
    key.rsplit_once('.').map_or(key, |(_, word)| word)
}

fn is_reserved(key: &str, more: &[String]) -> bool {
    RESERVED.contains(&key) || RESERVED_LAST.contains(&last_word(key)) || more.iter().any(|name| name == key)
}

/// The value of the first parameter of this name, if it has one.
fn first<'p>(pairs: &'p [pairs::Pair], name: &str) -> Option<&'p str> {
    pairs.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.as_deref())
}

/// `select=`.
pub(crate) fn select(dialect: Dialect, value: &str) -> Result<Vec<SelectItem>, Failure> {
    parse_all(dialect, "select parameter", shown(value), value, select::select)
}

/// A key of a body as a column and a path into it.
pub(crate) fn body_path(key: &str) -> Option<Field> {
    parse_all(Dialect::Extended, "key", shown(key), key, name::field).ok()
}

fn columns(what: &str, value: &str) -> Result<BTreeSet<String>, Failure> {
    Ok(parse_all(Dialect::Postgrest, what, shown(value), value, name::columns)?.into_iter().collect())
}

fn key_columns(what: &str, value: &str) -> Result<Vec<String>, Failure> {
    parse_all(Dialect::Postgrest, what, shown(value), value, name::columns)
}

fn tree_path(key: &str) -> Result<(EmbedPath, Field), Failure> {
    parse_all(Dialect::Postgrest, "tree path", shown(key), key, name::tree_path)
}

fn order(dialect: Dialect, key: &str, value: &str) -> Result<(EmbedPath, Vec<OrderTerm>), Failure> {
    let (path, _) = tree_path(key)?;
    Ok((path, parse_all(dialect, "order", shown(value), value, order::order)?))
}

fn logic(dialect: Dialect, key: &str, value: &str) -> Result<(EmbedPath, Logic), Failure> {
    let (path, negated, operator) = parse_all(Dialect::Postgrest, "logic path", shown(key), key, name::logic_path)?;
    // The operator stands in the key; put before the value it makes a tree like any inner one.
    let text = format!("{}{operator}{value}", if negated { "not." } else { "" });
    Ok((path, parse_all(dialect, "logic tree", shown(value), &text, logic::root)?))
}

/// The right side of a filter.
fn operation(dialect: Dialect, value: &str) -> Result<(bool, Operation), Failure> {
    parse_all(dialect, "filter", shown(value), value, |s| filter::operation(s, Reach::Text))
}

/// A filter, or an argument of a function.
fn read_filter(query: &mut Query, key: &str, value: &str, reading: Reading<'_>) -> Result<(), Failure> {
    // What PostgREST takes for an argument stays one, also where it looks like an operation of ours.
    let dialect = if reading.arguments { Dialect::Postgrest } else { reading.dialect };
    match (tree_path(key), operation(dialect, value), reading.arguments) {
        (Ok((path, field)), Ok((negated, operation)), _) => {
            query.filters.push((path, Filter { field, negated, operation }));
        }
        (Ok((_, field)), Err(_), true) => query.arguments.push((field.name, value.to_owned())),
        // A key that is no path can still be the name of a parameter.
        (Err(_), _, true) => query.arguments.push((key.to_owned(), value.to_owned())),
        (Err(failure), _, false) | (Ok(_), Err(failure), false) => return Err(failure),
    }
    query.filter_fields.insert(key.to_owned());
    Ok(())
}
