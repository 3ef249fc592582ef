//! Values that become JSON on our side: which types do, how they are asked for, and how each is written.
//!
//! As text a value is what its type's output function says. Rows below rows (`records`) are in binary format, where it is one
//! of a few simple forms, or that text; and so are UUIDs everywhere.

use ferrobase_catalog::Column;
use ferrobase_pg as pg;

use crate::plan::Scalar;
use crate::records;
use crate::template::Template;

/// A column as it is expected to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    /// The type that the server describes, `pg_type.oid`.
    pub(crate) type_oid: u32,
    pub(crate) form: Form,
}

impl Shown {
    pub(crate) const JSON: Self = Self { type_oid: JSON, form: Form::Json };

    /// A column in text format.
    pub(crate) fn of(column: &Column) -> Option<Self> {
        Form::of(column).map(|form| Self { type_oid: column.type_oid, form })
    }

    /// The same in another form than its own.
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

    /// A column in binary format: as it is, or what an output function of PostgreSQL's makes of it, as `text`. No cast
    /// is ever looked up for that. None where the value can only come as JSON.
    pub(crate) fn packed(column: &Column, scalar: &Scalar) -> Option<(Option<&'static str>, Self)> {
        // A field of a record has the type of the domain, whose number nobody knows.
        let is_domain = column.declared_type != column.base_type;
        let form = match (scalar, column.type_oid) {
            _ if is_domain => None,
            (Scalar::Plain, 16) => Some(Form::Flag),
            // int2, int4, int8
            (Scalar::Plain, 20 | 21 | 23) => Some(Form::Integer),
            (Scalar::Text, 20) => Some(Form::IntegerText),
            // name, text, bpchar, varchar
            (Scalar::Plain, 19 | 25 | 1042 | 1043) => Some(Form::Text),
            (Scalar::Plain, JSON) => Some(Form::Json),
            (Scalar::Plain, JSONB) => Some(Form::Document),
            (Scalar::Encoded, JSONB) => Some(Form::EncodedDocument),
            (Scalar::Plain, UUID) => Some(Form::Uuid),
            (Scalar::Plain, _) if !column.enum_values.is_empty() => Some(Form::Text),
            _ => None,
        };
        if let Some(form) = form {
            return Some((None, Self { type_oid: column.type_oid, form }));
        }
        let Self { type_oid, form } = Self::presented(column, scalar)?;
        Some((Some(output_function(type_oid)?), Self { type_oid: TEXT, form }))
    }

    /// A column of a statement: as text, but for what is simpler in binary format.
    pub(crate) fn sent(column: &Column, scalar: &Scalar) -> Option<Self> {
        match (scalar, column.type_oid) {
            (Scalar::Plain, UUID) => Some(Self { type_oid: UUID, form: Form::Uuid }),
            _ => Self::presented(column, scalar),
        }
    }

    /// What is inside of a document, or of what is turned into one.
    pub(crate) fn inside(column: &Column, to_document: bool, as_text: bool) -> Option<Self> {
        match (as_text, to_document, column.type_oid) {
            (false, true, _) | (false, _, JSONB) => Some(Self { type_oid: JSONB, form: Form::Json }),
            (false, _, JSON) => Some(Self::JSON),
            (true, true, _) | (true, _, JSON | JSONB) => Some(Self { type_oid: TEXT, form: Form::Text }),
            _ => None,
        }
    }

    /// A value that was cast to a type of PostgreSQL's own.
    pub(crate) fn cast(type_oid: u32) -> Option<Self> {
        let form = if type_oid == UUID { Form::Uuid } else { Form::of_own(type_oid)? };
        Some(Self { type_oid, form })
    }

    /// Whether it has to come in binary format, or may.
    fn is_binary(&self) -> bool {
        match &self.form {
            Form::Flag | Form::Integer | Form::IntegerText | Form::Uuid => true,
            Form::Document | Form::EncodedDocument | Form::Below(_) => true,
            Form::Boolean | Form::Number | Form::Finite | Form::Json | Form::Encoded => false,
            Form::Text | Form::Date | Form::Timestamp => false,
        }
    }

