//! Cuts SQL into tokens, as far as is needed to see where statements end.
//!
//! The rules are PostgreSQL's lexical ones (manual, chapter 4.1) with standard_conforming_strings on: nested comments,
//! doubled quotes, `E''` escapes, dollar quotes, identifiers that contain `$`. Nothing is interpreted.
//! Invariant: iterative, one pass, no allocation per token; every byte of the input is in at most one token.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An unquoted identifier or keyword.
    Word,
    /// A quoted identifier, any string literal, a number, a parameter.
    Value,
    /// `;`
    Semicolon,
    /// `(` or `[`
    Open,
    /// `)` or `]`
    Close,
    /// `\`, which no SQL has outside quotes: a command of psql.
    Backslash,
    /// Anything else.
    Symbol,
}

/// A token and its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Something that begins and never ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unterminated {
    pub(crate) what: &'static str,
    pub(crate) start: usize,
}

/// Goes through a text token by token.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// Starts of the `--` comments that were passed.
    pub(crate) line_comments: Vec<usize>,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0, line_comments: Vec::new() }
    }

    /// Continues elsewhere, after data that is not SQL.
    pub(crate) fn jump(&mut self, to: usize) {
        self.at = to;
    }

    /// The next token; comments and blanks are passed over. `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Token>, Unterminated> {
        self.skip_blanks()?;
        let start = self.at;
        let Some(byte) = self.peek(0) else { return Ok(None) };
        let kind = match byte {
            b';' => self.single(Kind::Semicolon),
            b'(' | b'[' => self.single(Kind::Open),
            b')' | b']' => self.single(Kind::Close),
            b'\\' => self.single(Kind::Backslash),
            b'\'' => self.quoted(start, b'\'', false, "a string")?,
            b'"' => self.quoted(start, b'"', false, "a quoted identifier")?,
            b'$' => self.dollar(start)?,
            b'0'..=b'9' => self.number(),
            byte if is_word_start(byte) => self.word_or_prefixed(start)?,
            _ => self.single(Kind::Symbol),
        };
        Ok(Some(Token { kind, start, end: self.at }))
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn single(&mut self, kind: Kind) -> Kind {
        self.at += 1;
        kind
    }

    fn skip_blanks(&mut self) -> Result<(), Unterminated> {
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c), _) => self.at += 1,
                (Some(b'-'), Some(b'-')) => {
                    self.line_comments.push(self.at);
                    let rest = &self.text.as_bytes()[self.at..];
                    self.at += rest.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(rest.len());
                }
                (Some(b'/'), Some(b'*')) => self.skip_block_comment()?,
                _ => return Ok(()),
            }
        }
    }

    fn skip_block_comment(&mut self) -> Result<(), Unterminated> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(b'/'), Some(b'*')) => {
                    depth += 1;
                    self.at += 2;
                }
                (Some(b'*'), Some(b'/')) => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                (Some(_), _) => self.at += 1,
                (None, _) => return Err(Unterminated { what: "a comment", start }),
            }
        }
    }

    /// From the opening quote at `self.at` to behind the closing one; a doubled quote is part of it.
    fn quoted(&mut self, start: usize, quote: u8, escapes: bool, what: &'static str) -> Result<Kind, Unterminated> {
        self.at += 1;
        loop {
            match self.peek(0) {
                None => return Err(Unterminated { what, start }),
                Some(b'\\') if escapes => self.at += 2,
                Some(byte) if byte == quote => {
                    self.at += 1;
                    if self.peek(0) != Some(quote) {
                        return Ok(Kind::Value);
                    }
                    self.at += 1;
                }
                Some(_) => self.at += 1,
            }
        }
    }

    /// `$tag$...$tag$`, `$1`, or a lone `$`.
    fn dollar(&mut self, start: usize) -> Result<Kind, Unterminated> {
        let bytes = self.text.as_bytes();
        let mut end = start + 1;
        while end < bytes.len() && is_tag_part(bytes[end], end == start + 1) {
            end += 1;
        }
        if bytes.get(end) != Some(&b'$') {
            self.at += 1;
            while self.peek(0).is_some_and(|b| b.is_ascii_digit()) {
                self.at += 1;
            }
            return Ok(Kind::Value);
        }
        let tag = &self.text[start..=end];
        match self.text[end + 1..].find(tag) {
            Some(found) => {
                self.at = end + 1 + found + tag.len();
                Ok(Kind::Value)
            }
            None => Err(Unterminated { what: "a dollar-quoted string", start }),
        }
    }

    fn number(&mut self) -> Kind {
        while self.peek(0).is_some_and(|b| is_word_part(b) || b == b'.') {
            self.at += 1;
        }
        Kind::Value
    }

    /// A word, or a string whose prefix it is: `E''` has escapes; `B''`, `X''`, `N''`, `U&''` and `U&""` have not.
    fn word_or_prefixed(&mut self, start: usize) -> Result<Kind, Unterminated> {
        while self.peek(0).is_some_and(is_word_part) {
            self.at += 1;
        }
        let word = &self.text[start..self.at];
        match (self.peek(0), self.peek(1)) {
            (Some(b'\''), _) if word.eq_ignore_ascii_case("e") => self.quoted(start, b'\'', true, "a string"),
            (Some(b'\''), _) if matches!(word, "b" | "B" | "x" | "X" | "n" | "N") => {
                self.quoted(start, b'\'', false, "a string")
            }
            (Some(b'&'), Some(quote @ (b'\'' | b'"'))) if word.eq_ignore_ascii_case("u") => {
                self.at += 1;
                self.quoted(start, quote, false, "a string")
            }
            _ => Ok(Kind::Word),
        }
    }
}

