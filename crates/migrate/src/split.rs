//! Cuts a script into its statements, where psql would cut it, and refuses what a migration cannot contain.
//!
//! A statement ends at a `;` outside quotes, comments, parentheses (rules) and `BEGIN ATOMIC ... END` bodies. The data of
//! `COPY ... FROM stdin;` follows its line up to `\.`, as pg_dump writes it. Refused: psql's commands and transaction control.
//! Invariant: statements and the gaps between them (blanks, comments, `;`) make up the whole text, in order.

use std::fmt;

use crate::place::{Place, Walk};
use crate::scan::{Kind, Scanner, Token, Unterminated};

/// One statement of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement<'a> {
    /// Its text from the first token to the last, without the `;`.
    pub text: &'a str,
    /// Where in the script it begins, in bytes.
    pub start: usize,
    /// The same, as editors count.
    pub place: Place,
    /// Data that follows a `COPY ... FROM stdin`.
    pub copy_data: Option<&'a str>,
    /// Its first keywords in upper case, at most four.
    words: Vec<String>,
    /// Whether CONCURRENTLY is one of its words.
    concurrent: bool,
}

/// Why a script cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A string, comment or quoted identifier does not end.
    #[error("{what} begins here and does not end")]
    Unterminated {
        /// What.
        what: &'static str,
    },
    /// A command of psql.
    #[error("`{command}` is a command of psql, not SQL")]
    MetaCommand {
        /// As it stands there.
        command: String,
    },
    /// BEGIN, COMMIT, ROLLBACK and their kin.
    #[error("{statement} is not allowed here: Ferrobase begins and ends the transactions of migrations")]
    TransactionControl {
        /// Its keywords.
        statement: String,
    },
    /// A function body that begins and does not end.
    #[error("the body that begins with BEGIN ATOMIC does not end")]
    UnendedBody,
    /// Text between `COPY ... FROM stdin;` and the end of the line.
    #[error("the data of COPY must begin on the next line")]
    CopyLine,
    /// A NUL character, which PostgreSQL's texts cannot hold.
    #[error("a NUL character")]
    Nul,
    /// SET ROLE in a file without a transaction, whose progress could not be recorded any more.
    #[error("a file without a transaction cannot change the role")]
    RoleChange,
    /// An unknown or misplaced `-- ferrobase: ...` line.
    #[error("{0}")]
    Directive(String),
}

impl<'a> Statement<'a> {
    /// A short form for lists: the first words on one line.
    pub fn summary(&self) -> String {
        let mut summary = String::new();
        for word in self.text.split_whitespace() {
            if summary.chars().count() + word.chars().count() > 72 {
                summary.push('…');
                break;
            }
            if !summary.is_empty() {
                summary.push(' ');
            }
            summary.push_str(word);
        }
        summary
    }

    fn starts_with(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(i, word)| self.words.get(i).is_some_and(|w| w == word))
    }

    /// The keywords of a transaction command, if it is one. Savepoints are harmless: they end with the transaction.
    fn transaction_control(&self) -> Option<String> {
        let forbidden: [&[&str]; 7] = [
            &["BEGIN"],
            &["START", "TRANSACTION"],
            &["COMMIT"],
            &["END"],
            &["ABORT"],
            &["ROLLBACK"],
            &["PREPARE", "TRANSACTION"],
        ];
        let to_savepoint = self.words.first().is_some_and(|w| w == "ROLLBACK") && self.words.iter().any(|w| w == "TO");
        let found = forbidden.into_iter().find(|words| self.starts_with(words) && !to_savepoint)?;
        Some(found.join(" "))
    }

    /// `SET [SESSION | LOCAL] ROLE`, `SET SESSION AUTHORIZATION`.
    pub(crate) fn changes_role(&self) -> bool {
        let forms: [&[&str]; 4] = [
            &["SET", "ROLE"],
            &["SET", "SESSION", "ROLE"],
            &["SET", "LOCAL", "ROLE"],
            &["SET", "SESSION", "AUTHORIZATION"],
        ];
        forms.into_iter().any(|words| self.starts_with(words))
    }

    /// Whether all it does ends with the session: `SET`, `RESET`, and `set_config` as pg_dump writes it.
    pub(crate) fn sets(&self) -> bool {
        let forms: [&[&str]; 4] =
            [&["SET"], &["RESET"], &["SELECT", "SET_CONFIG"], &["SELECT", "PG_CATALOG", "SET_CONFIG"]];
        forms.into_iter().any(|words| self.starts_with(words))
    }

    /// Whether CONCURRENTLY is one of its words.
    pub(crate) fn is_concurrent(&self) -> bool {
        self.concurrent
    }

    /// `CREATE [OR REPLACE] FUNCTION | PROCEDURE`, whose body may be a block of statements.
    fn makes_routine(&self) -> bool {
        ["FUNCTION", "PROCEDURE"]
            .iter()
            .any(|kind| self.starts_with(&["CREATE", kind]) || self.starts_with(&["CREATE", "OR", "REPLACE", kind]))
    }
}

