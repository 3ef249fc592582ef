//! Values that become JSON on our side: which types do, how they are asked for, and how each is written.
//!
//! In text format a value is what its type's output function says; in binary format, for rows below rows (`records`), it is
//! one of a few simple forms, or that text.

use ferrobase_catalog::Column;

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
            (Scalar::Plain, 2950) => Some(Form::Uuid),
            (Scalar::Plain, _) if !column.enum_values.is_empty() => Some(Form::Text),
            _ => None,
        };
        if let Some(form) = form {
            return Some((None, Self { type_oid: column.type_oid, form }));
        }
        let Self { type_oid, form } = Self::presented(column, scalar)?;
        Some((Some(output_function(type_oid)?), Self { type_oid: TEXT, form }))
    }

    pub(crate) fn is_dated(&self) -> bool {
        match &self.form {
            Form::Date | Form::Timestamp => true,
            Form::Below(template) => template.is_dated(),
            _ => false,
        }
    }

    /// Writes a value; none when it is not of this form.
    #[must_use]
    pub(crate) fn write(&self, value: &[u8], out: &mut Vec<u8>) -> Option<()> {
        match &self.form {
            Form::Below(template) => template.write_below(value, self.type_oid, out),
            form => form.write(value, out),
        }
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
    /// A string that needs no escapes, written in the style of ISO.
    Date,
    /// The same with a time.
    Timestamp,
    /// In binary format: a boolean,
    Flag,
    /// a whole number,
    Integer,
    /// one as a string,
    IntegerText,
    /// a UUID,
    Uuid,
    /// `jsonb`,
    Document,
    /// `jsonb` as [`Form::Encoded`],
    EncodedDocument,
    /// and rows, or one row.
    Below(Box<Template>),
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

    fn write(&self, text: &[u8], out: &mut Vec<u8>) -> Option<()> {
        match self {
            Self::Boolean => out.extend_from_slice(if text == b"t" { b"true" } else { b"false" }),
            Self::Number | Self::Finite if is_number(text) => out.extend_from_slice(text),
            Self::Finite => out.extend_from_slice(b"null"),
            Self::Json => out.extend_from_slice(text),
            Self::Encoded if text.starts_with(b"\"") || text == b"null" => out.extend_from_slice(text),
            Self::Number | Self::Date => quoted(out, |out| out.extend_from_slice(text)),
            Self::Text | Self::Encoded => string(text, out),
            Self::Timestamp => timestamp(text, out),
            Self::Flag => out.extend_from_slice(if text == [1] { b"true" } else { b"false" }),
            Self::Integer => records::write_integer(records::integer(text)?, out),
            Self::IntegerText => {
                let number = records::integer(text)?;
                quoted(out, |out| records::write_integer(number, out));
            }
            Self::Uuid => {
                let bytes = text.try_into().ok()?;
                quoted(out, |out| records::write_uuid(bytes, out));
            }
            Self::Document | Self::EncodedDocument => {
                let (&JSONB_VERSION, text) = text.split_first()? else { return None };
                let form = if matches!(self, Self::Document) { Self::Json } else { Self::Encoded };
                return form.write(text, out);
            }
            Self::Below(_) => return None,
        }
        Some(())
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
        2950 => "uuid_out",
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

/// `2026-01-02 03:04:05.6+07 BC` as `2026-01-02T03:04:05.6+07:00 BC`.
fn timestamp(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    match text.iter().position(|byte| *byte == b' ') {
        // infinity
        None => out.extend_from_slice(text),
        Some(blank) => {
            let (date, time) = (&text[..blank], &text[blank + 1..]);
            let end = time.iter().position(|byte| *byte == b' ').unwrap_or(time.len());
            let (time, era) = time.split_at(end);
            out.extend_from_slice(date);
            out.push(b'T');
            out.extend_from_slice(time);
            let is_short =
                time.iter().rposition(|byte| matches!(byte, b'+' | b'-')).is_some_and(|sign| time.len() - sign == 3);
            if is_short {
                out.extend_from_slice(b":00");
            }
            out.extend_from_slice(era);
        }
    }
    out.push(b'"');
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
