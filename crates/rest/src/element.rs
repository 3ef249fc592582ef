//! Which element of a list of changes PostgreSQL refused, as far as its words tell.
//!
//! Beside the stages: asked only when a PATCH with a list has failed. PostgreSQL names no element, but it shows the value
//! that it could not read, the row that a condition refused, or the key that was in the way; often one element alone fits
//! that. Names, numbers and keys are not translated, so that this works in every language of the messages.
//! Invariant: an element is named only if no other one fits; else none is.

use ferrobase_pg::DbError;
use ferrobase_query::plan::UpdateEach;
use serde_json::{Map, Value};

/// PostgreSQL cuts longer values where it shows a row.
const SHOWN_WHOLE: usize = 60;

type Element = Map<String, Value>;

/// The place of the element, counted from 0.
pub(crate) fn of(error: &DbError, update: &UpdateEach) -> Option<u64> {
    let elements: Vec<Element> = serde_json::from_slice(&update.json).ok()?;
    let key: Vec<&str> = update.key.iter().map(|column| column.name.as_str()).collect();
    let code = error.code.as_str();
    match (code, error.code.class()) {
        // The message ends in the value that is none.
        (_, "22") => only(&elements, |element| element.values().any(|value| is_quoted(&error.message, value))),
        // A trigger may have written elsewhere.
        (_, "23") if error.table.as_deref() != Some(&*update.table.name) => None,
        ("23502" | "23514", _) => {
            let row = error.detail.as_deref()?;
            let by_key =
                |element: &Element| key.iter().all(|name| element.get(*name).is_some_and(|value| is_shown(row, value)));
            let whole =
                |element: &Element| element.values().filter(|value| is_plain(value)).all(|value| is_shown(row, value));
            only(&elements, by_key).or_else(|| only(&elements, |element| by_key(element) && whole(element)))
        }
        ("23503" | "23505" | "23P01", _) => {
            let (columns, values) = pairs(error.detail.as_deref()?)?;
            only(&elements, |element| {
                columns
                    .iter()
                    .zip(&values)
                    .all(|(column, value)| element.get(*column).is_some_and(|given| text(given) == *value))
            })
        }
        _ => None,
    }
}

/// The only element that fits.
fn only(elements: &[Element], fits: impl Fn(&Element) -> bool) -> Option<u64> {
    let mut places = elements.iter().enumerate().filter(|(_, element)| fits(element)).map(|(place, _)| place);
    let first = places.next()?;
    if places.next().is_some() { None } else { u64::try_from(first).ok() }
}

/// A value as PostgreSQL shows it.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(true) => "t".to_owned(),
        Value::Bool(false) => "f".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Whether a message shows this value between quotes, whichever its language has.
fn is_quoted(message: &str, value: &Value) -> bool {
    let text = match value {
        Value::Null | Value::Bool(_) => return false,
        other => text(other),
    };
    let is_quote = |c: char| !c.is_alphanumeric() && !c.is_whitespace() && c != '-' && c != '.';
    !text.is_empty()
        && message.match_indices(&text).any(|(at, _)| {
            message[..at].chars().next_back().is_some_and(is_quote)
                && message[at + text.len()..].chars().next().is_some_and(is_quote)
        })
}

/// Whether a value is shown as it was sent, whatever its column's type.
fn is_plain(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(_)) || value.is_i64() || value.is_u64()
}

/// Whether a row, `(1, one, null)`, shows this value.
fn is_shown(row: &str, value: &Value) -> bool {
    let text = text(value);
    if text.len() > SHOWN_WHOLE {
        return false;
    }
    row.match_indices(&text).any(|(at, _)| {
        let (before, after) = (&row[..at], &row[at + text.len()..]);
        (before.ends_with('(') || before.ends_with(", ")) && (after.starts_with(')') || after.starts_with(", "))
    })
}

/// Columns and values of `Key (a, b)=(1, 2) ...`.
fn pairs(detail: &str) -> Option<(Vec<&str>, Vec<String>)> {
    let (columns, values) = detail.split_once(")=(")?;
    let columns: Vec<&str> = columns.split_once('(')?.1.split(", ").map(|name| name.trim_matches('"')).collect();
    let values: Vec<String> = values[..values.rfind(')')?].split(", ").map(str::to_owned).collect();
    (columns.len() == values.len()).then_some((columns, values))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(json: &str) -> Vec<Element> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_only_element_that_fits_is_named() {
        let list = elements(r#"[{"id":1,"n":5},{"id":2,"n":-5},{"id":25,"n":-5}]"#);
        let shown = |row: &str| only(&list, |element| is_shown(row, &element["id"]));
        assert_eq!(shown("Failing row contains (2, x, -5)."), Some(1));
        assert_eq!(shown("Fehlgeschlagene Zeile enthält (25, x, -5)."), Some(2));
        assert_eq!(shown("Failing row contains (3, x, -5)."), None);
        let quoted = |message: &str| only(&list, |e| e.values().any(|value| is_quoted(message, value)));
        assert_eq!(quoted("invalid input syntax for type date: \"5\""), Some(0));
        assert_eq!(quoted("invalid input syntax for type date: \"-5\""), None, "two have it");
        assert_eq!(quoted("Wert »25« ist außerhalb"), Some(2));
    }

    #[test]
    fn keys_are_read() {
        let read = |detail| pairs(detail).map(|(columns, values)| format!("{columns:?} {values:?}"));
        assert_eq!(read("Key (a, \"B c\")=(1, x) already exists.").unwrap(), r#"["a", "B c"] ["1", "x"]"#);
        assert_eq!(read("Key (a)=(x, y) already exists."), None, "nobody knows where a value ends");
        assert_eq!(read("nothing"), None);
    }
}