/// Letters, underscore and everything outside ASCII.
fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_word_part(byte: u8) -> bool {
    is_word_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

/// A dollar quote's tag is an identifier without `$`.
fn is_tag_part(byte: u8, first: bool) -> bool {
    is_word_start(byte) || (!first && byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<&str> {
        let mut scanner = Scanner::new(text);
        let mut found = Vec::new();
        while let Some(token) = scanner.next().unwrap() {
            found.push(&text[token.start..token.end]);
        }
        found
    }

    #[test]
    fn tokens_end_where_postgresql_ends_them() {
        let cases: &[(&str, &[&str])] = &[
            ("select 1;", &["select", "1", ";"]),
            ("'a;''b' ;", &["'a;''b'", ";"]),
            (r"'a\' ; x", &[r"'a\'", ";", "x"]),
            (r"E'a\' ; x' y", &[r"E'a\' ; x'", "y"]),
            (r"e'\\' ; y", &[r"e'\\'", ";", "y"]),
            (r"type'a\' ; x", &["type", r"'a\'", ";", "x"]),
            (r#""a;""b" c"#, &[r#""a;""b""#, "c"]),
            ("$$ ; $x$ ; $$ z", &["$$ ; $x$ ; $$", "z"]),
            ("$fn$ $$;$$ $fn$ z", &["$fn$ $$;$$ $fn$", "z"]),
            ("a$b$c ; $1", &["a$b$c", ";", "$1"]),
            ("$1$ ;", &["$1", "$", ";"]),
            ("$é$;$é$", &["$é$;$é$"]),
            ("/* ; /* ; */ ; */ a -- ;\n b", &["a", "b"]),
            ("a--b\rc", &["a", "c"]),
            ("U&'\\0061;' U&\"x;\"", &["U&'\\0061;'", "U&\"x;\""]),
            ("x'1F' B'01' n'é'", &["x'1F'", "B'01'", "n'é'"]),
            ("1e5 1.5e-3 0x1f 1_000", &["1e5", "1.5e", "-", "3", "0x1f", "1_000"]),
            ("a[1:2](b)", &["a", "[", "1", ":", "2", "]", "(", "b", ")"]),
            ("- - -/ *", &["-", "-", "-", "/", "*"]),
            ("\\d", &["\\", "d"]),
            ("", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(&tokens(text), expected, "{text}");
        }
    }

    #[test]
    fn what_never_ends_is_said_with_its_beginning() {
        for (text, what, start) in [
            ("a 'b", "a string", 2),
            ("a E'b\\'", "a string", 2),
            ("a E'\\", "a string", 2),
            ("\"b", "a quoted identifier", 0),
            ("  /* /* */", "a comment", 2),
            ("x $a$ $b$", "a dollar-quoted string", 2),
        ] {
            let mut scanner = Scanner::new(text);
            let error = loop {
                match scanner.next() {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("{text} ended"),
                    Err(error) => break error,
                }
            };
            assert_eq!(error, Unterminated { what, start }, "{text}");
        }
    }
}
