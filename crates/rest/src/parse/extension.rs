//! Parameters that PostgREST does not have: `distinct=`, `group_by=`, `having=`, `cursor=`.
//!
//! First stage. A column may have one of these names, and then `distinct=eq.1` is a filter on it as it is everywhere
//! else: a value that reads as a filter always is one. None of the values below does: lists of columns have no dot
//! outside of quotes, `having` begins with a parenthesis, a cursor is one word.
//! Functions called by GET keep these names for their arguments.

use super::failure::{Failure, shown};
use super::name;
use super::scan::{Scan, Step, parse_all};
use super::{Dialect, Reading, last_word, logic, operation, tree_path};
use crate::ast::{Cursor, Distinct, Field, Query};

/// Where a page begins; only at the root.
pub(crate) const CURSOR: &str = "cursor";

/// Reads a parameter of ours; `false` when it is none.
pub(super) fn read(query: &mut Query, key: &str, value: &str, reading: Reading<'_>) -> Result<bool, Failure> {
    let word = last_word(key);
    let is_ours = reading.dialect == Dialect::Extended
        && !reading.arguments
        && (matches!(word, "distinct" | "group_by" | "having") || key == CURSOR)
        && operation(reading.dialect, value).is_err();
    if !is_ours {
        return Ok(false);
    }
    if key == CURSOR {
        query.cursor = Some(whole("cursor parameter", value, cursor)?);
        return Ok(true);
    }
    let (path, _) = tree_path(key)?;
    match word {
        "distinct" => query.distinct.push((path, whole("distinct parameter", value, distinct)?)),
        "group_by" => query.group_by.push((path, whole("group_by parameter", value, fields)?)),
        _ => query.having.push((path, whole("having parameter", value, logic::having)?)),
    }
    Ok(true)
}

fn whole<T>(what: &str, value: &str, grammar: impl Fn(&mut Scan<'_>) -> Step<T>) -> Result<T, Failure> {
    parse_all(Dialect::Extended, what, shown(value), value, grammar)
}

fn distinct(s: &mut Scan<'_>) -> Step<Distinct> {
    s.first_of([
        &|s| {
            s.spaced(|s| s.char('*'))?;
            s.end()?;
            Ok(Distinct::Rows)
        },
        &|s| Ok(Distinct::On(fields(s)?)),
    ])
}

fn cursor(s: &mut Scan<'_>) -> Step<Cursor> {
    let word = s.run_of_one(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'), &["letter", "digit"])?;
    Ok(match word {
        "first" => Cursor::First,
        "last" => Cursor::Last,
        sealed => Cursor::At(sealed.to_owned()),
    })
}

/// `a,b->>c`.
fn fields(s: &mut Scan<'_>) -> Step<Vec<Field>> {
    s.separated(name::field, |s| s.char(','))
}
