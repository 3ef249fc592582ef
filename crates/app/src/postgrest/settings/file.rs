//! PostgREST's configuration file: `key = value` lines, `#` comments, groups.
//!
//! ```text
//! # a comment
//! db-uri = "postgresql://authenticator@localhost/app"
//! db-max-rows = 1000
//! db-config = off
//! app.settings { theme = "dark" }
//! ```
//! Texts are in double quotes with `\" \\ \n \t \r \u00e9`; `$$` is a dollar sign and `$(NAME)` a variable of the
//! environment. Pure. Invariant: what cannot be understood is an error with its line, never skipped.

use std::collections::BTreeMap;

/// A value as the file writes it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// A text in quotes.
    Text(String),
    /// A number.
    Number(f64),
    /// `true`, `false`, `on`, `off`.
    Flag(bool),
    /// A list, which no setting takes.
    List,
}

/// What is wrong with a file, and in which line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub(crate) struct FileError {
    line: usize,
    reason: String,
}

/// Everything that a file sets, by full key. `variable` looks up `$(NAME)`.
pub(crate) fn parse<'a>(
    text: &str,
    variable: impl Fn(&str) -> Option<&'a str>,
) -> Result<BTreeMap<String, Value>, FileError> {
    let mut reader = Reader { rest: text, line: 1, variable: &variable, values: BTreeMap::new() };
    reader.group("", 0)?;
    Ok(reader.values)
}

/// Groups inside groups; nobody writes more than one.
const DEEPEST: usize = 16;

struct Reader<'a, 'v> {
    rest: &'a str,
    line: usize,
    variable: &'a dyn Fn(&str) -> Option<&'v str>,
    values: BTreeMap<String, Value>,
}

impl Reader<'_, '_> {
    fn error(&self, reason: impl Into<String>) -> FileError {
        FileError { line: self.line, reason: reason.into() }
    }

    /// Goes on by so many bytes, counting lines.
    fn skip(&mut self, bytes: usize) {
        let (skipped, rest) = self.rest.split_at(bytes);
        self.line += skipped.matches('\n').count();
        self.rest = rest;
    }

    fn skip_blank(&mut self) {
        loop {
            let blank = self.rest.len() - self.rest.trim_start().len();
            self.skip(blank);
            if !self.rest.starts_with('#') {
                return;
            }
            self.skip(self.rest.find('\n').unwrap_or(self.rest.len()));
        }
    }

    /// Whether the next character is this one, which is then taken.
    fn take(&mut self, wanted: char) -> bool {
        let found = self.rest.starts_with(wanted);
        if found {
            self.skip(wanted.len_utf8());
        }
        found
    }

    /// Directives up to the end of the group or of the file.
    fn group(&mut self, prefix: &str, depth: usize) -> Result<(), FileError> {
        loop {
            self.skip_blank();
            if self.rest.is_empty() {
                return if depth == 0 { Ok(()) } else { Err(self.error("the group is not closed with }")) };
            }
            if depth > 0 && self.take('}') {
                return Ok(());
            }
            self.directive(prefix, depth)?;
        }
    }

