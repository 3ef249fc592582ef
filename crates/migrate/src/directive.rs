//! Reads `-- ferrobase: ...` lines, by which a file says how it wants to be run.
//!
//! Invariant: a line that looks like a directive and is not one stops the file; a misspelt `no-transaction` must not run
//! inside a transaction.

use crate::scan::Scanner;
use crate::split::{Problem, Statement};

/// How a file wants to be run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Directives {
    /// `no-transaction`: each statement on its own, for `CREATE INDEX CONCURRENTLY` and its like.
    pub(crate) no_transaction: bool,
}

/// The directives of a script that splits into these statements; on failure the offset of the line.
pub(crate) fn read(text: &str, statements: &[Statement<'_>]) -> Result<Directives, (Problem, usize)> {
    let mut directives = Directives::default();
    for (start, word) in lines(text, statements) {
        let fail = |message: String| Err((Problem::Directive(message), start));
        if word != "no-transaction" {
            return fail(format!("`-- ferrobase: {word}` is unknown; there is `-- ferrobase: no-transaction`"));
        }
        if statements.first().is_some_and(|first| first.start < start) {
            return fail(format!("`-- ferrobase: {word}` must stand before the first statement"));
        }
        directives.no_transaction = true;
    }
    Ok(directives)
}

/// Comments of the form `-- ferrobase: word`, outside of statements and data, with their starts.
fn lines<'a>(text: &'a str, statements: &[Statement<'_>]) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    let mut at = 0;
    for statement in statements {
        collect(text, at, statement.start, &mut found);
        let end = statement.start + statement.text.len();
        at = match statement.copy_data {
            // The data lies behind the rest of the statement's line.
            Some(data) => data.as_ptr().addr() - text.as_ptr().addr() + data.len(),
            None => end,
        };
    }
    collect(text, at, text.len(), &mut found);
    found
}

fn collect<'a>(text: &'a str, from: usize, to: usize, found: &mut Vec<(usize, &'a str)>) {
    let gap = &text[from..to];
    let mut scanner = Scanner::new(gap);
    // Only `;` and the `\.` behind data are tokens here; comments are noted on the way.
    while let Ok(Some(_)) = scanner.next() {}
    for start in scanner.line_comments {
        let line = gap[start..].lines().next().unwrap_or_default();
        if let Some(word) = line.trim_start_matches('-').trim_start().strip_prefix("ferrobase:") {
            found.push((from + start, word.trim()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split::split;

    fn read_text(text: &str) -> Result<Directives, String> {
        read(text, &split(text).unwrap()).map_err(|(problem, _)| problem.to_string())
    }

    #[test]
    fn a_directive_stands_before_the_first_statement() {
        let on = Directives { no_transaction: true };
        assert_eq!(read_text("-- ferrobase: no-transaction\nselect 1"), Ok(on));
        assert_eq!(read_text("-- A title.\n\n--ferrobase:no-transaction  \r\nselect 1"), Ok(on));
        assert_eq!(read_text("select 1"), Ok(Directives::default()));
        assert_eq!(read_text("select '-- ferrobase: no-transaction'"), Ok(Directives::default()));
        assert_eq!(read_text("select $$\n-- ferrobase: x\n$$"), Ok(Directives::default()));
        assert!(read_text("select 1;\n-- ferrobase: no-transaction\n").unwrap_err().contains("before the first"));
        assert!(read_text("-- ferrobase: no-transacton\nselect 1").unwrap_err().contains("no-transaction"));
        let copy = "copy t from stdin;\n-- ferrobase: data\n\\.\n";
        assert_eq!(read_text(copy), Ok(Directives::default()));
        assert!(read_text(&format!("{copy}-- ferrobase: x\n")).is_err());
    }
}
