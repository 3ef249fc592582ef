//! The body of a write or of a function call.
//!
//! First stage. JSON is scanned for its keys and otherwise passed on byte for byte: PostgreSQL reads it. Csv and forms
//! become JSON here. Invariant: a payload is valid UTF-8, and the keys of all its objects are the same.
//! Read on: `json` (the scan), `csv`, `quotes`, `rows` (bodies that are streamed), `request` (when a body counts).

mod csv;
mod entries;
mod json;
mod quotes;
pub mod rows;

use std::collections::BTreeSet;

use bytes::Bytes;

pub(crate) use self::entries::Entries;
pub(crate) use self::json::check_depth;
pub(crate) use self::json::path_keys;
use crate::media::MediaType;

/// A body that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// JSON text of one object, or of an array of objects with the same keys; `[]` for anything else.
    Json {
        /// The text.
        raw: Bytes,
        /// The keys, sorted.
        keys: BTreeSet<String>,
        /// Whether it is an array.
        array: bool,
    },
    /// JSON text that was not looked into because `columns=` says what is used of it; PostgreSQL refuses bad text.
    Unscanned {
        /// The text.
        raw: Bytes,
        /// Whether it begins like an array.
        array: bool,
    },
    /// JSON text of an array whose elements differ in their keys, or are no objects, or no array at all. Only with related
    /// rows in them that may be as it should, or where a function takes any JSON.
    Ragged {
        /// The text.
        raw: Bytes,
    },
    /// A form for a function: arguments in order, repeated ones for a variadic parameter.
    Form(Vec<(String, String)>),
    /// The value of a function's single unnamed parameter, as it came.
    Whole(Bytes),
    /// Rows that are streamed: only what the first one says is known.
    Staged {
        /// Its keys.
        keys: BTreeSet<String>,
        /// `columns=` says what of them is used.
        listed: bool,
    },
}

impl Payload {
    /// Whether it is a list of more than one element, or may be.
    pub fn is_several(&self) -> bool {
        match self {
            Self::Json { raw, array: true, .. } => {
                serde_json::from_slice::<Vec<serde::de::IgnoredAny>>(raw).is_ok_and(|elements| elements.len() > 1)
            }
            Self::Unscanned { array, .. } => *array,
            // Both are lists of whatever length.
            Self::Ragged { .. } | Self::Staged { .. } => true,
            Self::Json { .. } | Self::Form(_) | Self::Whole(_) => false,
        }
    }

    /// The names of columns or parameters that the body has values for.
    pub fn keys(&self) -> BTreeSet<String> {
        match self {
            Self::Json { keys, .. } | Self::Staged { keys, .. } => keys.clone(),
            Self::Form(pairs) => pairs.iter().map(|(key, _)| key.clone()).collect(),
            Self::Unscanned { .. } | Self::Ragged { .. } | Self::Whole(_) => BTreeSet::new(),
        }
    }
}

/// What the body is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Rows of a table.
    Rows,
    /// Arguments of a function.
    Arguments,
}

/// A body that makes no sense (PGRST102).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Not JSON, or nothing where rows are needed.
    #[error("Empty or invalid json")]
    Json,
    /// Objects of one array differ, or something in it is no object.
    #[error("All object keys must match")]
    Keys,
    /// Nested deeper than anything sensible.
    #[error("JSON is nested more than {} levels deep", json::MAX_DEPTH)]
    Depth,
    /// Lines of different length.
    #[error("All lines must have same number of fields")]
    CsvFields,
    /// Not csv.
    #[error("Empty or invalid csv")]
    Csv,
    /// A quoted field of csv without its end.
    #[error("A quoted field of the csv does not end")]
    CsvOpenQuote,
    /// Csv whose quotes are not around a field.
    #[error("A quote in the csv is neither around a field nor doubled in a quoted one")]
    CsvQuote,
    /// Not a form.
    #[error("Invalid form")]
    Form,
    /// Bytes that are not UTF-8 where text is needed.
    #[error("The body is not valid UTF-8")]
    Encoding,
    /// A streamed row that is larger than any should be.
    #[error("A line is longer than {} MiB", rows::MAX_ROW / 1024 / 1024)]
    Long,
    /// A type that nothing reads here.
    #[error("Content-Type not acceptable: {0}")]
    Type(MediaType),
}

