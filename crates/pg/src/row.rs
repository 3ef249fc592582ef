//! One result row, kept exactly as PostgreSQL sent it.
//!
//! A row is the body of its DataRow message: a length and the bytes of each column. Columns are found by walking the
//! lengths, so a row costs no allocation of its own: rows up to 4 kB share chunks of an arena, larger ones own
//! their buffer. No row is ever a slice of the connection's read buffer, which a small value would keep alive.
//! Read on: `session/progress.rs` fills rows, `batch.rs` says what a reply is.

use bytes::{BufMut, Bytes, BytesMut};

/// Rows at least this large get a buffer of their own instead of a place in a shared chunk.
const OWN_BUFFER: usize = 4 * 1024;
/// First and largest chunk that small rows share; a single kept row pins at most the latter.
const FIRST_CHUNK: usize = 4 * 1024;
const LARGEST_CHUNK: usize = 16 * 1024;
/// What stands for the length of NULL: -1.
const NULL: u32 = u32::MAX;
/// Rows of a chunk for which there is room from the start.
const ROWS: usize = 32;

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    columns: u16,
    /// `[i32 length, bytes]` for each column, length -1 for NULL. Checked once, in [`Row::check`].
    raw: Bytes,
}

impl Row {
    /// A row of these values, for tests and for rows that no server sent.
    pub fn new<V: AsRef<[u8]>>(values: impl IntoIterator<Item = Option<V>>) -> Self {
        let mut raw = BytesMut::new();
        let mut columns = 0;
        for value in values {
            columns += 1;
            match &value {
                None => raw.put_i32(-1),
                Some(v) => {
                    let v = v.as_ref();
                    raw.put_i32(i32::try_from(v.len()).expect("a value of a row stays far below 2 GB"));
                    raw.put_slice(v);
                }
            }
        }
        Self { columns, raw: raw.freeze() }
    }

    /// The bytes of a column; `None` for NULL and for a column that is not there.
    pub fn value(&self, index: usize) -> Option<&[u8]> {
        self.span(index).map(|(start, end)| &self.raw[start..end])
    }

    /// A column as shared bytes, without copying; `None` for NULL and for a column that is not there.
    pub fn bytes(&self, index: usize) -> Option<Bytes> {
        self.span(index).map(|(start, end)| self.raw.slice(start..end))
    }

    /// A column as text; `None` for NULL, a missing column or bytes that are not UTF-8 (the client encoding is UTF8,
    /// so the server never sends those).
    pub fn text(&self, index: usize) -> Option<&str> {
        self.value(index).and_then(|b| std::str::from_utf8(b).ok())
    }

    /// All columns in order; cheaper than asking for each by its index.
    pub fn values(&self) -> impl Iterator<Item = Option<&[u8]>> {
        let mut rest: &[u8] = &self.raw;
        std::iter::from_fn(move || take_value(&mut rest))
    }

    /// Number of columns.
    pub fn len(&self) -> usize {
        usize::from(self.columns)
    }

    /// Bytes of all values with their lengths.
    pub fn size(&self) -> usize {
        self.raw.len()
    }

    /// Whether there are no columns.
    pub fn is_empty(&self) -> bool {
        self.columns == 0
    }

    fn span(&self, index: usize) -> Option<(usize, usize)> {
        if index >= self.len() {
            return None;
        }
        let mut rest: &[u8] = &self.raw;
        for _ in 0..index {
            take_value(&mut rest)?;
        }
        let value = take_value(&mut rest)??;
        let end = self.raw.len() - rest.len();
        Some((end - value.len(), end))
    }

    /// Whether this is a well-formed DataRow body; returns its number of columns.
    pub(crate) fn check(body: &[u8]) -> Option<u16> {
        let (count, mut rest) = body.split_first_chunk::<2>()?;
        let columns = u16::from_be_bytes(*count);
        for _ in 0..columns {
            take_value(&mut rest)?;
        }
        rest.is_empty().then_some(columns)
    }

    /// A row that owns the whole message body it came in; the body passed [`Row::check`].
    pub(crate) fn owning(columns: u16, body: &Bytes) -> Self {
        Self { columns, raw: body.slice(2..) }
    }
}

/// Takes the next column off a row: `None` at its end and when malformed, `Some(None)` for NULL.
#[inline]
fn take_value<'a>(rest: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let (length, tail) = rest.split_first_chunk::<4>()?;
    let length = u32::from_be_bytes(*length);
    if length == NULL {
        *rest = tail;
        return Some(None);
    }
    let (value, tail) = tail.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = tail;
    Some(Some(value))
}

