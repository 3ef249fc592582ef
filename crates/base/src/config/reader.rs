//! Reads typed settings from a [`Node`] tree and notes everything that is wrong on the way.
//!
//! [`Setting`] is the one trait of everything that can be configured; [`Atom`] is its short form for types that are
//! written as one word. The reader never stops at the first problem, so a user repairs a file in one go.
//! Invariant: a problem quotes what was written, never what a variable or a secret expanded to.

use std::ops::RangeInclusive;

use super::reference::Reference;
use super::{Fault, Map, Node, Place, Problem, Scalar, Section, Shown, Value};

/// A type that can stand in a configuration.
pub trait Setting: Sized {
    /// Whether it has keys of its own.
    const NESTED: bool = false;
    /// Whether it may hold a secret.
    const SECRET: bool = false;

    /// What it takes, for the reference and for messages: "duration", "`json` or `text`".
    fn kind() -> String;

    /// Reads a node. `None` means that a problem was noted (or that the value is a secret reference which cannot be
    /// judged yet), and the default stays.
    fn read(node: &Node, reader: &mut Reader) -> Option<Self>;

    /// What `null` stands for, in types that can be none.
    fn none() -> Option<Self> {
        None
    }

    /// The value as a file would spell it; secrets are masked.
    fn show(&self) -> Shown;

    /// Adds its keys to the reference: itself, or what is below it.
    fn describe(path: &str, about: &'static [&'static str], kind: String, default: Shown, reference: &mut Reference) {
        reference.key(path, about, kind, &default, Self::SECRET);
    }
}

/// A setting written as one word or number.
pub trait Atom: Sized {
    /// Whether it may hold a secret.
    const SECRET: bool = false;

    /// What it takes, for the reference and for messages.
    fn kind() -> String;

    /// Reads the text; `None` when it is not of this kind.
    fn parse(text: &str) -> Option<Self>;

    /// The value as a file would spell it, safe to print.
    fn spell(&self) -> Shown;
}

impl<T: Atom> Setting for T {
    const SECRET: bool = <T as Atom>::SECRET;

    fn kind() -> String {
        <T as Atom>::kind()
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Value::Scalar(scalar) = &node.value else {
            reader.wrong(node, &<T as Atom>::kind());
            return None;
        };
        // A reference says nothing about the value; only text and secrets can carry it as it stands.
        match T::parse(&scalar.text) {
            Some(value) => Some(value),
            None if scalar.unresolved => None,
            None => {
                let expected = <T as Atom>::kind();
                let found = if T::SECRET { "this secret".to_owned() } else { quote(scalar) };
                reader.note(&node.place, Fault::WrongValue { found, expected });
                None
            }
        }
    }

    fn show(&self) -> Shown {
        self.spell()
    }
}

/// Walks a tree, knowing where it is.
#[derive(Debug, Default)]
pub struct Reader {
    path: String,
    problems: Vec<Problem>,
}

impl Reader {
    /// Reads a whole configuration.
    ///
    /// # Errors
    /// The value is always given back, with defaults where something was wrong, so that further checks can run.
    pub fn read<T: Section + Setting + Default>(tree: &Node) -> (T, Vec<Problem>) {
        let mut reader = Self::default();
        let value = reader.section(tree).unwrap_or_default();
        (value, reader.problems)
    }

    /// Notes a problem with the key that is being read.
    pub fn note(&mut self, place: &Place, fault: Fault) {
        self.problems.push(Problem { key: self.path.clone(), place: place.clone(), fault });
    }

    /// Notes that a node is not of the expected kind.
    pub fn wrong(&mut self, node: &Node, expected: &str) {
        let found = match &node.value {
            Value::Empty | Value::Null => "nothing".to_owned(),
            Value::Scalar(scalar) => quote(scalar),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a group of keys".to_owned(),
        };
        self.note(&node.place, Fault::WrongValue { found, expected: expected.to_owned() });
    }

    /// Reads something below the current path; `step` is `.key` or `[0]`.
    pub fn below<T>(&mut self, step: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        self.path.push_str(if length == 0 { step.trim_start_matches('.') } else { step });
        let value = read(self);
        self.path.truncate(length);
        value
    }

    /// Reads a section: unknown keys are problems, absent keys keep their defaults.
    pub fn section<T: Section + Default>(&mut self, node: &Node) -> Option<T> {
        let mut value = T::default();
        let Value::Map(map) = &node.value else {
            self.wrong(node, "a group of keys");
            return None;
        };
        self.unknown_keys(map, &T::names());
        value.read_fields(map, self);
        Some(value)
    }

    /// Reads one key of a section into its place.
    pub fn field<T: Setting>(&mut self, map: &Map, name: &str, slot: &mut T) {
        if let Some(value) = self.value(map, name) {
            *slot = value;
        }
    }

    /// Reads one key that has bounds.
    pub fn bounded<T: Setting + PartialOrd>(&mut self, map: &Map, name: &str, slot: &mut T, range: &RangeInclusive<T>) {
        let Some(value) = self.value::<T>(map, name) else { return };
        if range.contains(&value) {
            *slot = value;
        } else if let Some(node) = map.get(name) {
            self.below(&format!(".{name}"), |reader| reader.wrong(node, &bounded_kind(range)));
        }
    }

    fn value<T: Setting>(&mut self, map: &Map, name: &str) -> Option<T> {
        let node = map.get(name)?;
        match node.value {
            Value::Empty => None,
            Value::Null => T::none(),
            _ => self.below(&format!(".{name}"), |reader| T::read(node, reader)),
        }
    }

    fn unknown_keys(&mut self, map: &Map, names: &[&'static str]) {
        for entry in map.entries() {
            if !names.contains(&entry.key.as_str()) {
                let nearest = nearest(&entry.key, names);
                self.below(&format!(".{}", entry.key), |reader| {
                    reader.note(&entry.place, Fault::UnknownKey { nearest });
                });
            }
        }
    }
}

/// The words for a type with bounds.
pub fn bounded_kind<T: Setting>(range: &RangeInclusive<T>) -> String {
    format!("{}, {} to {}", T::kind(), range.start().show().word(), range.end().show().word())
}

/// The name that looks most like `word`, if any looks alike enough to be meant.
pub fn nearest(word: &str, names: &[&'static str]) -> Option<String> {
    let word = word.to_ascii_lowercase().replace('-', "_");
    names
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&word, name), *name))
        .filter(|(distance, name)| *distance <= 1 + name.len().max(word.len()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name.to_owned())
        .or_else(|| {
            names
                .iter()
                .find(|name| name.len() > 3 && word.len() > 3 && (word.contains(**name) || name.contains(&word)))
                .map(|name| (*name).to_owned())
        })
}

/// What a message may say of a scalar: at most 60 characters of what was written.
fn quote(scalar: &Scalar) -> String {
    let text = scalar.written.as_deref().unwrap_or(&scalar.text);
    let short: String = text.chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let dots = if text.chars().count() > 60 { "…" } else { "" };
    format!("`{short}{dots}`")
}