/// Reads a body. `columns` says that the caller listed the columns to use.
///
/// # Errors
/// The body is not what its type says, or nothing reads its type.
pub fn read(body: &Bytes, media: &MediaType, usage: Use, columns: bool) -> Result<Payload, BodyError> {
    match (media, usage) {
        (MediaType::Json, _) if columns => unscanned(body),
        (MediaType::Json, Use::Arguments) if body.is_empty() => {
            Ok(Payload::Json { raw: Bytes::from_static(b"{}"), keys: BTreeSet::new(), array: false })
        }
        (MediaType::Json, _) => json::scan(body),
        (MediaType::Csv, _) => csv::to_json(body),
        (MediaType::Form, Use::Arguments) => Ok(Payload::Form(form(body)?)),
        (MediaType::Form, Use::Rows) => form_row(body),
        (MediaType::Text | MediaType::Xml, Use::Arguments) => {
            std::str::from_utf8(body).map_err(|_| BodyError::Encoding)?;
            Ok(Payload::Whole(body.clone()))
        }
        (MediaType::OctetStream, Use::Arguments) => Ok(Payload::Whole(body.clone())),
        (other, _) => Err(BodyError::Type(other.clone())),
    }
}

fn unscanned(body: &Bytes) -> Result<Payload, BodyError> {
    std::str::from_utf8(body).map_err(|_| BodyError::Encoding)?;
    json::check_depth(body)?;
    Ok(Payload::Unscanned { raw: body.clone(), array: begins_list(body) })
}

/// Whether JSON text is a list, if it is anything.
pub(crate) fn begins_list(body: &[u8]) -> bool {
    body.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'[')
}

fn form(body: &Bytes) -> Result<Vec<(String, String)>, BodyError> {
    crate::parse::split_form(body).ok_or(BodyError::Form)
}

