//! Rows below a row, as PostgreSQL sends them in binary format: arrays of records, or one record.
//!
//! They become the same [`Grid`] of values as the rows of a statement, so that one template writes both. Everything is
//! looked at before it is believed: lengths, numbers of fields, and the type of each field. What is not as expected is
//! refused; then PostgreSQL makes the JSON (docs/adr/0020).

use crate::shown::Shown;

/// `pg_type.oid` of `record`.
pub(crate) const RECORD: u32 = 2249;
/// `pg_type.oid` of `record[]`.
pub(crate) const RECORDS: u32 = 2287;
/// Most fields that we ask for in one record; PostgreSQL makes 1,664.
pub(crate) const MOST_FIELDS: usize = 1600;

/// A value, or NULL.
pub(crate) type Value<'a> = Option<&'a [u8]>;

/// Rows of one width: their values one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid<'a> {
    values: &'a [Value<'a>],
    width: usize,
    rows: usize,
}

impl<'a> Grid<'a> {
    /// Rows of these values; none when their number is another one.
    pub(crate) fn of(values: &'a [Value<'a>], width: usize, rows: usize) -> Option<Self> {
        (width.checked_mul(rows) == Some(values.len())).then_some(Self { values, width, rows })
    }

    /// How many rows there are.
    pub(crate) fn len(self) -> usize {
        self.rows
    }

    /// The values of a row.
    pub(crate) fn row(self, index: usize) -> Option<&'a [Value<'a>]> {
        (index < self.rows).then(|| &self.values[index * self.width..(index + 1) * self.width])
    }
}

/// Reads an array of records, or one record, of fields like these. Gives the number of records, whose values are added.
pub(crate) fn read<'a>(value: &'a [u8], type_oid: u32, fields: &[Shown], values: &mut Vec<Value<'a>>) -> Option<usize> {
    let mut rest = Reader(value);
    let rows = match type_oid {
        RECORDS => {
            let rows = rest.array_of(RECORD)?;
            // A field has at least eight bytes: more than that are not there.
            values.reserve(rows.saturating_mul(fields.len()).min(value.len() / 8));
            for _ in 0..rows {
                let length = rest.length()??;
                record(&mut Reader(rest.take(length)?), fields, values)?;
            }
            rows
        }
        RECORD => record(&mut rest, fields, values).map(|()| 1)?,
        _ => return None,
    };
    rest.0.is_empty().then_some(rows)
}

fn record<'a>(rest: &mut Reader<'a>, fields: &[Shown], values: &mut Vec<Value<'a>>) -> Option<()> {
    if usize::try_from(rest.number()?) != Ok(fields.len()) {
        return None;
    }
    for field in fields {
        if rest.number()? != field.type_oid {
            return None;
        }
        values.push(match rest.length()? {
            None => None,
            Some(length) => Some(rest.take(length)?),
        });
    }
    rest.0.is_empty().then_some(())
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn number(&mut self) -> Option<u32> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*bytes))
    }

    /// A length, or that of NULL.
    fn length(&mut self) -> Option<Option<usize>> {
        match self.number()? {
            u32::MAX => Some(None),
            length => usize::try_from(length).ok().map(Some),
        }
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// The head of an array with at most one dimension; how many elements follow.
    fn array_of(&mut self, element: u32) -> Option<usize> {
        let (dimensions, _has_nulls, type_oid) = (self.number()?, self.number()?, self.number()?);
        if type_oid != element {
            return None;
        }
        match dimensions {
            0 => Some(0),
            1 => {
                let (elements, _lower_bound) = (self.number()?, self.number()?);
                usize::try_from(elements).ok()
            }
            _ => None,
        }
    }
}

/// A whole number of two, four or eight bytes.
pub(crate) fn integer(bytes: &[u8]) -> Option<i64> {
    Some(match *bytes {
        [a, b] => i64::from(i16::from_be_bytes([a, b])),
        [a, b, c, d] => i64::from(i32::from_be_bytes([a, b, c, d])),
        _ => i64::from_be_bytes(bytes.try_into().ok()?),
    })
}

