//! Rows that become JSON on our side, byte for byte as PostgreSQL's `json_agg` would write them.
//!
//! For a list of twenty rows PostgreSQL spends a quarter of its time on making JSON, for a thousand most of it. A read
//! qualifies ([`form_of`]) when each of its columns has a type whose JSON follows from its text: see `datum_to_json` in
//! PostgreSQL. Dates and times are ISO 8601 in JSON whatever `DateStyle` says: where they come in another style, nothing of the
//! result is used.
//! Anything else is left to PostgreSQL. Rows below rows come in binary format (`records`). Why: docs/adr/0008 and 0020.
//! Compared with PostgreSQL for every type: `tests/rows.rs`, `tests/below.rs`.

use std::sync::OnceLock;

use bytes::Bytes;
use ferrobase_catalog::{Catalog, Column, Relation};
use ferrobase_pg::{self as pg, Row, StatementResult};

use crate::plan::{Body, EmbedOutput, JsonForm, Query, Read, Scalar, Source, Value};
use crate::shown::{self, JSON, Shown, string};
use crate::statement::Outcome;
use crate::template::Template;

/// How rows become a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows(How);

#[derive(Clone, Debug, PartialEq, Eq)]
enum How {
    /// Columns, which have their own names.
    Columns(Columns, JsonForm),
    /// With rows below them.
    Drawn(Box<Template>),
}

/// Columns and, once there was a result, what their names become.
#[derive(Clone, Debug)]
struct Columns {
    shown: Vec<Shown>,
    keys: OnceLock<Keys>,
}

impl PartialEq for Columns {
    fn eq(&self, other: &Self) -> bool {
        // The keys follow from the result.
        self.shown == other.shown
    }
}

impl Eq for Columns {}

/// The form of the body of a query, if its rows may become that here.
pub(crate) fn form_of(query: &Query) -> Option<JsonForm> {
    let Query { mutation: None, read, keyset: None, body, count, guard, precondition: None, explain: None, lock: None } =
        query
    else {
        return None;
    };
    let Body::Json { form, strip_nulls: false } = body else { return None };
    let counts = count.exact || count.estimate || count.at_most.is_some();
    if counts || *guard != crate::plan::Guard::default() {
        return None;
    }
    (!read.is_grouped()).then_some(*form)
}

fn columns(read: &Read, catalog: &Catalog) -> Option<Vec<Shown>> {
    let Source::Table(name) = &read.source else { return None };
    let relation = catalog.relation(&name.schema, &name.name)?;
    let sent = |column: &Column| Shown::sent(column, &Scalar::Plain);
    let all = |relation: &Relation| relation.columns.values().map(sent).collect::<Option<Vec<_>>>();
    let mut columns = Vec::new();
    for select in &read.select {
        match (&select.value, &select.cast, &select.aggregate) {
            (Value::Star, None, None) => columns.extend(all(relation)?),
            (Value::Field(field), cast, None) if field.convert.is_none() => {
                let column = relation.columns.get(&field.name)?;
                let column = match field.path.last() {
                    None => sent(column)?,
                    Some(step) => Shown::inside(column, field.to_document, step.as_text)?,
                };
                columns.push(match cast {
                    None => column,
                    Some(name) => Shown::cast(name.own_oid()?)?,
                });
            }
            _ => return None,
        }
    }
    if read.select.is_empty() && read.embeds.is_empty() {
        columns = all(relation)?;
    }
    for embed in &read.embeds {
        match embed.output {
            EmbedOutput::Hidden => {}
            EmbedOutput::Json => columns.push(Shown::JSON),
            EmbedOutput::Spread(_) => return None,
        }
    }
    Some(columns)
}

impl Rows {
    /// The rows of a read as columns, if they can be.
    pub(crate) fn of(read: &Read, form: JsonForm, catalog: &Catalog) -> Option<Self> {
        columns(read, catalog).map(|shown| Self(How::Columns(Columns { shown, keys: OnceLock::new() }, form)))
    }

    /// Rows with what stands between their values.
    pub(crate) fn drawn(template: Template) -> Self {
        Self(How::Drawn(Box::new(template)))
    }

