//! Documents that are written here, from the rows of a statement.
//!
//! A document whose root is one page or one row of a table needs no JSON of PostgreSQL: its rows come as columns, and a
//! [`Template`] says what stands between their values. Any other document is one row of JSON values, which is a template
//! too. Rows below a row have a template of their own. Values become JSON as in `rows` (docs/adr/0008); what only PostgreSQL
//! can write comes as a column of type `json`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ferrobase_pg::{Row, StatementResult};

use crate::plan::{Content, Member, PageFact};
use crate::records::{self, Grid, Value};
use crate::shown::{Form, Shown, string};

/// How rows become a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pub(crate) shown: Vec<Shown>,
    pub(crate) pieces: Vec<Piece>,
    pub(crate) page: PageRule,
}

/// A part of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Text as it is.
    Raw(Vec<u8>),
    /// A column of the only row.
    Value(usize),
    /// The rows of the page, with this between them.
    Rows(Vec<RowPiece>, &'static str),
    /// The first row, or null.
    First(Vec<RowPiece>),
    /// What is known of the page.
    Fact(PageFact),
}

/// A part of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RowPiece {
    /// Text as it is.
    Raw(Vec<u8>),
    /// A column.
    Column(usize),
    /// Where the row is.
    Cursor,
    /// What names the row: the beginning of the JSON list, and the columns of the key.
    RowId(String, Vec<usize>),
}

/// What facts about a page are worked out from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PageRule {
    /// Its size; a row more says that there are more.
    pub(crate) limit: Option<usize>,
    /// The rows come from its end to its beginning.
    pub(crate) backward: bool,
    /// It does not begin where all rows begin.
    pub(crate) from_somewhere: bool,
    /// The columns of a row's place: the first one and their number.
    pub(crate) key: (usize, usize),
}

impl Template {
    /// Of one row of JSON values, one for each member that is no constant.
    pub(crate) fn of_values(members: &[Member]) -> Self {
        let mut template = Self { shown: Vec::new(), pieces: Vec::new(), page: PageRule::default() };
        for (index, member) in members.iter().enumerate() {
            template.pieces.key(index, &member.key);
            match &member.value {
                Content::Constant(json) => template.pieces.text(json),
                _ => {
                    template.pieces.push(Piece::Value(template.shown.len()));
                    template.shown.push(Shown::JSON);
                }
            }
        }
        template.pieces.text(if members.is_empty() { "{}" } else { "}" });
        template
    }

    /// Bytes of what is written around the values of the database.
    pub fn size(&self) -> usize {
        let of_row = |piece: &RowPiece| if let RowPiece::Raw(text) = piece { text.len() } else { 0 };
        let raw = |piece: &Piece| match piece {
            Piece::Raw(text) => text.len(),
            Piece::Rows(row, _) | Piece::First(row) => row.iter().map(of_row).sum(),
            Piece::Value(_) | Piece::Fact(_) => 0,
        };
        let below = |shown: &Shown| if let Form::Below(template) = &shown.form { template.size() } else { 0 };
        self.pieces.iter().map(raw).sum::<usize>() + self.shown.iter().map(below).sum::<usize>()
    }

    /// Writes the document. `None` when the columns are not those that were expected, because the schema has changed.
    /// Gives the number of rows.
    #[must_use]
    pub fn write(&self, result: &StatementResult, out: &mut Vec<u8>) -> Option<usize> {
        let types = result.columns.iter().map(|column| column.type_oid);
        if result.columns.len() < self.shown.len()
            || !self.shown.iter().map(|shown| shown.type_oid).eq(types.take(self.shown.len()))
        {
            return None;
        }
        let values: Vec<Value<'_>> = result.rows.iter().flat_map(Row::values).collect();
        let rows = Grid::of(&values, result.columns.len(), result.rows.len())?;
        out.reserve(result.rows.size() * 2 + 64);
        self.put(rows, out)
    }

    /// Writes rows that are the value of a column in binary format: an array of records, or one record.
    pub(crate) fn write_below(&self, value: &[u8], type_oid: u32, out: &mut Vec<u8>) -> Option<()> {
        let mut values = Vec::new();
        let rows = records::read(value, type_oid, &self.shown, &mut values)?;
        self.put(Grid::of(&values, self.shown.len(), rows)?, out).map(|_| ())
    }

    fn put(&self, all: Grid<'_>, out: &mut Vec<u8>) -> Option<usize> {
        let page = self.page.limit.map_or(all.len(), |limit| limit.min(all.len()));
        for piece in &self.pieces {
            match piece {
                Piece::Raw(text) => out.extend_from_slice(text),
                Piece::Value(column) => match all.row(0) {
                    Some(row) => self.column(row, *column, out)?,
                    None => out.extend_from_slice(b"null"),
                },
                Piece::Rows(pieces, between) => self.rows(all, page, (pieces, between), out)?,
                Piece::First(pieces) => match all.row(0).filter(|_| page > 0) {
                    Some(row) => self.row(row, pieces, out)?,
                    None => out.extend_from_slice(b"null"),
                },
                Piece::Fact(fact) => self.fact(fact, all, page, out),
            }
        }
        Some(page)
    }

