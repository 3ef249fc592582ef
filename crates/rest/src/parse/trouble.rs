//! What is known about the place where a value stops making sense, and how it is told.
//!
//! First stage, used by `scan` alone. The sentence is `unexpected X expecting A, B or C`; characters are escaped as the
//! reference's language shows them, because clients compare the texts.

use std::borrow::Cow;

/// What was seen or wished for at a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Note {
    /// A character that a primitive did not want, quoted; empty at the end of the text.
    Saw(String),
    /// Something that was there although it must not be.
    Refused(String),
    /// Something that would have been right.
    Wanted(Cow<'static, str>),
}

impl Note {
    /// The order in which kinds are told.
    fn rank(&self) -> u8 {
        match self {
            Self::Saw(_) => 0,
            Self::Refused(_) => 1,
            Self::Wanted(_) => 2,
        }
    }
}

/// Notes at one position; none means that nothing is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Trouble {
    pub(super) at: usize,
    pub(super) notes: Vec<Note>,
}

impl Trouble {
    /// Keeps what is known at the furthest position.
    pub(super) fn merge(self, other: Self) -> Self {
        if other.notes.is_empty() {
            return self;
        }
        if self.notes.is_empty() || other.at > self.at {
            return other;
        }
        if other.at < self.at {
            return self;
        }
        let mut notes = self.notes;
        notes.extend(other.notes);
        Self { at: self.at, notes }
    }

    /// Replaces all wishes by one name for them.
    pub(super) fn relabel(&mut self, label: &'static str) {
        self.notes.retain(|note| !matches!(note, Note::Wanted(_)));
        self.notes.insert(0, Note::Wanted(Cow::Borrowed(label)));
    }
}

/// Line and column of a byte offset, both from 1; a tab goes to the next multiple of eight.
pub(super) fn place(text: &str, at: usize) -> (usize, usize) {
    let (mut line, mut column) = (1, 1);
    for c in text[..at].chars() {
        match c {
            '\n' => (line, column) = (line + 1, 1),
            '\t' => column += 8 - ((column - 1) % 8),
            _ => column += 1,
        }
    }
    (line, column)
}

/// The sentence `unexpected X expecting A, B or C`.
pub(super) fn tell(notes: &[Note]) -> String {
    let mut sorted: Vec<&Note> = notes.iter().collect();
    sorted.sort_by_key(|note| note.rank());
    let mut parts = Vec::new();
    let refused =
        distinct(sorted.iter().filter_map(|n| if let Note::Refused(t) = n { Some(t.as_str()) } else { None }));
    let wanted = distinct(sorted.iter().filter_map(|n| if let Note::Wanted(t) = n { Some(t.as_ref()) } else { None }));
    if refused.is_empty() {
        match sorted.first() {
            Some(Note::Saw(seen)) if seen.is_empty() => parts.push("unexpected end of input".to_owned()),
            Some(Note::Saw(seen)) => parts.push(format!("unexpected {seen}")),
            _ => {}
        }
    } else {
        parts.push(format!("unexpected {}", alternatives(&refused)));
    }
    if !wanted.is_empty() {
        parts.push(format!("expecting {}", alternatives(&wanted)));
    }
    if parts.is_empty() { "unknown parse error".to_owned() } else { parts.join(" ") }
}

fn distinct<'n>(texts: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    let mut kept: Vec<&str> = Vec::new();
    for text in texts {
        if !text.is_empty() && !kept.contains(&text) {
            kept.push(text);
        }
    }
    kept
}

fn alternatives(texts: &[&str]) -> String {
    match texts {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

/// A character between double quotes, as primitives tell it.
pub(super) fn quoted_char(c: char) -> String {
    quoted(c.encode_utf8(&mut [0; 4]))
}

/// A text between double quotes.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        if c == '"' {
            out.push_str("\\\"");
        } else {
            escape(c, &mut out);
        }
    }
    out.push('"');
    out
}

/// A character between single quotes, as refusals tell it.
pub(super) fn quoted_token(c: char) -> String {
    let mut out = String::from("'");
    if c == '\'' {
        out.push_str("\\'");
    } else {
        escape(c, &mut out);
    }
    out.push('\'');
    out
}

/// Names of the ASCII control characters.
const CONTROL: [&str; 32] = [
    "NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "a", "b", "t", "n", "v", "f", "r", "SO", "SI", "DLE", "DC1",
    "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB", "ESC", "FS", "GS", "RS", "US",
];

fn escape(c: char, out: &mut String) {
    match c {
        '\\' => out.push_str("\\\\"),
        '\x7f' => out.push_str("\\DEL"),
        c if u32::from(c) < 32 => {
            out.push('\\');
            out.push_str(CONTROL[c as usize]);
        }
        c if c.is_ascii() => out.push(c),
        c => out.push_str(&format!("\\{}", u32::from(c))),
    }
}
