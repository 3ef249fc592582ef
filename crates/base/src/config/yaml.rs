//! YAML text to a [`Node`] tree, with lines.
//!
//! We read the parser's events ourselves, because a generic reader loses places and resolves types (`no` to false)
//! before the schema has had its say. Configuration needs no tags, merge keys or second document: each is refused.
//! Invariant: bounded: 1 MiB of text, 32 levels, 20,000 nodes with aliases copied out; duplicate keys are errors.

use std::collections::HashMap;
use std::sync::Arc;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span, options};

use super::{Entry, Fault, Map, Node, Place, Problem, Scalar, Value};

/// The largest file that is read.
pub const MAX_BYTES: usize = 1 << 20;
const MAX_DEPTH: usize = 32;
const MAX_NODES: usize = 20_000;

/// Reads a file's text.
///
/// # Errors
/// The first thing that is not YAML or not allowed, or every duplicate key.
pub fn parse(text: &str, name: &str) -> Result<Node, Vec<Problem>> {
    let name: Arc<str> = name.into();
    let origin = Origin { place: Box::new(move |line| Place::File { name: name.clone(), line }) };
    Builder::new(text, origin).document()
}

/// Reads flow style (`[{host: a}]`) from one text, all of it at one place.
///
/// # Errors
/// As [`parse`], the first problem only.
pub fn parse_inline(text: &str, place: &Place) -> Result<Node, Problem> {
    let fixed = place.clone();
    let origin = Origin { place: Box::new(move |_| fixed.clone()) };
    Builder::new(text, origin).document().map_err(|problems| match problems.into_iter().next() {
        Some(problem) => problem,
        None => syntax(place.clone(), "unreadable"),
    })
}

/// Turns a line into a place.
struct Origin {
    place: Box<dyn Fn(u32) -> Place>,
}

/// An event with its span, or the line and the words of what could not be read.
type Step<'t> = Result<(Event<'t>, Span), (u32, String)>;

struct Builder<'t> {
    events: Box<dyn Iterator<Item = Step<'t>> + 't>,
    origin: Origin,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    duplicates: Vec<Problem>,
    path: Vec<String>,
}

impl<'t> Builder<'t> {
    fn new(text: &'t str, origin: Origin) -> Self {
        let too_long = (text.len() > MAX_BYTES).then(|| Err((1, format!("the file is longer than {MAX_BYTES} bytes"))));
        let readable = if too_long.is_some() { "" } else { text };
        let parser = Parser::new_from_str_with_options(readable, options! { emit_comments: false });
        let events = parser.map(|event| event.map_err(|error| (line(error.marker().line()), error.info())));
        Self {
            events: Box::new(too_long.into_iter().chain(events)),
            origin,
            anchors: HashMap::new(),
            nodes: 0,
            duplicates: Vec::new(),
            path: Vec::new(),
        }
    }

    fn document(mut self) -> Result<Node, Vec<Problem>> {
        let root = self.first_document().map_err(|problem| vec![problem])?;
        if self.duplicates.is_empty() { Ok(root) } else { Err(self.duplicates) }
    }

    fn first_document(&mut self) -> Result<Node, Problem> {
        let mut root = None;
        while let Some((event, span)) = self.next()? {
            match event {
                Event::StreamStart | Event::DocumentEnd | Event::StreamEnd => {}
                Event::DocumentStart(..) if root.is_none() => {}
                Event::DocumentStart(..) => return Err(self.refuse(&span, "a second document (`---`) is not read")),
                event if root.is_none() => root = Some(self.node(event, &span, 0)?),
                _ => return Err(self.refuse(&span, "unexpected content")),
            }
        }
        // An empty file is a configuration without settings.
        Ok(root.unwrap_or_else(|| Node { value: Value::Empty, place: (self.origin.place)(1) }))
    }

    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, Problem> {
        match self.events.next() {
            None => Ok(None),
            Some(Ok(event)) => Ok(Some(event)),
            Some(Err((line, message))) => Err(syntax((self.origin.place)(line), &message)),
        }
    }

    fn need(&mut self) -> Result<(Event<'t>, Span), Problem> {
        let end = (self.origin.place)(1);
        self.next()?.ok_or_else(|| syntax(end, "the text ends too early"))
    }

