//! Reads JSONPath (RFC 9535) without function extensions, which have no use for a role.

use serde_json::Value;

use super::{Comparison, Condition, Operand, Query, Segment, Selector, Stop};

/// Parentheses and nested filters deeper than this are nobody's configuration.
const MAX_DEPTH: usize = 64;

type Parsed<T> = Result<T, Stop>;

pub(super) fn json_path(source: &str) -> Parsed<Vec<Segment>> {
    let mut reader = Reader { text: source.chars().collect(), at: 0, depth: 0 };
    reader.expect('$', "a path that starts with $")?;
    let segments = reader.segments()?;
    if reader.at < reader.text.len() || segments.is_empty() {
        return reader.stop("a step: .name, [0] or [?...]");
    }
    Ok(segments)
}

struct Reader {
    text: Vec<char>,
    at: usize,
    depth: usize,
}

impl Reader {
    fn segments(&mut self) -> Parsed<Vec<Segment>> {
        let mut segments = Vec::new();
        loop {
            if self.eat("..") {
                let selectors = if self.peek() == Some('[') { self.brackets()? } else { vec![self.shorthand()?] };
                segments.push(Segment { descend: true, selectors });
            } else if self.eat(".") {
                segments.push(Segment { descend: false, selectors: vec![self.shorthand()?] });
            } else if self.peek() == Some('[') {
                segments.push(Segment { descend: false, selectors: self.brackets()? });
            } else {
                return Ok(segments);
            }
        }
    }

    /// `name` or `*` after a dot.
    fn shorthand(&mut self) -> Parsed<Selector> {
        if self.eat("*") {
            return Ok(Selector::All);
        }
        let start = self.at;
        while self.peek().is_some_and(|c| c == '_' || c.is_alphanumeric() || !c.is_ascii()) {
            self.at += 1;
        }
        match self.text[start..self.at].iter().collect::<String>() {
            name if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) => self.stop("a name"),
            name => Ok(Selector::Name(name)),
        }
    }

    fn brackets(&mut self) -> Parsed<Vec<Selector>> {
        self.expect('[', "[")?;
        let mut selectors = Vec::new();
        loop {
            self.space();
            selectors.push(self.selector()?);
            self.space();
            if self.eat("]") {
                return Ok(selectors);
            }
            self.expect(',', "a comma or a closing bracket")?;
        }
    }

    fn selector(&mut self) -> Parsed<Selector> {
        match self.peek() {
            Some('*') => {
                self.at += 1;
                Ok(Selector::All)
            }
            Some('\'' | '"') => Ok(Selector::Name(self.quoted()?)),
            Some('?') => {
                self.at += 1;
                self.space();
                Ok(Selector::Filter(self.condition()?))
            }
            _ => self.index_or_slice(),
        }
    }

    fn index_or_slice(&mut self) -> Parsed<Selector> {
        let start = self.integer();
        self.space();
        if !self.eat(":") {
            return start.map(Selector::Index).ok_or(Stop { at: self.at, reason: "a name, an index or a filter" });
        }
        self.space();
        let end = self.integer();
        self.space();
        let mut step = 1;
        if self.eat(":") {
            self.space();
            step = self.integer().unwrap_or(1);
        }
        Ok(Selector::Slice { start, end, step })
    }

    fn condition(&mut self) -> Parsed<Condition> {
        let mut left = self.all_of()?;
        loop {
            self.space();
            if !self.eat("||") {
                return Ok(left);
            }
            self.space();
            left = Condition::Or(Box::new(left), Box::new(self.all_of()?));
        }
    }

    fn all_of(&mut self) -> Parsed<Condition> {
        let mut left = self.single()?;
        loop {
            self.space();
            if !self.eat("&&") {
                return Ok(left);
            }
            self.space();
            left = Condition::And(Box::new(left), Box::new(self.single()?));
        }
    }

    fn single(&mut self) -> Parsed<Condition> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.stop("fewer nested parentheses");
        }
        let condition = if self.peek() == Some('!') && self.text.get(self.at + 1) != Some(&'=') {
            self.at += 1;
            self.space();
            Condition::Not(Box::new(self.single()?))
        } else if self.eat("(") {
            self.space();
            let inner = self.condition()?;
            self.space();
            self.expect(')', "a closing parenthesis")?;
            inner
        } else {
            self.test()?
        };
        self.depth -= 1;
        Ok(condition)
    }

    /// A comparison, or a path that must lead somewhere.
    fn test(&mut self) -> Parsed<Condition> {
        let left = self.operand()?;
        self.space();
        let signs = [
            ("==", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        for (sign, comparison) in signs {
            if self.eat(sign) {
                self.space();
                return Ok(Condition::Compare(left, comparison, self.operand()?));
            }
        }
        match left {
            Operand::Query(query) => Ok(Condition::Exists(query)),
            Operand::Literal(_) => self.stop("a comparison"),
        }
    }

    fn operand(&mut self) -> Parsed<Operand> {
        match self.peek() {
            Some(start @ ('@' | '$')) => {
                self.at += 1;
                Ok(Operand::Query(Query { from_root: start == '$', segments: self.segments()? }))
            }
            Some('\'' | '"') => Ok(Operand::Literal(Value::String(self.quoted()?))),
            _ => self.literal(),
        }
    }

    fn literal(&mut self) -> Parsed<Operand> {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.')) {
            self.at += 1;
        }
        let text: String = self.text[start..self.at].iter().collect();
        match serde_json::from_str(&text) {
            Ok(value) => Ok(Operand::Literal(value)),
            Err(_) => {
                self.at = start;
                self.stop("a path, a text, a number, true, false or null")
            }
        }
    }

    /// A text in single or double quotes with JSON's escapes.
    fn quoted(&mut self) -> Parsed<String> {
        let quote = self.text[self.at];
        let start = self.at;
        self.at += 1;
        let mut json = String::from('"');
        while let Some(c) = self.peek() {
            self.at += 1;
            match c {
                '\\' => match self.peek() {
                    Some('\'') => {
                        self.at += 1;
                        json.push('\'');
                    }
                    Some(escaped) => {
                        self.at += 1;
                        json.extend(['\\', escaped]);
                    }
                    None => break,
                },
                c if c == quote => {
                    json.push('"');
                    return serde_json::from_str(&json).map_err(|_| Stop { at: start, reason: "a text" });
                }
                '"' => json.push_str("\\\""),
                c => json.push(c),
            }
        }
        self.at = start;
        self.stop("a closing quote")
    }

    fn integer(&mut self) -> Option<i64> {
        let start = self.at;
        self.eat("-");
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        let number = self.text[start..self.at].iter().collect::<String>().parse().ok();
        if number.is_none() {
            self.at = start;
        }
        number
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn eat(&mut self, word: &str) -> bool {
        let found = word.chars().enumerate().all(|(i, c)| self.text.get(self.at + i) == Some(&c));
        if found {
            self.at += word.chars().count();
        }
        found
    }

    fn space(&mut self) {
        while self.peek().is_some_and(|c| c.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn expect(&mut self, c: char, reason: &'static str) -> Parsed<()> {
        if self.peek() == Some(c) {
            self.at += 1;
            return Ok(());
        }
        self.stop(reason)
    }

    fn stop<T>(&self, reason: &'static str) -> Parsed<T> {
        Err(Stop { at: self.at, reason })
    }
}
