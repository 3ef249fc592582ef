//! Result rows, kept exactly as PostgreSQL sent them.
//!
//! A row is the body of its DataRow message: a length and the bytes of each column. Columns are found by walking the
//! lengths, so a row costs no allocation of its own: rows up to 4 kB share chunks, larger ones own their buffer. A [`Row`] is
//! a look at one of them. Nothing is ever a slice of the connection's read buffer, which a small value would keep alive.
//! Read on: `session/progress.rs` fills rows, `batch.rs` says what a reply is.

use bytes::{BufMut, Bytes, BytesMut};

/// Rows at least this large get a buffer of their own instead of a place in a shared chunk.
const OWN_BUFFER: usize = 4 * 1024;
/// First and largest chunk that small rows share; a single value that is kept pins at most the latter.
const FIRST_CHUNK: usize = 4 * 1024;
const LARGEST_CHUNK: usize = 16 * 1024;
/// What stands for the length of NULL: -1.
const NULL: u32 = u32::MAX;
/// Rows of a chunk for which there is room from the start.
const ROWS: usize = 32;

/// The rows of one result, in their order.
#[derive(Clone, Default)]
pub struct Rows {
    chunks: Vec<Bytes>,
    places: Vec<Place>,
}

/// Where a row is.
#[derive(Clone, Copy, Debug)]
struct Place {
    chunk: u32,
    start: u32,
    end: u32,
    columns: u16,
}

/// One row.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    columns: u16,
    /// `[i32 length, bytes]` for each column, length -1 for NULL. Checked once, in [`Row::check`].
    raw: &'a [u8],
    /// What holds it, where that can be shared.
    chunk: Option<&'a Bytes>,
}

impl Rows {
    /// Rows of these values, for tests and for rows that no server sent.
    pub fn of<R, V>(rows: impl IntoIterator<Item = R>) -> Self
    where
        R: IntoIterator<Item = Option<V>>,
        V: AsRef<[u8]>,
    {
        let mut made = RowArena::default();
        for row in rows {
            let mut body = BytesMut::zeroed(2);
            let mut columns = 0_u16;
            for value in row {
                columns += 1;
                match &value {
                    None => body.put_u32(NULL),
                    Some(value) => {
                        let value = value.as_ref();
                        body.put_u32(u32::try_from(value.len()).expect("a value of a row stays far below 2 GB"));
                        body.put_slice(value);
                    }
                }
            }
            made.copy(columns, &body);
        }
        made.take()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The first one.
    pub fn first(&self) -> Option<Row<'_>> {
        self.get(0)
    }

    /// The only one, if it is that.
    pub fn only(&self) -> Option<Row<'_>> {
        self.first().filter(|_| self.len() == 1)
    }

    /// The one at this place, from 0 on.
    pub fn get(&self, index: usize) -> Option<Row<'_>> {
        self.places.get(index).map(|place| self.at(place))
    }

    /// All of them.
    pub fn iter(&self) -> Iter<'_> {
        Iter { rows: self, places: self.places.iter() }
    }

    /// Bytes of all values with their lengths.
    pub fn size(&self) -> usize {
        self.chunks.iter().map(Bytes::len).sum()
    }

    /// Puts others behind them.
    pub fn append(&mut self, others: Self) {
        let before = number(self.chunks.len());
        self.chunks.extend(others.chunks);
        self.places.extend(others.places.into_iter().map(|place| Place { chunk: place.chunk + before, ..place }));
    }

    fn at(&self, place: &Place) -> Row<'_> {
        let chunk = &self.chunks[place.chunk as usize];
        Row { columns: place.columns, raw: &chunk[place.start as usize..place.end as usize], chunk: Some(chunk) }
    }
}

impl<'a> IntoIterator for &'a Rows {
    type Item = Row<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// Rows one after the other.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    rows: &'a Rows,
    places: std::slice::Iter<'a, Place>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Row<'a>;

    fn next(&mut self) -> Option<Row<'a>> {
        self.places.next().map(|place| self.rows.at(place))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.places.size_hint()
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl<'a> Row<'a> {
    /// The bytes of a column; `None` for NULL and for a column that is not there.
    pub fn value(self, index: usize) -> Option<&'a [u8]> {
        self.values().nth(index).flatten()
    }

