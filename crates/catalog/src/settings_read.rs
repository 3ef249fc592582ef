//! Which settings stored expressions look at.
//!
//! A request tells SQL code about itself by settings, and each costs PostgreSQL about a microsecond. Code that is proven
//! is known to the last function; of PostgreSQL's own, only `current_setting` gives the value of a setting that
//! PostgreSQL has no use for itself (`pg_settings` shows none of these). Code in C that does not come with PostgreSQL may
//! look at anything.
//! Invariant: what is not understood looks at everything. Pure. Read on: `proven`.

use std::sync::Arc;

/// `current_setting(text)` and `current_setting(text, boolean)`.
pub(crate) const CURRENT_SETTING: [u32; 2] = [2077, 3294];
/// The type `text`.
const TEXT: &str = "25";
/// The length at the front of a text in memory.
const HEADER: usize = 4;

/// The settings that a piece of code may look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingsRead {
    /// Whatever it likes.
    Any,
    /// These, in order, each once.
    Only(Vec<Arc<str>>),
}

impl Default for SettingsRead {
    fn default() -> Self {
        Self::Only(Vec::new())
    }
}

impl SettingsRead {
    /// Whether the code may look at the setting of this name, in whatever case.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(names) => names.iter().any(|known| known.eq_ignore_ascii_case(name)),
        }
    }

    /// What this code and the other look at.
    pub fn extend(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::Any, _) => {}
            (_, Self::Any) => *self = Self::Any,
            (Self::Only(names), Self::Only(more)) => {
                for name in more {
                    if let Err(place) = names.binary_search(name) {
                        names.insert(place, Arc::clone(name));
                    }
                }
            }
        }
    }

    /// One setting, or any when its name is not known.
    pub(crate) fn one(name: Option<&str>) -> Self {
        name.map_or(Self::Any, |name| Self::Only(vec![name.into()]))
    }
}

/// The name that a call of `current_setting` is given, if it is written there: the words after the call's function, as
/// `pg_node_tree` has them.
pub(crate) fn named<'t>(words: impl Iterator<Item = &'t str>) -> Option<String> {
    // What stands before the arguments has no expressions of its own.
    let mut words = words.skip_while(|word| *word != ":args").skip(1);
    for expected in ["CONST", ":consttype", TEXT] {
        if words.next()? != expected {
            return None;
        }
    }
    let mut value = words.skip_while(|word| *word != ":constvalue").skip(1);
    let length: usize = value.next()?.parse().ok()?;
    // Bytes are written as signed numbers.
    let bytes: Vec<u8> =
        value.take(length).map(|byte| byte.parse::<i16>().map(|byte| byte as u8)).collect::<Result<_, _>>().ok()?;
    let (header, text) = bytes.split_at_checked(HEADER)?;
    let header: [u8; HEADER] = header.try_into().ok()?;
    // Two bits beside the length say how the text is stored. Plainly is 00, and they are at the server's lower end.
    let is_plain =
        u32::from_le_bytes(header) as usize == bytes.len() << 2 || u32::from_be_bytes(header) as usize == bytes.len();
    is_plain.then(|| String::from_utf8(text.to_vec()).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree of `current_setting('a.b', true)`, with one part replaced.
    fn call(from: &str, to: &str) -> Option<String> {
        let tree =
            ":funcresulttype 25 :args CONST :consttype 25 :constlen -1 :constisnull false :location 8 :constvalue 7 \
                    28 0 0 0 97 46 98 CONST :consttype 16 :constvalue 1 1 0 0 0 0 0 0 0"
                .replace(from, to);
        named(tree.split_whitespace())
    }

    #[test]
    fn only_a_written_name_is_a_name() {
        assert_eq!(call("", "").as_deref(), Some("a.b"));
        for (from, to) in [
            ("CONST", "VAR"),
            ("25 :constlen", "19 :constlen"),
            (":constvalue 7", ":constvalue <>"),
            (":constvalue 7", ":constvalue 8"),
            ("97", "x"),
            ("97", "-61"),
            ("28 0 0 0", "29 0 0 0"),
            (":args", ":none"),
        ] {
            assert_eq!(call(from, to), None, "{from} -> {to}");
        }
    }

    #[test]
    fn names_gather_and_anything_swallows_them() {
        let mut read = SettingsRead::default();
        assert!(!read.contains("a.b"));
        for name in ["b.c", "a.b", "b.c"] {
            read.extend(&SettingsRead::one(Some(name)));
        }
        assert_eq!(read, SettingsRead::Only(vec!["a.b".into(), "b.c".into()]));
        assert!(read.contains("A.b") && !read.contains("a"));
        read.extend(&SettingsRead::one(None));
        assert!(read.contains("a") && read == SettingsRead::Any);
    }
}
