//! Reads the values of one row in order, with errors that name the query and the column.
//!
//! Everything arrives as text; lists arrive as JSON, which has one way of quoting where array literals have several.

use ferrobase_pg::Row;
use serde::de::DeserializeOwned;

use crate::error::LoadError;

/// The values of a row, taken from left to right.
pub(crate) struct Cells<'r> {
    query: &'static str,
    values: std::vec::IntoIter<Option<&'r [u8]>>,
    column: usize,
}

impl<'r> Cells<'r> {
    pub(crate) fn new(query: &'static str, row: Row<'r>) -> Self {
        Self { query, values: row.values().collect::<Vec<_>>().into_iter(), column: 0 }
    }

    /// The next value, which may be NULL.
    pub(crate) fn optional(&mut self) -> Result<Option<&'r str>, LoadError> {
        self.column += 1;
        let Some(value) = self.values.next() else { return Err(self.wrong("is not there")) };
        match value.map(std::str::from_utf8) {
            None => Ok(None),
            Some(Ok(text)) => Ok(Some(text)),
            Some(Err(_)) => Err(self.wrong("is not UTF-8")),
        }
    }

    /// The next value, never NULL.
    pub(crate) fn text(&mut self) -> Result<&'r str, LoadError> {
        self.optional()?.ok_or_else(|| self.wrong("is null"))
    }

    /// The next value, owned.
    pub(crate) fn string(&mut self) -> Result<String, LoadError> {
        self.text().map(str::to_owned)
    }

    /// The next value, owned, which may be NULL.
    pub(crate) fn optional_string(&mut self) -> Result<Option<String>, LoadError> {
        Ok(self.optional()?.map(str::to_owned))
    }

    /// The next value as a boolean.
    pub(crate) fn flag(&mut self) -> Result<bool, LoadError> {
        match self.text()? {
            "t" => Ok(true),
            "f" => Ok(false),
            other => Err(self.wrong(&format!("`{other}` is no boolean"))),
        }
    }

    /// The next value as a number, which may be NULL.
    pub(crate) fn optional_number<N: std::str::FromStr>(&mut self) -> Result<Option<N>, LoadError> {
        let Some(text) = self.optional()? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| self.wrong(&format!("`{text}` is no number of its range")))
    }

    /// The next value as a number.
    pub(crate) fn number<N: std::str::FromStr>(&mut self) -> Result<N, LoadError> {
        self.optional_number()?.ok_or_else(|| self.wrong("is null"))
    }

    /// The next value as a list; NULL is an empty one.
    pub(crate) fn list<T: DeserializeOwned>(&mut self) -> Result<Vec<T>, LoadError> {
        let Some(text) = self.optional()? else { return Ok(Vec::new()) };
        serde_json::from_str(text).map_err(|error| self.wrong(&format!("is no list of the expected sort: {error}")))
    }

    /// An error about the value that was taken last.
    pub(crate) fn wrong(&self, reason: &str) -> LoadError {
        LoadError::Answer { query: self.query, column: self.column, reason: reason.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use ferrobase_pg::Rows;

    use super::*;

    #[test]
    fn values_come_in_order_and_errors_name_the_place() {
        let rows = Rows::of([[Some("a"), None, Some("t"), Some("-7"), Some("[1,2]"), None, Some("x")]]);
        let mut cells = Cells::new("some_list", rows.first().unwrap());
        assert_eq!(cells.text().unwrap(), "a");
        assert_eq!(cells.optional().unwrap(), None);
        assert!(cells.flag().unwrap());
        assert_eq!(cells.number::<i16>().unwrap(), -7);
        assert_eq!(cells.list::<i16>().unwrap(), [1, 2]);
        assert_eq!(cells.list::<i16>().unwrap(), [0; 0]);
        let error = cells.number::<u32>().unwrap_err().to_string();
        assert_eq!(error, "catalog query some_list, column 7: `x` is no number of its range");
        assert_eq!(cells.text().unwrap_err().to_string(), "catalog query some_list, column 8: is not there");
    }
}