impl fmt::Display for Statement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary())
    }
}

/// The statements of a script in order, or the first problem and its place.
pub fn split(text: &str) -> Result<Vec<Statement<'_>>, (Problem, Place)> {
    Splitter::new(text).run().map_err(|(problem, offset)| (problem, Place::of(text, offset)))
}

type At<T> = Result<T, (Problem, usize)>;

struct Splitter<'a> {
    text: &'a str,
    scanner: Scanner<'a>,
    places: Walk<'a>,
    statements: Vec<Statement<'a>>,
    current: Option<Current<'a>>,
}

/// The statement that is being read.
struct Current<'a> {
    statement: Statement<'a>,
    end: usize,
    parentheses: usize,
    /// Depth of `BEGIN ATOMIC` and `CASE` inside it; a `;` does not end the statement while it is not 0.
    body: usize,
    body_start: usize,
    /// The word before, in upper case, when no other token came between.
    last_word: Option<String>,
    from_stdin: bool,
}

impl<'a> Splitter<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, scanner: Scanner::new(text), places: Walk::new(text), statements: Vec::new(), current: None }
    }

    fn run(mut self) -> At<Vec<Statement<'a>>> {
        if let Some(nul) = self.text.find('\0') {
            return Err((Problem::Nul, nul));
        }
        let unterminated = |Unterminated { what, start }| (Problem::Unterminated { what }, start);
        while let Some(token) = self.scanner.next().map_err(unterminated)? {
            match token.kind {
                Kind::Backslash => return Err((self.meta_command(token.start), token.start)),
                Kind::Semicolon if self.current.as_ref().is_none_or(Current::may_end) => {
                    self.end_statement(token.end)?;
                }
                _ => self.add(token),
            }
        }
        self.end_statement(self.text.len())?;
        Ok(self.statements)
    }

    fn meta_command(&self, start: usize) -> Problem {
        let line = self.text[start..].lines().next().unwrap_or_default();
        Problem::MetaCommand { command: line.split_whitespace().next().unwrap_or("\\").to_owned() }
    }

    fn add(&mut self, token: Token) {
        let text = self.text;
        let places = &mut self.places;
        let current = self.current.get_or_insert_with(|| Current::new(token.start, places.to(token.start)));
        current.add(token, &text[token.start..token.end]);
    }

    /// Ends the statement whose `;` ends at `after`; a lone `;` is none.
    fn end_statement(&mut self, after: usize) -> At<()> {
        let Some(current) = self.current.take() else { return Ok(()) };
        if current.body > 0 {
            return Err((Problem::UnendedBody, current.body_start));
        }
        let mut statement = current.statement;
        statement.text = &self.text[statement.start..current.end];
        if let Some(words) = statement.transaction_control() {
            return Err((Problem::TransactionControl { statement: words }, statement.start));
        }
        if current.from_stdin {
            statement.copy_data = Some(self.take_copy_data(after)?);
        }
        self.statements.push(statement);
        Ok(())
    }

    /// The lines after the one that ends at `after`, up to `\.` or the end of the file.
    fn take_copy_data(&mut self, after: usize) -> At<&'a str> {
        let rest = &self.text[after..];
        let line_end = rest.find('\n').unwrap_or(rest.len());
        if !rest[..line_end].trim().is_empty() {
            return Err((Problem::CopyLine, after));
        }
        let start = (after + line_end + 1).min(self.text.len());
        let mut at = start;
        for line in self.text[start..].split_inclusive('\n') {
            if line.trim_end_matches(['\r', '\n']) == "\\." {
                self.scanner.jump(at + line.len());
                return Ok(&self.text[start..at]);
            }
            at += line.len();
        }
        self.scanner.jump(self.text.len());
        Ok(&self.text[start..])
    }
}