    /// A column as shared bytes, without copying; `None` for NULL and for a column that is not there.
    pub fn bytes(self, index: usize) -> Option<Bytes> {
        let value = self.value(index)?;
        Some(self.chunk.map_or_else(|| Bytes::copy_from_slice(value), |chunk| chunk.slice_ref(value)))
    }

    /// A column as text; `None` for NULL, a missing column or bytes that are not UTF-8 (the client encoding is UTF8,
    /// so the server never sends those).
    pub fn text(self, index: usize) -> Option<&'a str> {
        self.value(index).and_then(|b| std::str::from_utf8(b).ok())
    }

    /// All columns in order; cheaper than asking for each by its index.
    pub fn values(self) -> impl Iterator<Item = Option<&'a [u8]>> {
        let mut rest = self.raw;
        std::iter::from_fn(move || take_value(&mut rest))
    }

    /// Number of columns.
    pub fn len(self) -> usize {
        usize::from(self.columns)
    }

    /// Bytes of all values with their lengths.
    pub fn size(self) -> usize {
        self.raw.len()
    }

    /// Whether there are no columns.
    pub fn is_empty(self) -> bool {
        self.columns == 0
    }

    /// A look at a DataRow body; `None` when it is not well-formed.
    pub(crate) fn of(body: &'a [u8]) -> Option<Self> {
        Self::check(body).map(|columns| Self { columns, raw: &body[2..], chunk: None })
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
}

impl std::fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |value: Option<&[u8]>| value.map(|value| String::from_utf8_lossy(value).into_owned());
        f.debug_list().entries(self.values().map(text)).finish()
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

/// A number that is bounded by how much one answer may be.
fn number(count: usize) -> u32 {
    u32::try_from(count).expect("chunks and rows stay far below 4 GB")
}

/// Copies the rows of one result out of the read buffer with few allocations: the first row exactly (most answers
/// have one row), later small ones into chunks of doubling size.
#[derive(Debug, Default)]
pub(crate) struct RowArena {
    rows: Rows,
    /// Behind the chunks that are full.
    chunk: Vec<u8>,
    next_chunk: usize,
}

impl RowArena {
    /// Takes a DataRow body that passed [`Row::check`].
    pub(crate) fn copy(&mut self, columns: u16, body: &[u8]) {
        let values = &body[2..];
        if self.rows.is_empty() || values.len() >= OWN_BUFFER {
            return self.add(columns, Bytes::copy_from_slice(values));
        }
        if self.chunk.capacity() - self.chunk.len() < values.len() {
            self.close_chunk();
            self.next_chunk = (self.next_chunk * 2).clamp(FIRST_CHUNK, LARGEST_CHUNK);
            self.chunk = Vec::with_capacity(self.next_chunk.max(values.len()));
            self.rows.places.reserve(ROWS);
        }
        let start = self.chunk.len();
        self.chunk.extend_from_slice(values);
        self.place(columns, start, self.chunk.len());
    }

    /// Takes the body of a row that came in a buffer of its own and passed [`Row::check`].
    pub(crate) fn own(&mut self, columns: u16, body: &Bytes) {
        self.add(columns, body.slice(2..));
    }

    /// Takes a row of one value.
    pub(crate) fn single(&mut self, value: &[u8]) {
        let mut body = Vec::with_capacity(value.len() + 6);
        body.extend_from_slice(&[0, 1]);
        body.extend_from_slice(&number(value.len()).to_be_bytes());
        body.extend_from_slice(value);
        self.own(1, &Bytes::from(body));
    }

    /// All rows in their order; none are left.
    pub(crate) fn take(&mut self) -> Rows {
        self.close_chunk();
        std::mem::take(self).rows
    }

    fn add(&mut self, columns: u16, values: Bytes) {
        self.close_chunk();
        self.place(columns, 0, values.len());
        self.rows.chunks.push(values);
    }

    /// Says where the last row is in the chunk that is next to be put behind the others.
    fn place(&mut self, columns: u16, start: usize, end: usize) {
        let (start, end) = (number(start), number(end));
        self.rows.places.push(Place { chunk: number(self.rows.chunks.len()), start, end, columns });
    }

