//! What compiling gives: a statement for the wire, and how to read its one row.
//!
//! Executors need not know what a statement was for: [`Output`] says which column is what. Besides [`Output::Json`]
//! there is room for rows that are rendered on our side, and for COPY; only the executor has to learn them.

use bytes::Bytes;
use ferrobase_pg as pg;

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

/// The form of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// One row whose body PostgreSQL made, JSON or any other text.
    Json(Layout),
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
}

impl Layout {
    /// Of a read or a call.
    pub(crate) const READ: Self =
        Self { total: 0, page: 1, location: None, body: 2, headers: 3, status: 4, inserted: None };
    /// Of a mutation.
    pub(crate) const MUTATION: Self =
        Self { total: 0, page: 1, location: Some(2), body: 3, headers: 4, status: 5, inserted: Some(6) };

    /// Reads the row. Columns that hold what they should not (no server of ours sends that) read as absent.
    pub fn read(&self, row: &pg::Row) -> Outcome {
        let number = |index: usize| row.text(index).and_then(|text| text.parse().ok());
        Outcome {
            total: number(self.total),
            page: number(self.page).unwrap_or(0),
            location: self
                .location
                .and_then(|index| serde_json::from_slice(row.value(index)?).ok())
                .unwrap_or_default(),
            body: row.bytes(self.body),
            headers: row.text(self.headers).map(str::to_owned),
            status: row.text(self.status).map(str::to_owned),
            inserted: self.inserted.and_then(number),
        }
    }
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
    /// The body, none when it was not asked for.
    pub body: Option<Bytes>,
    /// `response.headers` as SQL code set it.
    pub headers: Option<String>,
    /// `response.status` as SQL code set it.
    pub status: Option<String>,
    /// Of an upsert: how many of the affected rows are new.
    pub inserted: Option<u64>,
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
        let row = pg::Row::new([
            None,
            Some("1"),
            Some(r#"[["id", "eq.1"], ["k", "is.null"]]"#),
            Some("[]"),
            None,
            Some("201"),
            Some("1"),
        ]);
        let outcome = Layout::MUTATION.read(&row);
        assert_eq!(outcome.page, 1);
        assert_eq!(outcome.total, None);
        assert_eq!(outcome.location, [("id".into(), "eq.1".into()), ("k".into(), "is.null".into())]);
        assert_eq!(outcome.body.as_deref(), Some(&b"[]"[..]));
        assert_eq!((outcome.headers.as_deref(), outcome.status.as_deref()), (None, Some("201")));
        assert_eq!(outcome.inserted, Some(1));
    }

    #[test]
    fn estimates_are_read_from_the_plan() {
        assert_eq!(estimated_rows(br#"[{"Plan": {"Node Type": "Seq Scan", "Plan Rows": 42}}]"#), Some(42));
        assert_eq!(estimated_rows(b"[]"), None);
    }
}