    /// Writes a value; none when it is not of this form.
    #[must_use]
    pub(crate) fn write(&self, value: &[u8], out: &mut Vec<u8>) -> Option<()> {
        match &self.form {
            Form::Boolean => out.extend_from_slice(if value == b"t" { b"true" } else { b"false" }),
            Form::Number | Form::Finite if is_number(value) => out.extend_from_slice(value),
            Form::Finite => out.extend_from_slice(b"null"),
            Form::Json => out.extend_from_slice(value),
            Form::Number => quoted(out, |out| out.extend_from_slice(value)),
            Form::Date | Form::Timestamp if !is_iso(value) => return None,
            Form::Date => quoted(out, |out| out.extend_from_slice(value)),
            Form::Text => string(value, out),
            Form::Encoded => encoded(value, out),
            Form::Timestamp => timestamp(value, out),
            Form::Flag => out.extend_from_slice(if value == [1] { b"true" } else { b"false" }),
            Form::Integer => records::write_integer(records::integer(value)?, out),
            Form::IntegerText => {
                let number = records::integer(value)?;
                quoted(out, |out| records::write_integer(number, out));
            }
            Form::Uuid => match value.try_into() {
                Ok(bytes) => records::write_uuid(bytes, out),
                Err(_) => string(value, out),
            },
            Form::Document => out.extend_from_slice(document(value)?),
            Form::EncodedDocument => encoded(document(value)?, out),
            Form::Below(template) => template.write_below(value, self.type_oid, out)?,
        }
        Some(())
    }
}

/// In which formats the columns of a statement come that lists them one by one.
pub(crate) fn formats(shown: &[Shown]) -> pg::Formats {
    let binary = shown.iter().map(Shown::is_binary);
    if binary.clone().any(|binary| binary) { pg::Formats::Each(binary.collect()) } else { pg::Formats::Text }
}

/// The same of `*`. Values come in binary format only once there are as many columns as expected, and can be read in both.
pub(crate) fn formats_of_all(shown: &[Shown]) -> pg::Formats {
    match formats(shown) {
        pg::Formats::Each(binary) => pg::Formats::Wished(binary),
        other => other,
    }
}

/// How a value becomes JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// A string that needs no escapes, in the style of ISO.
    Date,
    /// The same with a time.
    Timestamp,
    /// In binary format: a boolean,
    Flag,
    /// a whole number,
    Integer,
    /// one as a string,
    IntegerText,
    /// a UUID (or its text: one sees which it is),
    Uuid,
    /// `jsonb`,
    Document,
    /// `jsonb` as [`Form::Encoded`],
    EncodedDocument,
    /// and rows, or one row.
    Below(Box<Template>),
}

impl Form {
    /// By the base type; none where only PostgreSQL knows.
    fn of(column: &Column) -> Option<Self> {
        let is_enum = !column.enum_values.is_empty();
        Self::of_own(column.type_oid).or_else(|| is_enum.then_some(Self::Text))
    }

    /// By `pg_type.oid`.
    fn of_own(type_oid: u32) -> Option<Self> {
        Some(match type_oid {
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
            | UUID
            | 3614
            | 3615
            | 3904
            | 3906
            | 3926 => Self::Text,
            _ => return None,
        })
    }
}

/// The text of a `jsonb` in binary format.
fn document(value: &[u8]) -> Option<&[u8]> {
    value.split_first().and_then(|(version, text)| (*version == JSONB_VERSION).then_some(text))
}

/// A document as a string.
fn encoded(text: &[u8], out: &mut Vec<u8>) {
    match text.starts_with(b"\"") || text == b"null" {
        true => out.extend_from_slice(text),
        false => string(text, out),
    }
}

fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

/// The output function of a type, where it is one that is often in tables.
fn output_function(type_oid: u32) -> Option<&'static str> {
    Some(match type_oid {
        16 => "boolout",
        17 => "byteaout",
        19 => "nameout",
        20 => "int8out",
        21 => "int2out",
        23 => "int4out",
        TEXT => "textout",
        JSON => "json_out",
        700 => "float4out",
        701 => "float8out",
        1042 => "bpcharout",
        1043 => "varcharout",
        1082 => "date_out",
        1083 => "time_out",
        1114 => "timestamp_out",
        1184 => "timestamptz_out",
        1186 => "interval_out",
        1266 => "timetz_out",
        1700 => "numeric_out",
        UUID => "uuid_out",
        JSONB => "jsonb_out",
        _ => return None,
    })
}

