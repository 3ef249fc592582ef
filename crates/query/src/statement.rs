//! What compiling gives: a statement for the wire, and how to read its one row.
//!
//! Executors need not know what a statement was for: [`Output`] says which column is what, and who made the JSON.

use std::sync::Arc;

use bytes::Bytes;
use ferrobase_pg as pg;

use crate::rows::Rows;
use crate::template::Template;

/// A compiled query.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The statement.
    pub statement: pg::Statement,
    /// How its result is read.
    pub output: Output,
    /// A second statement, to be run after it, whose result [`estimated_rows`] reads.
    pub estimate: Option<pg::Statement>,
}

/// A compiled document.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// The statement.
    pub statement: pg::Statement,
    /// How its result becomes the document.
    pub template: Arc<Template>,
}

/// The form of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// One row whose body PostgreSQL made, JSON or any other text.
    Json(Layout),
    /// Rows that become JSON on our side.
    Rows(Rows),
    /// Lines of a query plan, one column.
    Plan,
}

/// Which column of the one row is what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    total: usize,
    page: usize,
    location: Option<usize>,
    body: usize,
    headers: usize,
    status: usize,
    inserted: Option<usize>,
    keys: Option<usize>,
    missing: Option<usize>,
}

impl Layout {
    /// Of a read or a call.
    pub(crate) const READ: Self = Self {
        total: 0,
        page: 1,
        location: None,
        body: 2,
        headers: 3,
        status: 4,
        inserted: None,
        keys: None,
        missing: None,
    };
    /// Of a page by keys.
    pub(crate) const PAGE: Self = Self { keys: Some(5), ..Self::READ };
    /// Of a mutation.
    pub(crate) const MUTATION: Self =
        Self { location: Some(2), body: 3, headers: 4, status: 5, inserted: Some(6), ..Self::READ };
    /// Of an update of many rows by key.
    pub(crate) const UPDATE_EACH: Self = Self { missing: Some(7), ..Self::MUTATION };

    /// Reads the result. No row is an answer of nothing: a function that an empty list gave no arguments is not called.
    pub fn outcome(&self, result: &pg::StatementResult) -> Outcome {
        let Some(row) = result.rows.first() else { return Outcome::default() };
        let mut outcome = self.read(row);
        outcome.body_type = result.columns.get(self.body).map_or(0, |column| column.type_oid);
        if outcome.body_type == BYTEA {
            outcome.body = outcome.body.map(|body| from_hexadecimal(&body).unwrap_or(body));
        }
        outcome
    }

    /// Reads the row. Columns that hold what they should not (no server of ours sends that) read as absent.
    fn read(&self, row: pg::Row<'_>) -> Outcome {
        let number = |index: usize| row.text(index).and_then(|text| text.parse().ok());
        Outcome {
            total: number(self.total),
            page: number(self.page).unwrap_or(0),
            location: self
                .location
                .and_then(|index| serde_json::from_slice(row.value(index)?).ok())
                .unwrap_or_default(),
            body: row.bytes(self.body),
            body_type: 0,
            headers: row.text(self.headers).map(str::to_owned),
            status: row.text(self.status).map(str::to_owned),
            inserted: self.inserted.and_then(number),
            keys: self.keys.map(|first| {
                Box::new(PageKeys {
                    near: row.text(first).and_then(values),
                    far: row.text(first + 1).and_then(values),
                    beyond: row.text(first + 2).and_then(values),
                })
            }),
            missing: self.missing.and_then(|index| Missing::read(row.value(index)?)),
        }
    }
}

/// The values of a row's order.
pub type RowKey = Vec<Option<String>>;

/// Keys at the ends of a page, seen from where it was begun.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageKeys {
    /// Of the first row.
    pub near: Option<RowKey>,
    /// Of the last row, when the page is full.
    pub far: Option<RowKey>,
    /// Of the row behind it, which is not shown.
    pub beyond: Option<RowKey>,
}

