//! Where in a file something is, as editors count.

use std::fmt;

use serde::Serialize;

/// A line and a column, both from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
}

impl Place {
    /// The place of a byte offset.
    pub(crate) fn of(text: &str, offset: usize) -> Self {
        Walk::new(text).to(floor_char(text, offset))
    }

    /// The place of PostgreSQL's error position, which counts characters from 1 within the statement that begins at byte
    /// `start`.
    pub(crate) fn of_position(text: &str, start: usize, position: u32) -> Self {
        let skip = (position as usize).saturating_sub(1);
        let within = text[start..].char_indices().nth(skip).map_or(text.len() - start, |(at, _)| at);
        Self::of(text, start + within)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Goes through a text once, for the places of many offsets in rising order.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    rest: &'a str,
    at: usize,
    place: Place,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { rest: text, at: 0, place: Place { line: 1, column: 1 } }
    }

    /// The place of an offset that is not before the last one.
    pub(crate) fn to(&mut self, offset: usize) -> Place {
        let (passed, rest) = self.rest.split_at(offset - self.at);
        for c in passed.chars() {
            self.place = match c {
                '\n' => Place { line: self.place.line + 1, column: 1 },
                _ => Place { column: self.place.column + 1, ..self.place },
            };
        }
        (self.rest, self.at) = (rest, offset);
        self.place
    }
}

fn floor_char(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters() {
        let text = "select 1;\n-- é\nselect 'ä' from x;\n";
        assert_eq!(Place::of(text, 0), Place { line: 1, column: 1 });
        let start = text.rfind("select").unwrap();
        assert_eq!(Place::of(text, start), Place { line: 3, column: 1 });
        // `x` is the 17th character of its statement, the 18th byte.
        assert_eq!(Place::of_position(text, start, 17), Place { line: 3, column: 17 });
        assert_eq!(Place::of_position(text, start, 9999), Place { line: 4, column: 1 });
    }
}
