//! The list of every key: what `docs/reference/config.md` is made from, and where names of other sections are found.
//!
//! Collected from the declarations themselves ([`section!`](crate::section)), so it cannot say anything else than the
//! reader does.

use std::fmt::Write as _;

pub use super::reader::bounded_kind;
use super::{Section, Setting, Shown};

/// Every key of a configuration, in the order of declaration.
#[derive(Clone, Debug, Default)]
pub struct Reference {
    entries: Vec<Described>,
}

/// A line of the reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Described {
    /// A group of keys.
    Group {
        /// Its path.
        path: String,
        /// What it is for.
        about: String,
    },
    /// A key.
    Key(KeyDoc),
}

/// What is known of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDoc {
    /// Full path; `[]` marks items of a list, `<name>` a name of the user's choice.
    pub path: String,
    /// What it takes.
    pub kind: String,
    /// Its default, as a file would spell it.
    pub default: String,
    /// What it is for.
    pub about: String,
    /// Whether it may hold a secret, and is masked wherever it is printed.
    pub secret: bool,
}

impl Reference {
    /// The reference of a configuration type.
    pub fn of<T: Section>() -> Self {
        let mut reference = Self::default();
        T::describe_fields("", &mut reference);
        reference
    }

    /// Groups and keys in the order of declaration.
    pub fn entries(&self) -> &[Described] {
        &self.entries
    }

    /// Every key.
    pub fn keys(&self) -> impl Iterator<Item = &KeyDoc> {
        self.entries.iter().filter_map(|entry| match entry {
            Described::Key(key) => Some(key),
            Described::Group { .. } => None,
        })
    }

    /// Adds a group.
    pub fn group(&mut self, path: &str, about: &[&str]) {
        self.entries.push(Described::Group { path: path.to_owned(), about: sentence(about) });
    }

    /// Adds a key.
    pub fn key(&mut self, path: &str, about: &[&str], kind: String, default: &Shown, secret: bool) {
        let default = if *default == Shown::None { "none".to_owned() } else { default.word() };
        self.entries.push(Described::Key(KeyDoc {
            path: path.to_owned(),
            kind,
            default,
            about: sentence(about),
            secret,
        }));
    }

    /// Adds one field of a section.
    pub fn field<T: Setting>(
        &mut self,
        section: &str,
        name: &str,
        about: &'static [&'static str],
        kind: String,
        default: &T,
    ) {
        let path = if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
        T::describe(&path, about, kind, default.show(), self);
    }

    /// The keys as Markdown: a heading and a table a group, each group's own keys before the groups in it.
    pub fn to_markdown(&self) -> String {
        let mut text = String::new();
        let alone: Vec<_> = self.keys().filter(|key| parent(&key.path).is_empty()).collect();
        for entry in &self.entries {
            match entry {
                Described::Group { path, about } => {
                    heading(&mut text, path, about);
                    table(&mut text, self.keys().filter(|key| parent(&key.path) == path));
                }
                // A list or a set of names at the top has no group around it.
                Described::Key(key) if alone.contains(&key) => heading(&mut text, &key.path, &key.about),
                Described::Key(_) => {}
            }
        }
        text
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(parent, _)| parent)
}

fn heading(text: &mut String, path: &str, about: &str) {
    let level = if path.contains(['.', '[']) { "###" } else { "##" };
    let _ = write!(text, "\n{level} `{path}`\n\n{about}\n");
}

fn table<'k>(text: &mut String, keys: impl Iterator<Item = &'k KeyDoc>) {
    let mut keys = keys.peekable();
    if keys.peek().is_some() {
        text.push_str("\n| key | takes | default | |\n|---|---|---|---|\n");
    }
    for key in keys {
        let secret = if key.secret { " Secret: masked wherever it is printed." } else { "" };
        let (path, default) = (cell(&key.path), cell(&key.default));
        let (kind, about) = (cell(&brief(&key.kind)), cell(&key.about));
        let _ = writeln!(text, "| `{path}` | {kind} | `{default}` | {about}{secret} |");
    }
}

/// A kind without its article and its forms in brackets, which the page explains once.
fn brief(kind: &str) -> String {
    let kind = match (kind.find(" ("), kind.find(')')) {
        (Some(open), Some(close)) if open < close => format!("{}{}", &kind[..open], &kind[close + 1..]),
        _ => kind.to_owned(),
    };
    let bare = kind.strip_prefix("a ").or_else(|| kind.strip_prefix("an ")).unwrap_or(&kind);
    bare.replace(", each a ", ": ").replace(", each an ", ": ").replace(", each ", ": ")
}

fn sentence(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sample::Sample;

    #[test]
    fn every_key_is_described_with_path_type_and_default() {
        let reference = Reference::of::<Sample>();
        let key = |path: &str| reference.keys().find(|key| key.path == path).unwrap().clone();
        assert_eq!(
            (key("kettle.heat").kind, key("kettle.heat").default),
            ("a whole number, 20 to 100".into(), "80".into())
        );
        assert_eq!(key("kettle.mood").kind, "`calm` or `wild`");
        assert!(key("kettle.recipe").secret);
        assert_eq!(key("cups[].label").about, "Text.");
        assert_eq!(key("shelves.<name>.size").default, "200B");
        let markdown = reference.to_markdown();
        assert!(markdown.contains(
            "\n## `kettle`\n\nA group.\n\n| key | takes | default | |\n|---|---|---|---|\n| `kettle.heat` |"
        ));
        assert!(markdown.contains("\n### `cups[]`\n"));
    }
}
