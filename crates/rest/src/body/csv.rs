//! Csv with a header line as a JSON array of objects.
//!
//! First stage. Every value is a text, except `NULL`, which is null; PostgreSQL casts the texts to the columns' types.
//! Empty lines are skipped. Lines must be as long as the header; quotes must be as RFC 4180 has them (`quotes`).

use std::collections::BTreeSet;

use bytes::Bytes;
use csv::{ReaderBuilder, StringRecord};
use indexmap::IndexMap;

use super::{BodyError, Payload, quotes};

/// The payload that a csv body is.
pub(super) fn to_json(body: &Bytes) -> Result<Payload, BodyError> {
    std::str::from_utf8(body).map_err(|_| BodyError::Encoding)?;
    quotes::check(body)?;
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(body.as_ref());
    let header = reader.headers().map_err(|_| BodyError::Csv)?.clone();
    if header.is_empty() {
        return Err(BodyError::Csv);
    }
    let columns = columns(header.iter())?;
    let mut json = Vec::with_capacity(body.len() * 2);
    json.push(b'[');
    let mut line = StringRecord::new();
    while reader.read_record(&mut line).map_err(|_| BodyError::Csv)? {
        if line.len() != header.len() {
            return Err(BodyError::CsvFields);
        }
        if json.len() > 1 {
            json.push(b',');
        }
        write_row(&mut json, &columns, |index| line.get(index))?;
    }
    let keys = if json.len() > 1 { columns.into_keys().collect() } else { BTreeSet::new() };
    json.push(b']');
    Ok(Payload::Json { raw: json.into(), keys, array: true })
}

/// The columns of a header, by name.
pub(super) type Columns = IndexMap<String, Column>;

/// A column of the header.
pub(super) struct Column {
    /// `"name":` as JSON.
    key: Vec<u8>,
    /// Where it stands; the last one of a name counts.
    index: usize,
}

pub(super) fn columns<'n>(header: impl Iterator<Item = &'n str>) -> Result<Columns, BodyError> {
    let mut columns = IndexMap::new();
    for (index, name) in header.enumerate() {
        let mut key = serde_json::to_vec(name).map_err(|_| BodyError::Csv)?;
        key.push(b':');
        columns.insert(name.to_owned(), Column { key, index });
    }
    Ok(columns)
}

/// Writes a line as an object; `value` gives the text at an index.
pub(super) fn write_row<'v>(
    json: &mut Vec<u8>,
    columns: &Columns,
    value: impl Fn(usize) -> Option<&'v str>,
) -> Result<(), BodyError> {
    for (place, column) in columns.values().enumerate() {
        json.push(if place == 0 { b'{' } else { b',' });
        json.extend_from_slice(&column.key);
        match value(column.index) {
            Some("NULL") | None => json.extend_from_slice(b"null"),
            Some(value) => serde_json::to_writer(&mut *json, value).map_err(|_| BodyError::Csv)?,
        }
    }
    json.push(b'}');
    Ok(())
}
