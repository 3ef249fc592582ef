//! Optional settings, lists, and groups with names of the user's choice.
//!
//! Built on [`Setting`]: what an item takes, its bounds and its secrets are the item type's own affair. A variable or a
//! flag is one text, so lists are also read from commas and from YAML's flow style.

use std::collections::BTreeMap;

use super::reference::Reference;
use super::{Fault, Node, Reader, Setting, Shown, Value, yaml};

impl<T: Setting> Setting for Option<T> {
    const NESTED: bool = T::NESTED;
    const SECRET: bool = T::SECRET;

    fn kind() -> String {
        T::kind()
    }

    /// An empty text unsets: that is how a variable or a flag says "none".
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Scalar(scalar) if scalar.text.is_empty() => Some(None),
            _ => T::read(node, reader).map(Some),
        }
    }

    fn none() -> Option<Self> {
        Some(None)
    }

    fn show(&self) -> Shown {
        self.as_ref().map_or(Shown::None, Setting::show)
    }

    fn describe(path: &str, about: &'static [&'static str], kind: String, default: Shown, reference: &mut Reference) {
        T::describe(path, about, kind, default, reference);
    }
}

impl<T: Setting> Setting for Vec<T> {
    const NESTED: bool = T::NESTED;
    const SECRET: bool = T::SECRET;

    fn kind() -> String {
        if T::NESTED { "a list of groups".to_owned() } else { format!("a list, each {}", T::kind()) }
    }

    /// One text is a comma-separated list; from the environment and from flags also YAML's flow style (`[{host: a}]`).
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::List(items) => read_items(items, reader),
            Value::Scalar(scalar) if node.place.is_text_only() && scalar.text.trim_start().starts_with(['[', '{']) => {
                match yaml::parse_inline(&scalar.text, &node.place) {
                    Ok(Node { value: Value::List(items), .. }) => read_items(&items, reader),
                    Ok(one) => read_items(&[one], reader),
                    Err(problem) => {
                        reader.note(&node.place, problem.fault);
                        None
                    }
                }
            }
            Value::Scalar(scalar) if !T::NESTED => {
                let item = |text: &str| {
                    let mut part = scalar.clone();
                    part.text = text.trim().to_owned();
                    Node { value: Value::Scalar(part), place: node.place.clone() }
                };
                let parts = scalar.text.split(',').filter(|part| !part.trim().is_empty());
                read_items(&parts.map(item).collect::<Vec<_>>(), reader)
            }
            _ => {
                reader.wrong(node, &Self::kind());
                None
            }
        }
    }

    fn none() -> Option<Self> {
        Some(Self::new())
    }

    fn show(&self) -> Shown {
        Shown::List(self.iter().map(Setting::show).collect())
    }

    fn describe(path: &str, about: &'static [&'static str], kind: String, default: Shown, reference: &mut Reference) {
        if T::NESTED {
            reference.key(path, about, kind, &default, false);
            T::describe(&format!("{path}[]"), about, T::kind(), Shown::None, reference);
        } else {
            reference.key(path, about, kind, &default, T::SECRET);
        }
    }
}

fn read_items<T: Setting>(items: &[Node], reader: &mut Reader) -> Option<Vec<T>> {
    let read: Vec<Option<T>> = items
        .iter()
        .enumerate()
        .map(|(index, item)| reader.below(&format!("[{index}]"), |reader| T::read(item, reader)))
        .collect();
    read.into_iter().collect()
}

impl<T: Setting> Setting for BTreeMap<String, T> {
    const NESTED: bool = true;
    const SECRET: bool = T::SECRET;

    fn kind() -> String {
        if T::NESTED { "groups by name".to_owned() } else { format!("by name, each {}", T::kind()) }
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Value::Map(map) = &node.value else {
            reader.wrong(node, &Self::kind());
            return None;
        };
        let mut values = Self::new();
        for entry in map.entries() {
            reader.below(&format!(".{}", entry.key), |reader| {
                if entry.key.is_empty() {
                    reader.note(&entry.place, Fault::Refused("the name is empty".to_owned()));
                } else if let Some(value) = T::read(&entry.node, reader) {
                    values.insert(entry.key.clone(), value);
                }
            });
        }
        Some(values)
    }

    fn none() -> Option<Self> {
        Some(Self::new())
    }

    fn show(&self) -> Shown {
        Shown::Map(self.iter().map(|(name, value)| (name.clone(), value.show())).collect())
    }

    fn describe(path: &str, about: &'static [&'static str], kind: String, default: Shown, reference: &mut Reference) {
        if T::NESTED {
            reference.key(path, about, kind, &default, false);
            T::describe(&format!("{path}.<name>"), about, T::kind(), Shown::None, reference);
        } else {
            reference.key(path, about, kind, &default, T::SECRET);
        }
    }
}