    /// In which formats the columns are to come.
    pub(crate) fn formats(&self) -> pg::Formats {
        match &self.0 {
            How::Columns(columns, _) => shown::formats_of_all(&columns.shown),
            How::Drawn(template) => shown::formats(&template.shown),
        }
    }

    /// Reads the result. `None` when its columns are not those that were expected, because the schema has changed.
    pub fn outcome(&self, result: &StatementResult) -> Option<Outcome> {
        let body = match &self.0 {
            How::Columns(columns, form) => columns.body(*form, result)?,
            How::Drawn(template) => {
                let mut out = Vec::new();
                template.write(result, &mut out)?;
                out.into()
            }
        };
        Some(Outcome { page: result.rows.len() as u64, body: Some(body), body_type: JSON, ..Outcome::default() })
    }
}

impl Columns {
    fn body(&self, form: JsonForm, result: &StatementResult) -> Option<Bytes> {
        let types = result.columns.iter().map(|column| column.type_oid);
        if !types.eq(self.shown.iter().map(|column| column.type_oid)) {
            return None;
        }
        let known = self.keys.get_or_init(|| Keys::of(&result.columns));
        let others = (!known.are_of(&result.columns)).then(|| Keys::of(&result.columns));
        let keys = others.as_ref().unwrap_or(known);
        let rows = result.rows.iter();
        match (form, result.rows.first()) {
            (JsonForm::Object, None) => Some(Bytes::from_static(b"null")),
            (JsonForm::Object, Some(_)) => self.list(keys, rows.take(1), [&[], &[]]),
            (JsonForm::List, None) => Some(Bytes::from_static(b"[]")),
            (JsonForm::List, Some(_)) => self.list(keys, rows, [b"[", b"]"]),
        }
    }

    fn list<'r>(
        &self,
        keys: &Keys,
        rows: impl ExactSizeIterator<Item = Row<'r>> + Clone,
        [open, close]: [&[u8]; 2],
    ) -> Option<Bytes> {
        // A UUID grows most: of twenty bytes with their length it becomes thirty-eight.
        let around = keys.text.len() + 20 * keys.ends.len();
        let mut out = Vec::with_capacity(rows.clone().map(|row| row.size() + around).sum());
        out.extend_from_slice(open);
        // Nothing ends before the first row.
        let mut start = END_OF_ROW.len() + BETWEEN.len();
        for row in rows {
            self.object(keys, start, row, &mut out)?;
            start = 0;
        }
        out.extend_from_slice(END_OF_ROW.as_bytes());
        out.extend_from_slice(close);
        Some(out.into())
    }

    /// A row without its end; `start` is where the text of the keys begins for it.
    fn object(&self, keys: &Keys, mut start: usize, row: Row<'_>, out: &mut Vec<u8>) -> Option<()> {
        let mut values = row.values();
        for (column, end) in self.shown.iter().zip(&keys.ends) {
            out.extend_from_slice(&keys.text[start..*end]);
            start = *end;
            match values.next()? {
                None => out.extend_from_slice(b"null"),
                Some(value) => column.write(value, out)?,
            }
        }
        out.extend_from_slice(&keys.text[start..]);
        Some(())
    }
}

/// What stands before the values of a row, one behind the other: what ends the row before, `{"first":`, then `,"second":`
/// and so on.
#[derive(Clone, Debug)]
struct Keys {
    names: Vec<String>,
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Keys {
    fn of(columns: &[pg::Column]) -> Self {
        let names = columns.iter().map(|column| column.name.clone()).collect();
        let text = [END_OF_ROW, BETWEEN, "{"].concat().into_bytes();
        let mut keys = Self { names, text, ends: Vec::with_capacity(columns.len()) };
        for column in columns {
            if !keys.ends.is_empty() {
                keys.text.push(b',');
            }
            string(column.name.as_bytes(), &mut keys.text);
            keys.text.push(b':');
            keys.ends.push(keys.text.len());
        }
        keys
    }

    fn are_of(&self, columns: &[pg::Column]) -> bool {
        self.names.iter().eq(columns.iter().map(|column| &column.name))
    }
}

const END_OF_ROW: &str = "}";
/// What `json_agg` writes between two rows.
pub(crate) const BETWEEN: &str = ", \n ";
