//! Rows that become JSON on our side, byte for byte as PostgreSQL's `json_agg` would write them.
//!
//! For a list of twenty rows PostgreSQL spends a quarter of its time on making JSON, for a thousand most of it. A read
//! qualifies ([`form_of`]) when each of its columns has a type whose JSON follows from its text: see `datum_to_json` in
//! PostgreSQL. Dates and times are ISO 8601 in JSON whatever `DateStyle` says, so that has to be set ([`Rows::is_dated`]).
//! Anything else is left to PostgreSQL. Why: docs/adr/0008. Compared with PostgreSQL for every type: `tests/rows.rs`.

use bytes::{BufMut, Bytes, BytesMut};
use ferrobase_catalog::{Catalog, Column, Relation};
use ferrobase_pg::{Row, StatementResult};

use crate::plan::{Body, EmbedOutput, JsonForm, Query, Read, Scalar, Source, Value};
use crate::statement::Outcome;

/// How rows become a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    columns: Vec<Shown>,
    form: JsonForm,
}

/// A column as it is expected to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    /// Its base type, `pg_type.oid`.
    pub(crate) type_oid: u32,
    pub(crate) form: Form,
}

impl Shown {
    pub(crate) const JSON: Self = Self { type_oid: JSON, form: Form::Json };

    fn of(column: &Column) -> Option<Self> {
        Form::of(column).map(|form| Self { type_oid: column.type_oid, form })
    }

    /// A column in another form than its own.
    pub(crate) fn presented(column: &Column, scalar: &Scalar) -> Option<Self> {
        let form = match (scalar, column.type_oid) {
            (Scalar::Plain, _) => return Self::of(column),
            // float4, float8
            (Scalar::Finite, 700 | 701) => Form::Finite,
            // int8, numeric
            (Scalar::Text, 20 | 1700) => Form::Text,
            (Scalar::Encoded, JSONB) => Form::Encoded,
            _ => return None,
        };
        Some(Self { type_oid: column.type_oid, form })
    }

    pub(crate) fn is_dated(&self) -> bool {
        matches!(self.form, Form::Date | Form::Timestamp)
    }

    pub(crate) fn write(self, text: &[u8], out: &mut BytesMut) {
        self.form.write(text, out);
    }
}

/// How a value's text becomes JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `t` and `f`.
    Boolean,
    /// As it is, unless it is no number (`NaN`).
    Number,
    /// The same, but null where it is no number.
    Finite,
    /// As it is.
    Json,
    /// A document as a string; one that is a string is that string.
    Encoded,
    /// A string.
    Text,
    /// A string that needs no escapes, written in the style of ISO.
    Date,
    /// The same with a time.
    Timestamp,
}

impl Form {
    /// By the base type's `pg_type.oid`; none where only PostgreSQL knows.
    fn of(column: &Column) -> Option<Self> {
        Some(match column.type_oid {
            16 => Self::Boolean,
            // int2, int4, int8, float4, float8, numeric
            20 | 21 | 23 | 700 | 701 | 1700 => Self::Number,
            114 | 3802 => Self::Json,
            1082 => Self::Date,
            1114 | 1184 => Self::Timestamp,
            // bytea, "char", name, text, oid, xml, inet, cidr, macaddr, macaddr8, bpchar, varchar, time, timetz, interval,
            // bit, varbit, uuid, money, tsvector, tsquery, int4range, numrange, int8range, and the geometric types
            17..=19
            | 25
            | 26
            | 142
            | 600..=604
            | 628
            | 650
            | 718
            | 774
            | 790
            | 829
            | 869
            | 1042
            | 1043
            | 1083
            | 1186
            | 1266
            | 1560
            | 1562
            | 2950
            | 3614
            | 3615
            | 3904
            | 3906
            | 3926 => Self::Text,
            _ if !column.enum_values.is_empty() => Self::Text,
            _ => return None,
        })
    }

    fn write(self, text: &[u8], out: &mut BytesMut) {
        match self {
            Self::Boolean => out.extend_from_slice(if text == b"t" { b"true" } else { b"false" }),
            Self::Number | Self::Finite if is_number(text) => out.extend_from_slice(text),
            Self::Finite => out.extend_from_slice(b"null"),
            Self::Json => out.extend_from_slice(text),
            Self::Encoded if text.starts_with(b"\"") || text == b"null" => out.extend_from_slice(text),
            Self::Number | Self::Date => {
                out.put_u8(b'"');
                out.extend_from_slice(text);
                out.put_u8(b'"');
            }
            Self::Text | Self::Encoded => string(text, out),
            Self::Timestamp => timestamp(text, out),
        }
    }
}

