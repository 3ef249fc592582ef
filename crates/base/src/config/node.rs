//! The tree of what was written, before anybody knows which types it should have.
//!
//! Scalars stay text: the schema decides what `yes`, `5432` or `NO` mean. Every node knows its [`Place`].
//! Invariant: `Debug` shows the shape and never a value, because values may be secrets.

use std::fmt;

use super::Place;

/// A value and where it was written.
#[derive(Clone, Debug)]
pub struct Node {
    /// What was written.
    pub value: Value,
    /// Where.
    pub place: Place,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub enum Value {
    /// A key with nothing after it: the default stays.
    Empty,
    /// `null` or `~`: none, for keys that can be none.
    Null,
    /// Text.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A mapping.
    Map(Map),
}

/// A piece of text.
#[derive(Clone, Default)]
pub struct Scalar {
    /// The text, after `${VAR}` and secret references were replaced.
    pub text: String,
    /// What was written instead of `text`: shown in messages in place of a value that may be secret.
    pub written: Option<String>,
    /// `vault://...` or `aws://...` that nobody has resolved yet: no type can judge it.
    pub unresolved: bool,
}

impl fmt::Debug for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scalar(..)")
    }
}

/// Keys in the order in which they were written, each at most once.
#[derive(Clone, Debug, Default)]
pub struct Map {
    entries: Vec<Entry>,
}

/// One key of a mapping.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key itself was written.
    pub place: Place,
    /// Its value.
    pub node: Node,
}

impl Map {
    /// The entries in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry of a key.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// Sets a key, replacing what it had.
    pub fn set(&mut self, entry: Entry) {
        match self.entries.iter_mut().find(|known| known.key == entry.key) {
            Some(known) => *known = entry,
            None => self.entries.push(entry),
        }
    }

    fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.node)
    }
}

impl Node {
    /// A mapping without keys.
    pub fn empty_map(place: Place) -> Self {
        Self { value: Value::Map(Map::default()), place }
    }

    /// Text.
    pub fn text(text: impl Into<String>, place: Place) -> Self {
        Self { value: Value::Scalar(Scalar { text: text.into(), ..Scalar::default() }), place }
    }

    /// Lays `over` on top: mappings are merged key by key, anything else is replaced. A key that `over` leaves empty
    /// keeps what is below.
    pub fn merge(&mut self, over: Self) {
        match (&mut self.value, over.value) {
            (_, Value::Empty) => {}
            (Value::Map(below), Value::Map(above)) => {
                for entry in above.entries {
                    match below.get_mut(&entry.key) {
                        Some(node) => node.merge(entry.node),
                        None => below.entries.push(entry),
                    }
                }
            }
            (_, value) => *self = Self { value, place: over.place },
        }
    }

    /// Puts `node` at a path of keys, making the mappings on the way.
    pub fn insert(&mut self, path: &[String], node: Self) {
        let Some((key, rest)) = path.split_first() else {
            self.merge(node);
            return;
        };
        if !matches!(self.value, Value::Map(_)) {
            self.value = Value::Map(Map::default());
        }
        let Value::Map(map) = &mut self.value else { return };
        if map.get(key).is_none() {
            let place = node.place.clone();
            map.set(Entry { key: key.clone(), node: Self { value: Value::Empty, place: place.clone() }, place });
        }
        if let Some(child) = map.get_mut(key) {
            child.insert(rest, node);
        }
    }

    /// The node at a dotted path (`server.cors.max_age`, `tenants[0].name`), if it was written.
    pub fn at(&self, path: &str) -> Option<&Self> {
        let mut node = self;
        for step in steps(path) {
            node = match (&node.value, step) {
                (Value::Map(map), Step::Key(key)) => map.get(key)?,
                (Value::List(items), Step::Index(index)) => items.get(index)?,
                _ => return None,
            };
        }
        Some(node)
    }

    /// Calls `visit` with the path, the place and the text of every scalar below, in order.
    pub fn for_each_scalar(&mut self, visit: &mut dyn FnMut(&str, &Place, &mut Scalar)) {
        self.walk(&mut String::new(), visit);
    }

    fn walk(&mut self, path: &mut String, visit: &mut dyn FnMut(&str, &Place, &mut Scalar)) {
        let length = path.len();
        match &mut self.value {
            Value::Empty | Value::Null => {}
            Value::Scalar(scalar) => visit(path, &self.place, scalar),
            Value::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    path.push_str(&format!("[{index}]"));
                    item.walk(path, visit);
                    path.truncate(length);
                }
            }
            Value::Map(map) => {
                for entry in &mut map.entries {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(&entry.key);
                    entry.node.walk(path, visit);
                    path.truncate(length);
                }
            }
        }
    }
}

enum Step<'p> {
    Key(&'p str),
    Index(usize),
}

fn steps(path: &str) -> impl Iterator<Item = Step<'_>> {
    path.split('.').flat_map(|part| {
        let mut pieces = part.split('[');
        let key = pieces.next().filter(|key| !key.is_empty()).map(Step::Key);
        let indices = pieces.filter_map(|piece| piece.trim_end_matches(']').parse().ok().map(Step::Index));
        key.into_iter().chain(indices.collect::<Vec<_>>())
    })
}
