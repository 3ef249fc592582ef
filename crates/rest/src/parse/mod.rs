//! The query string of a REST request as an [`ast::Query`](crate::ast::Query).
//!
//! First stage: **parse** -> plan -> query -> execute -> render. Hand-written recursive descent over [`scan::Scan`];
//! pure, and total: any text gives a query or an error of the caller (PGRST100, PGRST103), never a panic.
//! Invariant: nothing here knows the catalog or writes SQL. Bounds: nesting 64, 16,384 items a value, 2,048
//! parameters; the length of the whole is bounded by the listener.
//! Read on: `scan` and `trouble` (how errors get their wording), `select`, `filter`, `logic`, `order`, `window`.

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

pub use self::failure::{Failure, ParseError};
pub use self::pairs::MAX_PAIRS;
pub(crate) use self::pairs::split_form;
pub use self::scan::{MAX_DEPTH, MAX_ITEMS};

use self::failure::shown;
use self::filter::Reach;
use self::scan::parse_all;
use crate::ast::{EmbedPath, Field, Filter, Logic, OrderTerm, Query, SelectItem};

/// Parameters that are never filters.
const RESERVED: [&str; 3] = ["select", "columns", "on_conflict"];
/// Last words of parameters that are never filters, alone or after an embedding path.
const RESERVED_LAST: [&str; 5] = ["order", "limit", "offset", "and", "or"];

/// How a query string is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading<'a> {
    /// Of a function called by GET or HEAD: what is no filter is an argument.
    pub arguments: bool,
    /// Parameters that belong to other parts of the server, never filters.
    pub reserved: &'a [String],
}

/// Reads a query string (without the `?`).
///
/// # Errors
/// A value that does not follow its grammar, text that is not UTF-8, a bound that is exceeded.
pub fn query(raw: &str, reading: Reading<'_>) -> Result<Query, ParseError> {
    let pairs = pairs::split(raw)?;
    let canonical = pairs::canonical(&pairs);
    let mut query = Query { canonical, ..Query::default() };
    // The order of these decides which of several mistakes is reported.
    let given: Vec<(&str, &str)> =
        pairs.iter().filter_map(|(key, value)| Some((key.as_str(), value.as_deref()?))).collect();
    for &(key, value) in given.iter().filter(|(key, _)| last_word(key) == "order") {
        query.order.push(order(key, value)?);
    }
    for &(key, value) in given.iter().filter(|(key, _)| matches!(last_word(key), "and" | "or")) {
        query.logic.push(logic(key, value)?);
    }
    query.columns = first(&pairs, "columns").map(|value| columns("columns parameter", value)).transpose()?;
    query.select = select(first(&pairs, "select").unwrap_or("*"))?;
    for &(key, value) in given.iter().filter(|(key, _)| !is_reserved(key, reading.reserved)) {
        read_filter(&mut query, key, value, reading.arguments)?;
    }
    query.on_conflict = first(&pairs, "on_conflict").map(on_conflict).transpose()?;
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
pub(crate) fn select(value: &str) -> Result<Vec<SelectItem>, Failure> {
    parse_all("select parameter", shown(value), value, select::select)
}

fn columns(what: &str, value: &str) -> Result<BTreeSet<String>, Failure> {
    Ok(parse_all(what, shown(value), value, name::columns)?.into_iter().collect())
}

fn on_conflict(value: &str) -> Result<Vec<String>, Failure> {
    parse_all("on_conflict parameter", shown(value), value, name::columns)
}

fn tree_path(key: &str) -> Result<(EmbedPath, Field), Failure> {
    parse_all("tree path", shown(key), key, name::tree_path)
}

fn order(key: &str, value: &str) -> Result<(EmbedPath, Vec<OrderTerm>), Failure> {
    let (path, _) = tree_path(key)?;
    Ok((path, parse_all("order", shown(value), value, order::order)?))
}

fn logic(key: &str, value: &str) -> Result<(EmbedPath, Logic), Failure> {
    let (path, negated, operator) = parse_all("logic path", shown(key), key, name::logic_path)?;
    // The operator stands in the key; put before the value it makes a tree like any inner one.
    let text = format!("{}{operator}{value}", if negated { "not." } else { "" });
    Ok((path, parse_all("logic tree", shown(value), &text, logic::root)?))
}

/// A filter, or an argument of a function.
fn read_filter(query: &mut Query, key: &str, value: &str, arguments: bool) -> Result<(), Failure> {
    let operation = parse_all("filter", shown(value), value, |s| filter::operation(s, Reach::Text));
    match (tree_path(key), operation, arguments) {
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