/// How the rows of a query become its body, if they can.
pub(crate) fn form_of(query: &Query, catalog: &Catalog) -> Option<Rows> {
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
    Some(Rows { columns: columns(read, catalog)?, form: *form })
}

fn columns(read: &Read, catalog: &Catalog) -> Option<Vec<Shown>> {
    let Source::Table(name) = &read.source else { return None };
    let relation = catalog.relation(&name.schema, &name.name)?;
    let all = |relation: &Relation| relation.columns.values().map(Shown::of).collect::<Option<Vec<_>>>();
    if read.is_grouped() {
        return None;
    }
    let mut columns = Vec::new();
    for select in &read.select {
        if select.cast.is_some() || select.aggregate.is_some() {
            return None;
        }
        match &select.value {
            Value::Star => columns.extend(all(relation)?),
            Value::One => return None,
            Value::Field(field) if field.path.is_empty() && field.convert.is_none() => {
                columns.push(Shown::of(relation.columns.get(&field.name)?)?);
            }
            Value::Field(_) => return None,
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
    /// Whether there are dates: then the style of dates has to be ISO when the rows are written.
    pub fn is_dated(&self) -> bool {
        self.columns.iter().any(Shown::is_dated)
    }

    /// Reads the result. `None` when its columns are not those that were expected, because the schema has changed.
    pub fn outcome(&self, result: &StatementResult) -> Option<Outcome> {
        let types = result.columns.iter().map(|column| column.type_oid);
        if !types.eq(self.columns.iter().map(|column| column.type_oid)) {
            return None;
        }
        let keys: Vec<Vec<u8>> = result.columns.iter().map(|column| key(&column.name)).collect();
        let body = match (self.form, result.rows.as_slice()) {
            (JsonForm::Object, []) => Bytes::from_static(b"null"),
            (JsonForm::Object, [first, ..]) => self.list(&keys, std::slice::from_ref(first), [&[], &[]]),
            (JsonForm::List, []) => Bytes::from_static(b"[]"),
            (JsonForm::List, rows) => self.list(&keys, rows, [b"[", b"]"]),
        };
        Some(Outcome { page: result.rows.len() as u64, body: Some(body), body_type: JSON, ..Outcome::default() })
    }

    fn list(&self, keys: &[Vec<u8>], rows: &[Row], [open, close]: [&[u8]; 2]) -> Bytes {
        let keys_size: usize = keys.iter().map(Vec::len).sum();
        let guess = rows.iter().map(Row::size).sum::<usize>() + rows.len() * (keys_size + 8 * keys.len() + 8);
        let mut out = BytesMut::with_capacity(guess);
        out.extend_from_slice(open);
        for (index, row) in rows.iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(b", \n ");
            }
            self.object(keys, row, &mut out);
        }
        out.extend_from_slice(close);
        out.freeze()
    }

    fn object(&self, keys: &[Vec<u8>], row: &Row, out: &mut BytesMut) {
        let mut separator = b'{';
        for ((column, key), value) in self.columns.iter().zip(keys).zip(row.values()) {
            out.put_u8(separator);
            separator = b',';
            out.extend_from_slice(key);
            match value {
                None => out.extend_from_slice(b"null"),
                Some(text) => column.form.write(text, out),
            }
        }
        if self.columns.is_empty() {
            out.put_u8(b'{');
        }
        out.put_u8(b'}');
    }
}

/// `pg_type.oid` of `json`.
const JSON: u32 = 114;
/// `pg_type.oid` of `jsonb`.
const JSONB: u32 = 3802;

/// `"name":`
fn key(name: &str) -> Vec<u8> {
    let mut key = BytesMut::with_capacity(name.len() + 3);
    string(name.as_bytes(), &mut key);
    key.put_u8(b':');
    key.to_vec()
}

/// A JSON string, with the escapes that PostgreSQL writes.
pub(crate) fn string(text: &[u8], out: &mut BytesMut) {
    out.reserve(text.len() + 2);
    out.put_u8(b'"');
    let mut rest = text;
    loop {
        let (plain, escaped) = rest.split_at(plain_length(rest));
        out.extend_from_slice(plain);
        let Some((byte, after)) = escaped.split_first() else { break };
        escape(*byte, out);
        rest = after;
    }
    out.put_u8(b'"');
}