/// Copies the rows of one result out of the read buffer with few allocations: the first row exactly (most answers
/// have one row), later small ones into chunks of doubling size. Rows become rows a chunk at a time.
#[derive(Debug, Default)]
pub(crate) struct RowArena {
    /// Whether there was a row.
    begun: bool,
    /// The first one, until it is known how many others to make room for.
    first: Option<Row>,
    rows: Vec<Row>,
    chunk: Vec<u8>,
    /// Columns and end of each row in the chunk.
    ends: Vec<(u16, usize)>,
    next_chunk: usize,
}

impl RowArena {
    /// Takes a DataRow body that passed [`Row::check`].
    pub(crate) fn copy(&mut self, columns: u16, body: &[u8]) {
        let values = &body[2..];
        if !self.begun || values.len() >= OWN_BUFFER {
            self.add(Row { columns, raw: Bytes::copy_from_slice(values) });
            return;
        }
        if self.chunk.capacity() - self.chunk.len() < values.len() {
            self.close_chunk();
            self.next_chunk = (self.next_chunk * 2).clamp(FIRST_CHUNK, LARGEST_CHUNK);
            self.chunk = Vec::with_capacity(self.next_chunk.max(values.len()));
            self.ends.reserve(ROWS);
        }
        self.chunk.extend_from_slice(values);
        self.ends.push((columns, self.chunk.len()));
    }

    /// Takes a row that has its own buffer.
    pub(crate) fn add(&mut self, row: Row) {
        if !self.begun {
            self.begun = true;
            self.first = Some(row);
            return;
        }
        self.close_chunk();
        self.begin_rows(1);
        self.rows.push(row);
    }

    /// All rows in their order; none are left.
    pub(crate) fn take(&mut self) -> Vec<Row> {
        self.close_chunk();
        let mut all = std::mem::take(self);
        all.begin_rows(0);
        all.rows
    }

    /// Makes room for more rows, behind the first.
    fn begin_rows(&mut self, more: usize) {
        match self.first.take() {
            Some(first) => {
                self.rows.reserve_exact(1 + more);
                self.rows.push(first);
            }
            None => self.rows.reserve(more),
        }
    }

    fn close_chunk(&mut self) {
        if self.ends.is_empty() {
            return;
        }
        let mut chunk = std::mem::take(&mut self.chunk);
        if chunk.len() < chunk.capacity() / 2 {
            // A few rows, or small rows between large ones.
            chunk.shrink_to_fit();
        }
        let chunk = Bytes::from(chunk);
        let mut start = 0;
        self.begin_rows(self.ends.len());
        for (columns, end) in self.ends.drain(..) {
            self.rows.push(Row { columns, raw: chunk.slice(start..end) });
            start = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(row: &Row) -> Vec<u8> {
        let mut body = row.columns.to_be_bytes().to_vec();
        body.extend_from_slice(&row.raw);
        body
    }

    #[test]
    fn columns_are_found_by_walking() {
        let row = Row::new([Some("a"), None, Some(""), Some("last")]);
        assert_eq!((row.len(), row.is_empty()), (4, false));
        assert_eq!(
            (row.text(0), row.text(1), row.text(2), row.text(3), row.text(4)),
            (Some("a"), None, Some(""), Some("last"), None)
        );
        assert_eq!(row.bytes(3).as_deref(), Some(&b"last"[..]));
        assert_eq!(row.values().collect::<Vec<_>>(), [Some(&b"a"[..]), None, Some(b""), Some(b"last")]);
    }

    #[test]
    fn malformed_bodies_are_refused() {
        let good = body(&Row::new([Some("abc"), None]));
        assert_eq!(Row::check(&good), Some(2));
        for cut in 0..good.len() {
            assert_eq!(Row::check(&good[..cut]), None, "cut at {cut}");
        }
        let mut longer = good;
        longer.push(0);
        assert_eq!(Row::check(&longer), None);
        assert_eq!(Row::check(&[0, 1, 0xff, 0xff, 0xff, 0xfe]), None, "-2 is no length");
    }

    #[test]
    fn an_arena_keeps_rows_apart_and_chunks_bounded() {
        for sizes in [&[10, 20, 3000, 5000, 100, 16_000, 1, 0, 900][..], &[5000, 5000, 1], &[1], &[]] {
            keeps_rows_apart(sizes);
        }
    }

    fn keeps_rows_apart(sizes: &[usize]) {
        let mut arena = RowArena::default();
        for &n in sizes {
            let source = body(&Row::new([Some(n.to_string().repeat(n).get(..n).unwrap())]));
            arena.copy(Row::check(&source).unwrap(), &source);
            assert!(arena.next_chunk <= LARGEST_CHUNK);
        }
        let rows = arena.take();
        assert_eq!(rows.len(), sizes.len());
        for (row, &n) in rows.iter().zip(sizes) {
            assert_eq!(row.text(0), n.to_string().repeat(n).get(..n));
        }
        assert!(arena.take().is_empty());
    }
}
