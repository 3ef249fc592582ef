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
        let before = &text[..floor_char(text, offset)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: before.bytes().filter(|b| *b == b'\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
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