    fn rows(
        &self,
        all: Grid<'_>,
        page: usize,
        (pieces, between): (&[RowPiece], &str),
        out: &mut Vec<u8>,
    ) -> Option<()> {
        for index in 0..page {
            if index > 0 {
                out.extend_from_slice(between.as_bytes());
            }
            self.row(all.row(if self.page.backward { page - 1 - index } else { index })?, pieces, out)?;
        }
        Some(())
    }

    fn row(&self, row: &[Value<'_>], pieces: &[RowPiece], out: &mut Vec<u8>) -> Option<()> {
        for piece in pieces {
            match piece {
                RowPiece::Raw(text) => out.extend_from_slice(text),
                RowPiece::Column(index) => self.column(row, *index, out)?,
                RowPiece::Cursor => self.cursor(row, out),
                RowPiece::RowId(start, columns) => {
                    let mut list = start.as_bytes().to_vec();
                    for column in columns {
                        list.extend_from_slice(b", ");
                        self.column(row, *column, &mut list)?;
                    }
                    list.push(b']');
                    encoded(&list, out);
                }
            }
        }
        Some(())
    }

    fn column(&self, row: &[Value<'_>], index: usize, out: &mut Vec<u8>) -> Option<()> {
        match (row.get(index).copied().flatten(), self.shown.get(index)) {
            (Some(value), Some(shown)) => shown.write(value, out)?,
            _ => out.extend_from_slice(b"null"),
        }
        Some(())
    }

    fn cursor(&self, row: &[Value<'_>], out: &mut Vec<u8>) {
        let (first, count) = self.page.key;
        let mut list = b"[".to_vec();
        for index in first..first + count {
            if index > first {
                list.extend_from_slice(b", ");
            }
            match row.get(index).copied().flatten() {
                Some(text) => string(text, &mut list),
                None => list.extend_from_slice(b"null"),
            }
        }
        list.push(b']');
        encoded(&list, out);
    }

    fn fact(&self, fact: &PageFact, all: Grid<'_>, page: usize, out: &mut Vec<u8>) {
        let PageRule { backward, from_somewhere, .. } = self.page;
        let more = all.len() > page;
        let (first, last) = (all.row(0).filter(|_| page > 0), page.checked_sub(1).and_then(|last| all.row(last)));
        let place = |row: Option<&[Value<'_>]>, out: &mut Vec<u8>| match row {
            Some(row) => self.cursor(row, out),
            None => out.extend_from_slice(b"null"),
        };
        let says = |holds: bool, out: &mut Vec<u8>| out.extend_from_slice(if holds { b"true" } else { b"false" });
        match fact {
            PageFact::Constant(json) => out.extend_from_slice(json.as_bytes()),
            PageFact::HasNext => says(if backward { from_somewhere } else { more }, out),
            PageFact::HasPrevious => says(if backward { more } else { from_somewhere }, out),
            PageFact::Start => place(if backward { last } else { first }, out),
            PageFact::End => place(if backward { first } else { last }, out),
        }
    }
}

/// Base64 between quotes.
fn encoded(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
    out.push(b'"');
}

/// `"name":` as it stands in an object, with what stands before it.
pub(crate) fn key(open: u8, name: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(name.len() + 4);
    key.push(open);
    string(name.as_bytes(), &mut key);
    key.push(b':');
    key
}

/// Text of a template under construction: what is written next to each other becomes one piece.
pub(crate) trait Raw {
    /// The text at the end.
    fn raw(&mut self) -> &mut Vec<u8>;

    /// Adds text.
    fn text(&mut self, text: impl AsRef<[u8]>) {
        self.raw().extend_from_slice(text.as_ref());
    }

    /// Adds `"name":` and what stands before it: `{` for the first key of an object.
    fn key(&mut self, index: usize, name: &str) {
        self.text(key(if index == 0 { b'{' } else { b',' }, name));
    }
}

impl Raw for Vec<Piece> {
    fn raw(&mut self) -> &mut Vec<u8> {
        if !matches!(self.last(), Some(Piece::Raw(_))) {
            self.push(Piece::Raw(Vec::new()));
        }
        match self.last_mut() {
            Some(Piece::Raw(text)) => text,
            _ => unreachable!("a raw piece was just put there"),
        }
    }
}

impl Raw for Vec<RowPiece> {
    fn raw(&mut self) -> &mut Vec<u8> {
        if !matches!(self.last(), Some(RowPiece::Raw(_))) {
            self.push(RowPiece::Raw(Vec::new()));
        }
        match self.last_mut() {
            Some(RowPiece::Raw(text)) => text,
            _ => unreachable!("a raw piece was just put there"),
        }
    }
}

impl Shown {
    /// A text column whose value is a part of something else.
    pub(crate) const TEXT: Self = Self { type_oid: 25, form: Form::Text };
}