/// Its digits.
pub(crate) fn write_integer(number: i64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    while rest > 0 || at == digits.len() {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

/// A UUID as a string.
pub(crate) fn write_uuid(bytes: &[u8; 16], out: &mut Vec<u8>) {
    let mut digits = [[0; 2]; 16];
    for (pair, byte) in digits.iter_mut().zip(bytes) {
        *pair = HEXADECIMAL[usize::from(*byte)];
    }
    let digits = digits.as_flattened();
    // Copies whose lengths are known cost next to nothing.
    let mut text = *b"\"########-####-####-####-############\"";
    text[1..9].copy_from_slice(&digits[..8]);
    text[10..14].copy_from_slice(&digits[8..12]);
    text[15..19].copy_from_slice(&digits[12..16]);
    text[20..24].copy_from_slice(&digits[16..20]);
    text[25..37].copy_from_slice(&digits[20..]);
    out.extend_from_slice(&text);
}

/// Two digits for each byte.
const HEXADECIMAL: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut all = [[0; 2]; 256];
    let mut byte = 0;
    while byte < all.len() {
        all[byte] = [DIGITS[byte >> 4], DIGITS[byte & 0xf]];
        byte += 1;
    }
    all
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::shown::Form;

    fn fields() -> [Shown; 2] {
        [Shown { type_oid: 23, form: Form::Integer }, Shown { type_oid: 25, form: Form::Text }]
    }

    fn put(parts: &[u32]) -> Vec<u8> {
        parts.iter().flat_map(|part| part.to_be_bytes()).collect()
    }

    /// `{"(7,ab)","(,)"}`
    fn two_records() -> Vec<u8> {
        let mut first = put(&[2, 23, 4, 7, 25, 2]);
        first.extend(b"ab");
        let second = put(&[2, 23, u32::MAX, 25, u32::MAX]);
        let mut array = put(&[1, 0, RECORD, 2, 1, first.len() as u32]);
        array.extend(first);
        array.extend(put(&[second.len() as u32]));
        array.extend(second);
        array
    }

    #[test]
    fn records_become_a_grid_of_values() {
        let array = two_records();
        let mut values = Vec::new();
        assert_eq!(read(&array, RECORDS, &fields(), &mut values), Some(2));
        let grid = Grid::of(&values, 2, 2).unwrap();
        assert_eq!(grid.row(0), Some(&[Some(&[0, 0, 0, 7][..]), Some(b"ab")][..]));
        assert_eq!(grid.row(1), Some(&[None, None][..]));
        assert_eq!(grid.row(2), None);
        assert_eq!(read(&put(&[0, 0, RECORD]), RECORDS, &fields(), &mut Vec::new()), Some(0));
        assert_eq!(read(&put(&[2, 23, u32::MAX, 25, u32::MAX]), RECORD, &fields(), &mut Vec::new()), Some(1));
    }

    #[test]
    fn what_is_not_as_expected_is_refused() {
        let array = two_records();
        let refused = |value: &[u8], fields: &[Shown]| read(value, RECORDS, fields, &mut Vec::new()).is_none();
        for cut in 0..array.len() {
            assert!(refused(&array[..cut], &fields()), "cut at {cut}");
        }
        let [first, second] = fields();
        assert!(refused(&[&array[..], &[0]].concat(), &fields()));
        assert!(refused(&array, &[second.clone(), first.clone()]));
        assert!(refused(&array, std::slice::from_ref(&first)));
        assert!(refused(&array, &[first, second.clone(), second]));
        assert!(refused(&put(&[2, 0, RECORD, 1, 1, 1, 1]), &fields()), "two dimensions");
        assert!(refused(&put(&[1, 1, RECORD, 1, 1, u32::MAX]), &fields()), "no record");
        assert!(refused(&put(&[1, 0, RECORD, u32::MAX, 1]), &fields()), "more than there can be");
        assert!(refused(&put(&[1, 0, 25, 0, 1]), &fields()), "other elements");
    }

    #[test]
    fn numbers_have_their_digits() {
        for number in [0, 1, -1, 10, i64::MIN, i64::MAX, -32768] {
            let mut out = Vec::new();
            write_integer(number, &mut out);
            assert_eq!(out, number.to_string().as_bytes());
        }
        assert_eq!((integer(&[0xff, 0xfe]), integer(&[0; 3]), integer(&[])), (Some(-2), None, None));
    }

    proptest! {
        #[test]
        fn nothing_that_a_server_could_send_is_read_past_its_end(
            value in prop::collection::vec(any::<u8>(), 0..80), at in 0..90_usize, byte in any::<u8>(), of_one in any::<bool>(),
        ) {
            let type_oid = if of_one { RECORD } else { RECORDS };
            let _ = read(&value, type_oid, &fields(), &mut Vec::new());
            // One wrong byte in what would be right.
            let mut array = two_records();
            let at = at % array.len();
            array[at] = byte;
            let mut values = Vec::new();
            if let Some(rows) = read(&array, RECORDS, &fields(), &mut values) {
                prop_assert!(Grid::of(&values, 2, rows).is_some());
            }
        }
    }
}