    fn directive(&mut self, prefix: &str, depth: usize) -> Result<(), FileError> {
        let end = self.rest.find(|c: char| !(c.is_alphanumeric() || "-_.".contains(c))).unwrap_or(self.rest.len());
        let key = format!("{prefix}{}", &self.rest[..end]);
        if end == 0 {
            return Err(self.error("a key was expected"));
        }
        self.skip(end);
        self.skip_blank();
        if self.take('{') {
            if depth == DEEPEST {
                return Err(self.error("the groups nest too deeply"));
            }
            return self.group(&format!("{key}."), depth + 1);
        }
        if !self.take('=') {
            return Err(self.error(format!("`=` was expected after {key}")));
        }
        self.skip_blank();
        let value = self.value(0)?;
        self.values.insert(key, value);
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<Value, FileError> {
        if self.take('"') {
            return self.text().map(Value::Text);
        }
        if self.take('[') {
            return self.list(depth);
        }
        let end = self.rest.find(|c: char| c.is_whitespace() || "#,]}".contains(c)).unwrap_or(self.rest.len());
        let word = &self.rest[..end];
        let value = match word {
            "true" | "on" => Value::Flag(true),
            "false" | "off" => Value::Flag(false),
            number => match number.parse::<f64>() {
                Ok(number) if number.is_finite() => Value::Number(number),
                _ => return Err(self.error("a value was expected: \"text\", a number, true or false")),
            },
        };
        self.skip(end);
        Ok(value)
    }

    fn list(&mut self, depth: usize) -> Result<Value, FileError> {
        if depth == DEEPEST {
            return Err(self.error("the lists nest too deeply"));
        }
        loop {
            self.skip_blank();
            if self.take(']') {
                return Ok(Value::List);
            }
            self.value(depth + 1)?;
            self.skip_blank();
            if !self.take(',') && !self.rest.starts_with(']') {
                return Err(self.error("the list is not closed with ]"));
            }
        }
    }

    /// The rest of a text behind its opening quote.
    fn text(&mut self) -> Result<String, FileError> {
        let mut text = String::new();
        loop {
            let Some(next) = self.rest.chars().next() else { return Err(self.error("the text is not closed")) };
            self.skip(next.len_utf8());
            match next {
                '"' => return Ok(text),
                '\n' => return Err(self.error("the text is not closed")),
                '\\' => text.push(self.escape()?),
                '$' => self.dollar(&mut text)?,
                other => text.push(other),
            }
        }
    }

    fn escape(&mut self) -> Result<char, FileError> {
        let next = self.rest.chars().next();
        self.skip(next.map_or(0, char::len_utf8));
        match next {
            Some('n') => Ok('\n'),
            Some('t') => Ok('\t'),
            Some('r') => Ok('\r'),
            Some(c @ ('"' | '\\')) => Ok(c),
            Some('u') => {
                let digits = self.rest.get(..4).unwrap_or_default();
                let code = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
                let code = code.ok_or_else(|| self.error("\\u needs the four hexadecimal digits of a character"))?;
                self.skip(4);
                Ok(code)
            }
            _ => Err(self.error("an unknown escape in a text")),
        }
    }

    /// What follows a dollar sign: another one, or a variable in parentheses.
    fn dollar(&mut self, text: &mut String) -> Result<(), FileError> {
        if self.take('$') {
            text.push('$');
            return Ok(());
        }
        let name = self.rest.strip_prefix('(').and_then(|rest| rest.split_once(')')).map(|(name, _)| name);
        let name = name.ok_or_else(|| self.error("a dollar sign is written $$, a variable $(NAME)"))?;
        let value = (self.variable)(name).ok_or_else(|| self.error(format!("there is no variable {name}")))?;
        text.push_str(value);
        self.skip(name.len() + 2);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, Value)>, String> {
        let variable = |name: &str| (name == "HOST").then_some("db.example");
        parse(text, variable).map(|values| values.into_iter().collect()).map_err(|error| error.to_string())
    }

    fn text(value: &str) -> Value {
        Value::Text(value.to_owned())
    }

    #[test]
    fn keys_have_texts_numbers_and_flags() {
        let file = "# first\ndb-uri = \"a \\\"b\\\" \\u00e9 $$ $(HOST)\" # why\n\ndb-pool=10\ndb-config = off\nx = [1, \"a\"]\n";
        let expected = [
            ("db-config", Value::Flag(false)),
            ("db-pool", Value::Number(10.0)),
            ("db-uri", text("a \"b\" é $ db.example")),
            ("x", Value::List),
        ];
        assert_eq!(read(file).unwrap(), expected.map(|(key, value)| (key.to_owned(), value)));
    }

    #[test]
    fn groups_are_another_way_to_write_a_dotted_key() {
        let expected = vec![("app.settings.a".to_owned(), text("1")), ("app.settings.b".to_owned(), text("2"))];
        assert_eq!(read("app.settings.a = \"1\"\napp { settings { b = \"2\" } }").unwrap(), expected);
    }

    #[test]
    fn nonsense_is_an_error_with_its_line() {
        for (file, expected) in [
            ("a = 1\nb", "line 2: `=` was expected after b"),
            ("= 1", "line 1: a key was expected"),
            ("a = \"x", "line 1: the text is not closed"),
            ("\n\na = nonsense", "line 3: a value was expected: \"text\", a number, true or false"),
            ("a = \"$x\"", "line 1: a dollar sign is written $$, a variable $(NAME)"),
            ("a = \"$(NONE)\"", "line 1: there is no variable NONE"),
            ("a { b = 1", "line 1: the group is not closed with }"),
            ("a = [1", "line 1: the list is not closed with ]"),
            ("a = \"\\u12\"", "line 1: \\u needs the four hexadecimal digits of a character"),
        ] {
            assert_eq!(read(file).unwrap_err(), expected, "{file}");
        }
        assert!(read(&"a{".repeat(1000)).unwrap_err().contains("too deeply"));
        assert!(read(&format!("a = {}", "[".repeat(1000))).unwrap_err().contains("too deeply"));
    }
}
