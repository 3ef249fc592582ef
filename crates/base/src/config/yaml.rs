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
        if span.tag_span().is_some() {
            return Err(self.refuse(span, "tags (`!...`) are not read"));
        }
        let place = self.place(span);
        let (value, anchor) = match event {
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
            let node = self.node(event, &span, depth + 1)?;
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
        (ScalarStyle::Plain, "") => Value::Empty,
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