    fn close_chunk(&mut self) {
        // Rows without columns take no bytes of it.
        let is_used = self.rows.places.last().is_some_and(|place| place.chunk as usize == self.rows.chunks.len());
        if !is_used {
            return;
        }
        let mut chunk = std::mem::take(&mut self.chunk);
        if chunk.len() < chunk.capacity() / 2 {
            // A few rows, or small rows between large ones.
            chunk.shrink_to_fit();
        }
        self.rows.chunks.push(Bytes::from(chunk));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(values: &[Option<&str>]) -> Vec<u8> {
        let rows = Rows::of([values.iter().copied()]);
        let row = rows.first().unwrap();
        let mut body = row.columns.to_be_bytes().to_vec();
        body.extend_from_slice(row.raw);
        body
    }

    #[test]
    fn columns_are_found_by_walking() {
        let rows = Rows::of([[Some("a"), None, Some(""), Some("last")]]);
        let row = rows.only().unwrap();
        assert_eq!((row.len(), row.is_empty()), (4, false));
        assert_eq!(
            (row.text(0), row.text(1), row.text(2), row.text(3), row.text(4)),
            (Some("a"), None, Some(""), Some("last"), None)
        );
        assert_eq!(row.bytes(3).as_deref(), Some(&b"last"[..]));
        assert_eq!(row.values().collect::<Vec<_>>(), [Some(&b"a"[..]), None, Some(b""), Some(b"last")]);
        assert_eq!(format!("{rows:?}"), r#"[[Some("a"), None, Some(""), Some("last")]]"#);
    }

    #[test]
    fn malformed_bodies_are_refused() {
        let good = body(&[Some("abc"), None]);
        assert_eq!(Row::check(&good), Some(2));
        assert_eq!(Row::of(&good).unwrap().bytes(0).as_deref(), Some(&b"abc"[..]));
        for cut in 0..good.len() {
            assert!(Row::of(&good[..cut]).is_none(), "cut at {cut}");
        }
        let mut longer = good;
        longer.push(0);
        assert_eq!(Row::check(&longer), None);
        assert_eq!(Row::check(&[0, 1, 0xff, 0xff, 0xff, 0xfe]), None, "-2 is no length");
    }

    #[test]
    fn an_arena_keeps_rows_apart_and_chunks_bounded() {
        for sizes in [&[10, 20, 3000, 5000, 100, 16_000, 1, 0, 900][..], &[5000, 5000, 1], &[1], &[], &[0, 0]] {
            keeps_rows_apart(sizes);
        }
    }

    fn text(size: usize) -> String {
        size.to_string().repeat(size)[..size].to_owned()
    }

    fn keeps_rows_apart(sizes: &[usize]) {
        let mut arena = RowArena::default();
        for &size in sizes {
            let source = body(&[Some(&text(size))]);
            arena.copy(Row::check(&source).unwrap(), &source);
            assert!(arena.next_chunk <= LARGEST_CHUNK);
        }
        let rows = arena.take();
        assert_eq!((rows.len(), rows.size()), (sizes.len(), sizes.iter().map(|size| size + 4).sum()));
        for (row, &size) in rows.iter().zip(sizes) {
            assert_eq!(row.text(0), Some(&*text(size)));
        }
        assert!(arena.take().is_empty());
    }

    #[test]
    fn rows_without_columns_are_rows() {
        for count in 0..4 {
            let rows = Rows::of(vec![[None::<&str>; 0]; count]);
            assert_eq!((rows.len(), rows.size()), (count, 0));
            assert!(rows.iter().all(|row| row.is_empty() && row.value(0).is_none()));
        }
    }

    #[test]
    fn rows_behind_rows_stay_what_they_are() {
        let mut all = Rows::of([["a"], ["b"]].map(|row| row.map(Some)));
        all.append(Rows::of([[Some("c")]]));
        let mut single = RowArena::default();
        single.single(b"d");
        all.append(single.take());
        let texts: Vec<_> = all.iter().map(|row| row.text(0)).collect();
        assert_eq!(texts, ["a", "b", "c", "d"].map(Some));
    }
}