impl<'a> Current<'a> {
    fn new(start: usize, place: Place) -> Self {
        Self {
            statement: Statement { text: "", start, place, copy_data: None, words: Vec::new(), concurrent: false },
            end: start,
            parentheses: 0,
            body: 0,
            body_start: start,
            last_word: None,
            from_stdin: false,
        }
    }

    fn may_end(&self) -> bool {
        self.parentheses == 0 && self.body == 0
    }

    fn add(&mut self, token: Token, text: &'a str) {
        self.end = token.end;
        match token.kind {
            Kind::Open => self.parentheses += 1,
            Kind::Close => self.parentheses = self.parentheses.saturating_sub(1),
            _ => {}
        }
        if token.kind == Kind::Word {
            self.add_word(text.to_ascii_uppercase(), token.start);
        } else {
            self.last_word = None;
        }
    }

    fn add_word(&mut self, word: String, start: usize) {
        match (self.last_word.as_deref(), word.as_str()) {
            (Some("BEGIN"), "ATOMIC") if self.parentheses == 0 && self.body == 0 && self.statement.makes_routine() => {
                self.body = 1;
                self.body_start = start;
            }
            (_, "CASE") if self.body > 0 => self.body += 1,
            (_, "END") if self.body > 0 => self.body -= 1,
            (Some("FROM"), "STDIN") if self.parentheses == 0 && self.statement.starts_with(&["COPY"]) => {
                self.from_stdin = true;
            }
            (_, "CONCURRENTLY") => self.statement.concurrent = true,
            _ => {}
        }
        if self.statement.words.len() < 4 {
            self.statement.words.push(word.clone());
        }
        self.last_word = Some(word);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(script: &str) -> Vec<&str> {
        split(script).unwrap().into_iter().map(|s| s.text).collect()
    }

    fn problem(script: &str) -> (Problem, usize, usize) {
        let (problem, place) = split(script).unwrap_err();
        (problem, place.line, place.column)
    }

    #[test]
    fn statements_end_where_psql_ends_them() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            ("-- nothing\n;;/* here */;", &[]),
            ("select 1", &["select 1"]),
            ("select 1; -- one\nselect 2 ;\n", &["select 1", "select 2"]),
            ("select ';' || $$;$$ || \";\";x", &["select ';' || $$;$$ || \";\"", "x"]),
            (
                "create rule r as on insert to t do also (insert into a values (1); delete from b); select 2",
                &["create rule r as on insert to t do also (insert into a values (1); delete from b)", "select 2"],
            ),
            (
                "create function f() returns int begin atomic; select case when true then 1 end; select 2; end; select 3",
                &[
                    "create function f() returns int begin atomic; select case when true then 1 end; select 2; end",
                    "select 3",
                ],
            ),
            (
                "CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC INSERT INTO t VALUES (1); END;select 4",
                &["CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC INSERT INTO t VALUES (1); END", "select 4"],
            ),
            // A column may be called begin or end; only a routine's body is a body.
            (
                "create table t (\"begin\" int); select 1 as begin; select 2",
                &["create table t (\"begin\" int)", "select 1 as begin", "select 2"],
            ),
            ("select a.end from a; select 1", &["select a.end from a", "select 1"]),
            (
                "do $$ begin perform 1; end $$; savepoint a; rollback to a; release a",
                &["do $$ begin perform 1; end $$", "savepoint a", "rollback to a", "release a"],
            ),
            ("select 1 ) ; select 2", &["select 1 )", "select 2"]),
        ];
        for (script, expected) in cases {
            assert_eq!(&texts(script), expected, "{script}");
        }
    }

    #[test]
    fn copy_data_belongs_to_its_statement() {
        let script = "COPY public.t (a, b) FROM stdin;\n1\tit's; $$\n\\N\tx\n\\.\n\nselect 1;\ncopy t from stdin with (format csv);\r\n1,2\r\n";
        let statements = split(script).unwrap();
        assert_eq!(statements.len(), 3);
        assert_eq!(statements[0].text, "COPY public.t (a, b) FROM stdin");
        assert_eq!(statements[0].copy_data, Some("1\tit's; $$\n\\N\tx\n"));
        assert_eq!((statements[1].text, statements[1].copy_data), ("select 1", None));
        assert_eq!(statements[2].copy_data, Some("1,2\r\n"));
        assert_eq!(split("copy t from stdin;").unwrap()[0].copy_data, Some(""));
        assert_eq!(split("copy t from stdin;\n\\.").unwrap()[0].copy_data, Some(""));
        assert_eq!(split("copy t from '/x'; copy (select 1) to stdout").unwrap()[0].copy_data, None);
        assert_eq!(problem("copy t from stdin; 1\n\\.\n").0, Problem::CopyLine);
    }

    #[test]
    fn what_a_migration_cannot_contain_is_refused_with_its_place() {
        let meta = |command: &str| Problem::MetaCommand { command: command.into() };
        assert_eq!(problem("select 1;\n  \\i other.sql\n"), (meta("\\i"), 2, 3));
        assert_eq!(problem("\\restrict abc"), (meta("\\restrict"), 1, 1));
        assert_eq!(problem("select 1 \\gset"), (meta("\\gset"), 1, 10));
        for words in ["BEGIN", "COMMIT", "END", "ABORT", "ROLLBACK", "START TRANSACTION", "PREPARE TRANSACTION"] {
            let control = Problem::TransactionControl { statement: words.into() };
            assert_eq!(
                problem(&format!("select 1;\n/* x */ {} 'a';", words.to_lowercase())),
                (control, 2, 9),
                "{words}"
            );
        }
        assert_eq!(problem("select 'a"), (Problem::Unterminated { what: "a string" }, 1, 8));
        assert_eq!(problem("create function f() begin atomic select 1;").0, Problem::UnendedBody);
        assert_eq!(problem("select '\0'").0, Problem::Nul);
    }

    #[test]
    fn summaries_are_short_and_on_one_line() {
        let script = format!("create table\n   t ({})", "column_name int, ".repeat(20));
        let summary = split(&script).unwrap()[0].summary();
        assert!(summary.starts_with("create table t (column_name int,") && summary.ends_with('…'), "{summary}");
        assert!(summary.chars().count() <= 74);
    }

    proptest! {
        #[test]
        fn any_text_is_split_or_refused(text in "(?s)[a-z'\"$;()\\\\\\-/*\\n é]{0,60}|.{0,40}") {
            if let Ok(statements) = split(&text) {
                let mut at = 0;
                for statement in &statements {
                    prop_assert!(statement.start >= at);
                    prop_assert_eq!(statement.place, Place::of(&text, statement.start));
                    prop_assert_eq!(&text[statement.start..statement.start + statement.text.len()], statement.text);
                    at = statement.start + statement.text.len();
                }
            }
        }

        #[test]
        fn what_is_quoted_never_splits(inner in "[a-z;'\\n\\-/* ]{0,40}") {
            let script = format!("select $q${inner}$q$, '{}'; select 2", inner.replace('\'', "''"));
            prop_assert_eq!(split(&script).unwrap().len(), 2);
        }
    }
}