fn values(text: &str) -> Option<RowKey> {
    serde_json::from_str(text).ok()
}

/// What a statement answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Rows that satisfy the filters, counted on request; with a bound, at most the bound.
    pub total: Option<u64>,
    /// Rows of the answer, or rows that a mutation affected.
    pub page: u64,
    /// Key columns and filters (`eq.1`, `is.null`) that address a single inserted row.
    pub location: Vec<(String, String)>,
    /// The body, none when it was not asked for. Bytes of a handler that makes `bytea` are the bytes themselves.
    pub body: Option<Bytes>,
    /// Type OID of the body.
    pub body_type: u32,
    /// `response.headers` as SQL code set it.
    pub headers: Option<String>,
    /// `response.status` as SQL code set it.
    pub status: Option<String>,
    /// Of an upsert: how many of the affected rows are new.
    pub inserted: Option<u64>,
    /// Of a page by keys.
    pub keys: Option<Box<PageKeys>>,
    /// Of an update of many rows by key: which rows of the payload changed nothing.
    pub missing: Option<Missing>,
}

/// Rows of a payload that found no row to change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// How many.
    pub rows: u64,
    /// Where the first hundred stand in the payload, counted from 0.
    pub places: Vec<u64>,
}

impl Missing {
    fn read(json: &[u8]) -> Option<Self> {
        let (rows, places): (u64, Option<Vec<u64>>) = serde_json::from_slice(json).ok()?;
        Some(Self { rows, places: places.unwrap_or_default() })
    }
}

/// `bytea`, which comes as `\x` and two digits a byte.
const BYTEA: u32 = 17;

fn from_hexadecimal(text: &[u8]) -> Option<Bytes> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let digits = text.strip_prefix(b"\\x")?;
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    pairs.collect::<Option<Vec<u8>>>().map(Bytes::from)
}

/// The planner's estimate in the result of [`Compiled::estimate`]: one row, one column of JSON.
pub fn estimated_rows(plan: &[u8]) -> Option<u64> {
    let plan: serde_json::Value = serde_json::from_slice(plan).ok()?;
    let rows = plan.get(0)?.get("Plan")?.get("Plan Rows")?;
    // Estimates beyond 2^63 come as floating point.
    rows.as_u64().or_else(|| rows.as_f64().map(|rows| rows as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_by_its_layout() {
        let rows = pg::Rows::of([[
            None,
            Some("1"),
            Some(r#"[["id", "eq.1"], ["k", "is.null"]]"#),
            Some("[]"),
            None,
            Some("201"),
            Some("1"),
        ]]);
        let outcome = Layout::MUTATION.read(rows.first().unwrap());
        assert_eq!(outcome.page, 1);
        assert_eq!(outcome.total, None);
        assert_eq!(outcome.location, [("id".into(), "eq.1".into()), ("k".into(), "is.null".into())]);
        assert_eq!(outcome.body.as_deref(), Some(&b"[]"[..]));
        assert_eq!((outcome.headers.as_deref(), outcome.status.as_deref()), (None, Some("201")));
        assert_eq!(outcome.inserted, Some(1));
    }

    #[test]
    fn bytes_come_as_hexadecimal() {
        assert_eq!(from_hexadecimal(b"\\x00fF10").as_deref(), Some(&[0, 0xff, 0x10][..]));
        assert_eq!(from_hexadecimal(b"\\x"), Some(Bytes::new()));
        for malformed in [&b"00"[..], b"\\x0", b"\\xzz"] {
            assert_eq!(from_hexadecimal(malformed), None);
        }
    }

    #[test]
    fn estimates_are_read_from_the_plan() {
        assert_eq!(estimated_rows(br#"[{"Plan": {"Node Type": "Seq Scan", "Plan Rows": 42}}]"#), Some(42));
        assert_eq!(estimated_rows(b"[]"), None);
    }
}