/// How many bytes at the beginning need no escape. Eight at a time: almost all text is plain, and most of an answer is text.
fn plain_length(text: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    // The lowest byte of a word that is zero has its high bit set here; so may those above it.
    let zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let below_blank = |word: u64| word.wrapping_sub(ONES * u64::from(b' ')) & !word;
    let (words, rest) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let special =
            below_blank(word) | zero(word ^ (ONES * u64::from(b'"'))) | zero(word ^ (ONES * u64::from(b'\\')));
        let found = special & (ONES << 7);
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let is_special = |byte: &u8| *byte < b' ' || *byte == b'"' || *byte == b'\\';
    words.len() * 8 + rest.iter().position(is_special).unwrap_or(rest.len())
}

fn escape(byte: u8, out: &mut BytesMut) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        0x08 => out.extend_from_slice(b"\\b"),
        0x0c => out.extend_from_slice(b"\\f"),
        other => {
            out.extend_from_slice(b"\\u00");
            out.put_u8(DIGITS[usize::from(other >> 4)]);
            out.put_u8(DIGITS[usize::from(other & 0xf)]);
        }
    }
}

/// PostgreSQL writes numbers as JSON does, but for those that are none.
fn is_number(text: &[u8]) -> bool {
    matches!(text, [b'0'..=b'9', ..] | [b'-', b'0'..=b'9', ..])
}

/// `2026-01-02 03:04:05.6+07 BC` as `2026-01-02T03:04:05.6+07:00 BC`.
fn timestamp(text: &[u8], out: &mut BytesMut) {
    out.put_u8(b'"');
    match text.iter().position(|byte| *byte == b' ') {
        // infinity
        None => out.extend_from_slice(text),
        Some(blank) => {
            let (date, time) = (&text[..blank], &text[blank + 1..]);
            let end = time.iter().position(|byte| *byte == b' ').unwrap_or(time.len());
            let (time, era) = time.split_at(end);
            out.extend_from_slice(date);
            out.put_u8(b'T');
            out.extend_from_slice(time);
            let is_short =
                time.iter().rposition(|byte| matches!(byte, b'+' | b'-')).is_some_and(|sign| time.len() - sign == 3);
            if is_short {
                out.extend_from_slice(b":00");
            }
            out.extend_from_slice(era);
        }
    }
    out.put_u8(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_the_style_of_iso() {
        for (text, json) in [
            ("2026-01-02 03:04:05", r#""2026-01-02T03:04:05""#),
            ("2026-01-02 03:04:05.6+07", r#""2026-01-02T03:04:05.6+07:00""#),
            ("2026-01-02 03:04:05-03:30", r#""2026-01-02T03:04:05-03:30""#),
            ("1800-01-02 03:04:05+00:53:28", r#""1800-01-02T03:04:05+00:53:28""#),
            ("0044-03-15 12:00:00+00 BC", r#""0044-03-15T12:00:00+00:00 BC""#),
            ("infinity", r#""infinity""#),
            ("-infinity", r#""-infinity""#),
        ] {
            let mut out = BytesMut::new();
            timestamp(text.as_bytes(), &mut out);
            assert_eq!(out, json);
        }
    }

    #[test]
    fn what_needs_an_escape_is_found_wherever_it_stands() {
        for special in 0..=u8::MAX {
            let needs = special < b' ' || special == b'"' || special == b'\\';
            for (before, after) in (0..20).flat_map(|before| (0..20).map(move |after| (before, after))) {
                let mut text = vec![0xfc; before];
                text.push(special);
                text.extend(vec![b'!'; after]);
                let expected = if needs { before } else { text.len() };
                assert_eq!(plain_length(&text), expected, "{special} after {before} before {after}");
            }
        }
    }

    #[test]
    fn strings_have_the_escapes_of_postgresql() {
        let mut out = BytesMut::new();
        string("a\"b\\c\n\r\t\u{8}\u{c}\u{1}\u{1f}\u{7f}ü/€".as_bytes(), &mut out);
        assert_eq!(out, "\"a\\\"b\\\\c\\n\\r\\t\\b\\f\\u0001\\u001f\u{7f}ü/€\"");
    }
}
