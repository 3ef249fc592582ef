//! The printed form of a configuration: what `config show` writes. It is YAML that loads again, secrets aside.

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