/// What stands before the text of a `jsonb` in binary format.
const JSONB_VERSION: u8 = 1;
/// `pg_type.oid` of `text`.
const TEXT: u32 = 25;
/// `pg_type.oid` of `json`.
pub(crate) const JSON: u32 = 114;
/// `pg_type.oid` of `jsonb`.
const JSONB: u32 = 3802;
/// `pg_type.oid` of `uuid`.
const UUID: u32 = 2950;

/// A JSON string, with the escapes that PostgreSQL writes.
pub(crate) fn string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    loop {
        let (plain, escaped) = rest.split_at(plain_length(rest));
        out.extend_from_slice(plain);
        let Some((byte, after)) = escaped.split_first() else { break };
        escape(*byte, out);
        rest = after;
    }
    out.push(b'"');
}

/// How many bytes at the beginning need no escape. Sixteen at a time, which the compiler does at once: almost all text is
/// plain, and most of an answer is text.
fn plain_length(text: &[u8]) -> usize {
    let is_special = |byte: &u8| (*byte < b' ') | (*byte == b'"') | (*byte == b'\\');
    let is_plain = |bytes: &[u8; 16]| !bytes.iter().fold(false, |found, byte| found | is_special(byte));
    let (whole, rest) = text.as_chunks::<16>();
    let plain = whole.iter().take_while(|bytes| is_plain(bytes)).count();
    // The last sixteen bytes are looked at again with those before them, instead of one by one.
    if plain == whole.len() && (rest.is_empty() || text.last_chunk::<16>().is_some_and(is_plain)) {
        return text.len();
    }
    let start = plain * 16;
    text[start..].iter().position(is_special).map_or(text.len(), |special| start + special)
}

fn escape(byte: u8, out: &mut Vec<u8>) {
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
            out.push(DIGITS[usize::from(other >> 4)]);
            out.push(DIGITS[usize::from(other & 0xf)]);
        }
    }
}

/// PostgreSQL writes numbers as JSON does, but for those that are none.
fn is_number(text: &[u8]) -> bool {
    matches!(text, [b'0'..=b'9', ..] | [b'-', b'0'..=b'9', ..])
}

/// Whether a date or time is in the style of ISO, as JSON has it, whose first four characters at least are a year. In the other
/// styles a weekday, or a day or month of two digits comes first.
fn is_iso(text: &[u8]) -> bool {
    text.first_chunk::<4>().is_some_and(|year| year.iter().all(u8::is_ascii_digit)) || text.ends_with(b"infinity")
}

/// `2026-01-02 03:04:05.6+07 BC` as `2026-01-02T03:04:05.6+07:00 BC`.
fn timestamp(text: &[u8], out: &mut Vec<u8>) {
    const DATE: usize = "2026-01-02".len();
    out.push(b'"');
    match text.get(DATE) {
        // A year of four digits of our era, as almost all are.
        Some(b' ') if text.ends_with(b"C") => odd_timestamp(text, out),
        Some(b' ') => {
            out.extend_from_slice(&text[..DATE]);
            time(&text[DATE + 1..], out);
        }
        _ => odd_timestamp(text, out),
    }
    out.push(b'"');
}

fn odd_timestamp(text: &[u8], out: &mut Vec<u8>) {
    match text.iter().position(|byte| *byte == b' ') {
        // infinity
        None => out.extend_from_slice(text),
        Some(blank) => {
            let (date, rest) = (&text[..blank], &text[blank + 1..]);
            let end = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
            out.extend_from_slice(date);
            time(&rest[..end], out);
            out.extend_from_slice(&rest[end..]);
        }
    }
}

/// `03:04:05.6+07` as `T03:04:05.6+07:00`.
fn time(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'T');
    out.extend_from_slice(text);
    if let [.., b'+' | b'-', _, _] = text {
        out.extend_from_slice(b":00");
    }
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
            let mut out = Vec::new();
            timestamp(text.as_bytes(), &mut out);
            assert_eq!(out, json.as_bytes());
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
        let mut out = Vec::new();
        string("a\"b\\c\n\r\t\u{8}\u{c}\u{1}\u{1f}\u{7f}ü/€".as_bytes(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "\"a\\\"b\\\\c\\n\\r\\t\\b\\f\\u0001\\u001f\u{7f}ü/€\"");
    }
}
