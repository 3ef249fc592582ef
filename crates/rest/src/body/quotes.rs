//! Whether the quotes of csv are where RFC 4180 has them.
//!
//! First stage, beside the parser, which takes anything: of a quote that does not end it would make one value of all
//! lines that follow. A quote stands around a whole field, or doubled inside of a quoted one; nothing else does.
//! Invariant: cut anywhere, the same bytes give the same error.

use super::BodyError;

/// What a file in UTF-8 may begin with.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// Quotes that are wrong, and the line on which their row begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misplaced {
    pub(super) line: u64,
    pub(super) error: BodyError,
}

/// Where in a row the last byte was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Before the first byte of a row.
    #[default]
    Row,
    /// Before the first byte of a field.
    Field,
    /// In a field without quotes.
    Plain,
    /// In a quoted field.
    Quoted,
    /// Behind a quote in a quoted field: the end of the field, or half of a doubled quote.
    Behind,
}

/// Csv on its way.
#[derive(Debug, Default)]
pub(super) struct Quotes {
    place: Place,
    has_begun: bool,
    /// Line feeds so far.
    feeds: u64,
    /// The line on which the row began.
    line: u64,
}

impl Quotes {
    /// Takes the next bytes, the first of which hold the byte order mark if there is one.
    pub(super) fn see(&mut self, mut bytes: &[u8]) -> Result<(), Misplaced> {
        if !self.has_begun {
            self.has_begun = true;
            bytes = bytes.strip_prefix(MARK).unwrap_or(bytes);
        }
        bytes.iter().try_for_each(|byte| self.take(*byte))
    }

    fn take(&mut self, byte: u8) -> Result<(), Misplaced> {
        if self.place == Place::Row {
            self.line = self.feeds + 1;
        }
        self.feeds += u64::from(byte == b'\n');
        self.place = match (self.place, byte) {
            (Place::Quoted, b'"') => Place::Behind,
            (Place::Quoted, _) | (Place::Behind, b'"') => Place::Quoted,
            (_, b'\n' | b'\r') => Place::Row,
            (_, b',') => Place::Field,
            (Place::Row | Place::Field, b'"') => Place::Quoted,
            (Place::Plain, b'"') | (Place::Behind, _) => return Err(self.misplaced(BodyError::CsvQuote)),
            (Place::Row | Place::Field | Place::Plain, _) => Place::Plain,
        };
        Ok(())
    }

    /// There are no more.
    pub(super) fn finish(&self) -> Result<(), Misplaced> {
        if self.place == Place::Quoted { Err(self.misplaced(BodyError::CsvOpenQuote)) } else { Ok(()) }
    }

    fn misplaced(&self, error: BodyError) -> Misplaced {
        Misplaced { line: self.line, error }
    }
}

/// Checks csv that is all there.
pub(super) fn check(body: &[u8]) -> Result<(), BodyError> {
    let mut quotes = Quotes::default();
    quotes.see(body).and_then(|()| quotes.finish()).map_err(|misplaced| misplaced.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(body: &str) -> Option<(u64, BodyError)> {
        let mut quotes = Quotes::default();
        let seen = quotes.see(body.as_bytes()).and_then(|()| quotes.finish());
        seen.err().map(|Misplaced { line, error }| (line, error))
    }

    #[test]
    fn quotes_are_around_fields_or_doubled() {
        for body in ["", "a,b\n", "\"a\",\"\"\r\n1,\"x\n\"\"y\"\"\"", "\u{feff}\"a\"\n1\n", "a\r\"b\"\r", ",\"\"\n"] {
            assert_eq!(told(body), None, "{body:?}");
        }
        for (body, line, error) in [
            ("a,b\n1,\"x\n2,y\n3,z\n", 2, BodyError::CsvOpenQuote),
            ("a\n1\n\"\"\"", 3, BodyError::CsvOpenQuote),
            ("a,b\n1,\"x\"y\n", 2, BodyError::CsvQuote),
            ("a,b\r\n\r\n\"1\n2\",x\"y\n", 3, BodyError::CsvQuote),
            ("a\n \"x\"\n", 2, BodyError::CsvQuote),
            ("a\n\"x\" \n", 2, BodyError::CsvQuote),
            ("a\"\n", 1, BodyError::CsvQuote),
        ] {
            assert_eq!(told(body), Some((line, error)), "{body:?}");
        }
    }
}