/// One row of texts; the last value of a key counts.
fn form_row(body: &Bytes) -> Result<Payload, BodyError> {
    let mut row = serde_json::Map::new();
    for (key, value) in form(body)? {
        row.insert(key, serde_json::Value::String(value));
    }
    let keys = row.keys().cloned().collect();
    let raw = serde_json::to_vec(&row).map_err(|_| BodyError::Form)?;
    Ok(Payload::Json { raw: raw.into(), keys, array: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(body: &str, media: &MediaType, usage: Use, columns: bool) -> String {
        match read(&Bytes::copy_from_slice(body.as_bytes()), media, usage, columns) {
            Err(error) => error.to_string(),
            Ok(Payload::Json { raw, keys, array }) => {
                format!("{} {:?} {array}", String::from_utf8_lossy(&raw), keys.iter().collect::<Vec<_>>())
            }
            Ok(other) => format!("{other:?}"),
        }
    }

    #[test]
    fn json_bodies() {
        let cases = [
            (r#" {"b":1,"a":{"c":[]}} "#, r#" {"b":1,"a":{"c":[]}}  ["a", "b"] false"#),
            (r#"[{"a":1},{"a":2}]"#, r#"[{"a":1},{"a":2}] ["a"] true"#),
            (r#"[{"a":1,"b":2},{"b":1,"a":2}]"#, r#"[{"a":1,"b":2},{"b":1,"a":2}] ["a", "b"] true"#),
            (r#"[{"a":1,"a":2},{"a":3}]"#, r#"[{"a":1,"a":2},{"a":3}] ["a"] true"#),
            (r#"[{"\u0061":1},{"a":2}]"#, r#"[{"\u0061":1},{"a":2}] ["a"] true"#),
            (r#"[{},{}]"#, "[{},{}] [] true"),
            ("[]", "[] [] true"),
            ("{}", "{} [] false"),
            ("3", "[] [] true"),
            (r#""text""#, "[] [] true"),
            ("null", "[] [] true"),
            (r#"[{"a":1},{"b":2}]"#, "All object keys must match"),
            (r#"[{"a":1},{"a":2,"b":2}]"#, "All object keys must match"),
            (r#"[{"a":1,"b":2},{"a":2}]"#, "All object keys must match"),
            (r#"[{"a":1},7]"#, "All object keys must match"),
            ("[7]", "All object keys must match"),
            ("[[]]", "All object keys must match"),
            (r#"[{"a":1},{"b":2}"#, "Empty or invalid json"),
            (r#"{"a":1"#, "Empty or invalid json"),
            (r#"{"a":1} x"#, "Empty or invalid json"),
            ("}{ x = 2", "Empty or invalid json"),
            ("", "Empty or invalid json"),
        ];
        for (body, wanted) in cases {
            assert_eq!(told(body, &MediaType::Json, Use::Rows, false), wanted, "{body}");
        }
    }

    #[test]
    fn an_empty_body_calls_a_function_without_arguments() {
        assert_eq!(told("", &MediaType::Json, Use::Arguments, false), "{} [] false");
    }

    #[test]
    fn other_types() {
        assert_eq!(
            told("a=1&b=x+y&a=2", &MediaType::Form, Use::Rows, false),
            r#"{"a":"2","b":"x y"} ["a", "b"] false"#
        );
        assert_eq!(told("a=1&a=2", &MediaType::Form, Use::Arguments, false), r#"Form([("a", "1"), ("a", "2")])"#);
        assert_eq!(told("x", &MediaType::Text, Use::Arguments, false), r#"Whole(b"x")"#);
        assert_eq!(told("x", &MediaType::Text, Use::Rows, false), "Content-Type not acceptable: text/plain");
        assert_eq!(
            told("x", &MediaType::Other("image/png".into()), Use::Arguments, false),
            "Content-Type not acceptable: image/png"
        );
    }

    #[test]
    fn listed_columns_spare_the_scan() {
        assert_eq!(told(" [{}", &MediaType::Json, Use::Rows, true), r#"Unscanned { raw: b" [{}", array: true }"#);
        assert_eq!(told("{", &MediaType::Json, Use::Rows, true), r#"Unscanned { raw: b"{", array: false }"#);
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let bad = Bytes::from_static(b"{\"a\":\"\xff\"}");
        for columns in [false, true] {
            assert_eq!(read(&bad, &MediaType::Json, Use::Rows, columns), Err(BodyError::Encoding));
        }
        assert_eq!(read(&bad, &MediaType::Csv, Use::Rows, false), Err(BodyError::Encoding));
        assert_eq!(read(&bad, &MediaType::Text, Use::Arguments, false), Err(BodyError::Encoding));
        assert_eq!(read(&Bytes::from_static(b"a=%FF"), &MediaType::Form, Use::Rows, false), Err(BodyError::Form));
        assert!(read(&bad, &MediaType::OctetStream, Use::Arguments, false).is_ok());
    }

    #[test]
    fn sec_18_deep_json_is_refused() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        for columns in [false, true] {
            assert_eq!(read(&Bytes::from(deep.clone()), &MediaType::Json, Use::Rows, columns), Err(BodyError::Depth));
        }
        // Brackets inside of texts are only text.
        let flat = format!("{{\"a\":\"{}\\\"[\"}}", "[".repeat(100_000));
        assert!(read(&Bytes::from(flat), &MediaType::Json, Use::Rows, false).is_ok());
    }

    #[test]
    fn csv_bodies() {
        let cases = [
            ("a,b\nfoo,bar\nNULL,\"x,\"\"y\"\n", r#"[{"a":"foo","b":"bar"},{"a":null,"b":"x,\"y"}] ["a", "b"] true"#),
            ("a,b\r\n1,2\r\n\r\n3,4", r#"[{"a":"1","b":"2"},{"a":"3","b":"4"}] ["a", "b"] true"#),
            ("a\n", "[] [] true"),
            ("a,b\nfoo,bar\nbaz", "All lines must have same number of fields"),
            ("a,b\nfoo,bar,baz", "All lines must have same number of fields"),
            ("a,a\n1,2\n", r#"[{"a":"2"}] ["a"] true"#),
            ("", "Empty or invalid csv"),
            ("a,b\n1,\"x\n2,y\n", "A quoted field of the csv does not end"),
            ("a,b\n1,\"x\"y\n", "A quote in the csv is neither around a field nor doubled in a quoted one"),
        ];
        for (body, wanted) in cases {
            assert_eq!(told(body, &MediaType::Csv, Use::Rows, false), wanted, "{body}");
        }
    }
}