    fn node(&mut self, event: Event<'t>, span: &Span, depth: usize) -> Result<Node, Problem> {
        self.nodes += 1;
        if depth > MAX_DEPTH || self.nodes > MAX_NODES {
            return Err(self.refuse(span, "nested too deeply, or too large"));
        }
        if event.tag().is_some() {
            return Err(self.refuse(span, "tags (`!...`) are not read"));
        }
        let place = self.place(span);
        let (value, anchor) = match event {
            // The parser writes `~` for a key with nothing after it; only the source tells the two apart.
            Event::Scalar(_, ScalarStyle::Plain, anchor, _) if span.is_empty() => (Value::Empty, anchor),
            Event::Scalar(text, style, anchor, _) => (scalar(&text, style), anchor),
            Event::SequenceStart(_, anchor, _) => (self.list(depth)?, anchor),
            Event::MappingStart(_, anchor, _) => (self.map(depth)?, anchor),
            Event::Alias(anchor) => return self.alias(anchor, span),
            _ => return Err(self.refuse(span, "unexpected content")),
        };
        let node = Node { value, place };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Value, Problem> {
        let mut items = Vec::new();
        loop {
            match self.need()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, span) => items.push(self.node(event, &span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, Problem> {
        let mut map = Map::default();
        loop {
            let (event, span) = self.need()?;
            let key = match event {
                Event::MappingEnd => return Ok(Value::Map(map)),
                Event::Scalar(text, ..) if text == "<<" => {
                    return Err(self.refuse(&span, "merge keys (`<<`) are not read; write the keys out"));
                }
                Event::Scalar(text, ..) => text.into_owned(),
                _ => return Err(self.refuse(&span, "a key must be one word")),
            };
            let place = self.place(&span);
            let (event, span) = self.need()?;
            self.path.push(key.clone());
            let mut node = self.node(event, &span, depth + 1)?;
            if matches!(node.value, Value::List(_) | Value::Map(_)) {
                node.place = place.clone();
            }
            match map.entry(&key) {
                Some(first) => {
                    let fault = Fault::Duplicate { first: first.place.clone() };
                    self.duplicates.push(Problem { key: self.path.join("."), place, fault });
                }
                None => map.set(Entry { key, place, node }),
            }
            self.path.pop();
        }
    }

    /// A copy of what was anchored. An alias inside of its own anchor does not exist yet, so there is no cycle.
    fn alias(&mut self, anchor: usize, span: &Span) -> Result<Node, Problem> {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            return Err(self.refuse(span, "this alias stands for nothing"));
        };
        self.nodes += count(&node);
        if self.nodes > MAX_NODES {
            return Err(self.refuse(span, "nested too deeply, or too large"));
        }
        Ok(node)
    }

    fn place(&self, span: &Span) -> Place {
        (self.origin.place)(line(span.start.line()))
    }

    fn refuse(&self, span: &Span, message: &str) -> Problem {
        syntax(self.place(span), message)
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    match (style, text) {
        (ScalarStyle::Plain, "~" | "null" | "Null" | "NULL") => Value::Null,
        _ => Value::Scalar(Scalar { text: text.to_owned(), ..Scalar::default() }),
    }
}

fn count(node: &Node) -> usize {
    1 + match &node.value {
        Value::List(items) => items.iter().map(count).sum(),
        Value::Map(map) => map.entries().iter().map(|entry| count(&entry.node)).sum(),
        _ => 0,
    }
}

fn line(line: usize) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX).max(1)
}

fn syntax(place: Place, message: &str) -> Problem {
    Problem { key: String::new(), place, fault: Fault::Syntax(message.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        parse(text, "a.yaml").unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn every_value_knows_its_line() {
        let tree = parse("# head\na:\n  b: 1\n  c:\n    - x\n    - y: z\n", "a.yaml").unwrap();
        for (path, line) in [("a.b", 3), ("a.c[0]", 5), ("a.c[1].y", 6)] {
            assert_eq!(tree.at(path).unwrap().place, Place::File { name: "a.yaml".into(), line }, "{path}");
        }
    }

    #[test]
    fn a_key_written_twice_is_an_error_with_both_places() {
        let text = "a:\n  b: 1\n  b: 2\nc: 1\nc: 2\n";
        assert_eq!(
            refusal(text),
            "a.b (a.yaml:3): the key is written twice, first at a.yaml:2; c (a.yaml:5): the key is written twice, first at a.yaml:4"
        );
    }

    #[test]
    fn nothing_null_and_text_are_told_apart() {
        let tree = parse("a:\nb: ~\nc: null\nd: ''\ne: 'null'\nf: no\n", "a.yaml").unwrap();
        let value = |key: &str| &tree.at(key).unwrap().value;
        assert!(matches!(value("a"), Value::Empty));
        assert!(matches!(value("b"), Value::Null));
        assert!(matches!(value("c"), Value::Null));
        assert!(matches!(value("d"), Value::Scalar(scalar) if scalar.text.is_empty()));
        assert!(matches!(value("e"), Value::Scalar(scalar) if scalar.text == "null"));
        assert!(matches!(value("f"), Value::Scalar(scalar) if scalar.text == "no"));
    }

    #[test]
    fn aliases_are_copies() {
        let tree = parse("a: &x\n  b: 1\nc: *x\n", "a.yaml").unwrap();
        assert!(tree.at("c.b").is_some());
    }

    #[test]
    fn what_configuration_does_not_need_is_refused() {
        for (text, reason) in [
            ("a: !!int 1", "tags"),
            ("a: !x y", "tags"),
            ("a: 1\n---\nb: 2", "second document"),
            ("a: &x {b: 1}\nc:\n  <<: *x\n", "merge keys"),
            ("? [a]\n: b", "one word"),
            ("a: *missing", "a.yaml:1"),
            ("a: [1", "a.yaml:"),
            ("a: b: c", "a.yaml:1"),
        ] {
            let refusal = parse(text, "a.yaml").err().map(|problems| problems[0].to_string()).unwrap_or_default();
            assert!(refusal.contains(reason), "{text:?}: {refusal}");
        }
    }

    #[test]
    fn too_large_too_deep_and_bombs_are_refused() {
        assert!(refusal(&format!("a: {}", "x".repeat(MAX_BYTES))).contains("longer than"));
        assert!(refusal(&format!("a: {}{}", "[".repeat(100), "]".repeat(100))).contains("deeply"));
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..12 {
            let below = format!("*a{}", level - 1);
            bomb.push_str(&format!("a{level}: &a{level} [{}]\n", [below.as_str(); 10].join(",")));
        }
        assert!(refusal(&bomb).contains("too large"));
        assert!(refusal(&format!("{}x", "- ".repeat(2_000))).contains("a.yaml"), "block nesting");
    }

    #[test]
    fn empty_files_are_configurations() {
        for text in ["", "# only a comment\n", "---\n"] {
            assert!(matches!(parse(text, "a.yaml").unwrap().value, Value::Empty), "{text:?}");
        }
    }
}
