//! The printed form of a configuration: what `config show` writes.
//!
//! Made from the typed values, not from what was written, so that defaults are in it and secrets cannot be.
//! Invariant: it is YAML that loads again to the same values, secrets aside.

use std::fmt::Write as _;

use super::{Node, Place};

/// A value ready to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Not set.
    None,
    /// A secret that is set.
    Masked,
    /// A number or word of ours, printed as it stands.
    Word(String),
    /// Text from the user, quoted where YAML would read it otherwise.
    Text(String),
    /// A list.
    List(Vec<Shown>),
    /// Keys.
    Map(Vec<(String, Shown)>),
}

impl Shown {
    /// The value on one line, as messages and the reference write it.
    pub fn word(&self) -> String {
        match self {
            Self::None => "null".to_owned(),
            Self::Masked => "\"***\"".to_owned(),
            Self::Word(word) => word.clone(),
            Self::Text(text) => quote(text),
            Self::List(items) => format!("[{}]", items.iter().map(Self::word).collect::<Vec<_>>().join(", ")),
            Self::Map(fields) => {
                let fields: Vec<_> =
                    fields.iter().map(|(key, value)| format!("{}: {}", quote(key), value.word())).collect();
                format!("{{{}}}", fields.join(", "))
            }
        }
    }
}

impl Shown {
    /// The value as JSON, for commands with `--json`. Words of ours that are numbers or switches become such.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::None => serde_json::Value::Null,
            Self::Masked => serde_json::Value::from("***"),
            Self::Word(word) => serde_json::from_str(word).unwrap_or_else(|_| serde_json::Value::from(word.as_str())),
            Self::Text(text) => serde_json::Value::from(text.as_str()),
            Self::List(items) => items.iter().map(Self::to_json).collect(),
            Self::Map(fields) => fields.iter().map(|(key, value)| (key.clone(), value.to_json())).collect(),
        }
    }
}

/// A whole configuration as YAML. With `origins`, each line says where its value was written.
pub fn to_yaml(shown: &Shown, origins: Option<&Node>) -> String {
    let mut text = String::new();
    if let Shown::Map(fields) = shown {
        write_fields(&mut text, fields, 0, origins);
    }
    text
}

fn write_fields(text: &mut String, fields: &[(String, Shown)], depth: usize, origins: Option<&Node>) {
    for (key, value) in fields {
        let origin = origins.map(|node| node.at(key));
        let _ = write!(text, "{:indent$}{}:", "", quote(key), indent = depth * 2);
        match value {
            Shown::Map(below) if !below.is_empty() => {
                text.push('\n');
                // Below a group that nobody wrote everything is a default.
                let unwritten = Node::empty_map(Place::Default);
                write_fields(text, below, depth + 1, origin.map(|node| node.unwrap_or(&unwritten)));
            }
            Shown::List(items) if items.iter().any(|item| matches!(item, Shown::Map(_))) => {
                note_origin(text, origin);
                write_items(text, items, depth + 1);
            }
            value => {
                let _ = write!(text, " {}", value.word());
                note_origin(text, origin);
            }
        }
    }
}

fn write_items(text: &mut String, items: &[Shown], depth: usize) {
    for item in items {
        let _ = writeln!(text, "{:indent$}- {}", "", item.word(), indent = depth * 2);
    }
}

fn note_origin(text: &mut String, origin: Option<Option<&Node>>) {
    match origin {
        None => {}
        Some(node) => {
            let place = node.map_or(Place::Default, |node| node.place.clone());
            let _ = write!(text, "  # {place}");
        }
    }
    text.push('\n');
}

/// Text as YAML: as it stands when it can only be read as itself, double-quoted otherwise.
fn quote(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '_' || c == '$')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_./-@+$".contains(c))
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "y" | "n"
        );
    if plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Setting;
    use crate::config::sample::{read, tree};

    #[test]
    fn origins_name_the_place_of_every_value() {
        let (file, variables) = ("kettle:\n  heat: 30\ncups:\n  - label: x\n", [("FERROBASE_KETTLE__WHISTLES", "no")]);
        let printed = to_yaml(&read(file, &variables).0.show(), Some(&tree(file, &variables).0));
        assert_eq!(
            printed,
            "kettle:\n  heat: 30  # a.yaml:2\n  patience: 1m  # default\n  volume: 1MiB  # default\n  \
             whistles: false  # FERROBASE_KETTLE__WHISTLES\n  mood: calm  # default\n  guests: [ann]  # default\n  \
             motto: null  # default\n  recipe: null  # default\n  lid:\n    colour: red  # default\n\
             cups:  # a.yaml:3\n  - {label: x, size: 200B}\nshelves: {}  # default\n"
        );
    }

    #[test]
    fn json_has_the_types_of_json() {
        let json = read("kettle: {motto: '1', recipe: x}", &[]).0.show().to_json();
        assert_eq!(json["kettle"]["heat"], 80);
        assert_eq!(json["kettle"]["whistles"], true);
        assert_eq!(json["kettle"]["motto"], "1");
        assert_eq!(json["kettle"]["recipe"], "***");
        assert_eq!(json["kettle"]["patience"], "1m");
    }
}
