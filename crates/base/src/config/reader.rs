//! Reads typed settings from a [`Node`] tree and notes everything that is wrong on the way.
//!
//! [`Setting`] is the one trait of everything that can be configured; [`Atom`] is its short form for types that are
//! written as one word. The reader never stops at the first problem, so a user repairs a file in one go.
//! Invariant: a problem quotes what was written, never what a variable or a secret expanded to.

use std::borrow::Cow;
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

    /// Reads a node over what was there: a group of keys keeps what it has for keys that are absent.
    fn read_over(slot: &mut Self, node: &Node, reader: &mut Reader) {
        if let Some(value) = Self::read(node, reader) {
            *slot = value;
        }
    }

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

    /// Why a text that `parse` refuses is not taken, where [`Atom::kind`] would leave one wondering.
    fn why_not(_text: &str) -> Option<&'static str> {
        None
    }

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
                let mut expected = reader.bounds.clone().unwrap_or_else(<T as Atom>::kind);
                if let Some(why) = T::why_not(&scalar.text) {
                    expected = format!("{expected}: {why}");
                }
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
    /// What the current key takes, when its bounds say more than its type.
    bounds: Option<String>,
    problems: Vec<Problem>,
}

impl Reader {
    /// Reads a whole configuration: a value, with defaults where something was wrong, and everything that was.
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
        self.section_over(node, &mut value).then_some(value)
    }

    /// Reads a section over one whose values its absent keys keep; false when it is none.
    pub fn section_over<T: Section>(&mut self, node: &Node, value: &mut T) -> bool {
        let Value::Map(map) = &node.value else {
            self.wrong(node, "a group of keys");
            return false;
        };
        self.unknown_keys(map, &T::names());
        value.read_fields(map, self);
        true
    }

    /// Reads one key of a section into its place.
    pub fn field<T: Setting>(&mut self, map: &Map, name: &str, slot: &mut T) {
        let Some(node) = map.get(name) else { return };
        match node.value {
            Value::Empty => {}
            Value::Null => {
                if let Some(none) = T::none() {
                    *slot = none;
                }
            }
            _ => self.below(&format!(".{name}"), |reader| T::read_over(slot, node, reader)),
        }
    }

    /// Reads one key that has bounds. What can be none can be that beside them.
    pub fn bounded<T: Setting + PartialOrd>(&mut self, map: &Map, name: &str, slot: &mut T, range: &RangeInclusive<T>) {
        self.bounds = Some(bounded_kind(range));
        let value = self.value::<T>(map, name);
        let expected = self.bounds.take().unwrap_or_default();
        match (value, map.get(name)) {
            (Some(value), _) if range.contains(&value) || T::none().as_ref() == Some(&value) => *slot = value,
            (Some(_), Some(node)) => self.below(&format!(".{name}"), |reader| reader.wrong(node, &expected)),
            _ => {}
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
    let kind = T::kind();
    // A type's own bounds are wider and only confuse beside these.
    let kind = kind.split(',').next().filter(|_| kind.starts_with("a whole")).unwrap_or(&kind);
    format!("{kind}, {} to {}", range.start().show().word(), range.end().show().word())
}

/// The name that looks most like `word`, if any looks alike enough to be meant.
pub fn nearest(word: &str, names: &[&'static str]) -> Option<String> {
    let word = word.to_ascii_lowercase().replace('-', "_");
    names
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&word, name), *name))
        .filter(|(distance, name)| *distance <= 1 + name.len().max(word.len()) / 5)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name.to_owned())
        .or_else(|| {
            names
                .iter()
                .find(|name| name.len() > 3 && word.len() > 3 && (word.contains(**name) || name.contains(&word)))
                .map(|name| (*name).to_owned())
        })
}

/// What a message may say of a scalar: at most 60 characters of what was written, and no login of a URL.
fn quote(scalar: &Scalar) -> String {
    let text = without_login(scalar.written.as_deref().unwrap_or(&scalar.text));
    let short: String = text.chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let dots = if text.chars().count() > 60 { "…" } else { "" };
    format!("`{short}{dots}`")
}

/// The text with `***` for what stands before an `@` as a user and a password do, also where the password has characters
/// that a URL may not have. Texts that are no URL lose no more than that.
fn without_login(text: &str) -> Cow<'_, str> {
    let Some((before, rest)) = text.rsplit_once('@') else { return Cow::Borrowed(text) };
    match before.split_once("://") {
        Some((scheme, _)) => Cow::Owned(format!("{scheme}://***@{rest}")),
        None if before.contains(':') => Cow::Owned(format!("***@{rest}")),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::config::sample::{Mood, Sample, complaints, read};
    use crate::config::{ByteSize, shown, yaml};

    #[test]
    fn absent_and_empty_keys_keep_their_defaults() {
        for file in ["", "kettle:\n", "kettle:\n  heat:\n  lid:\n", "kettle: {}\ncups: []\n"] {
            let (sample, problems) = read(file, &[]);
            assert_eq!((sample, problems), (Sample::default(), vec![]), "{file:?}");
        }
    }

    /// A default of a group may be another than that of its kind.
    #[test]
    fn a_group_keeps_what_it_has_for_absent_keys() {
        let mut kettle = Sample::default().kettle;
        (kettle.heat, kettle.whistles) = (55, !kettle.whistles);
        let expected = (33, kettle.whistles);
        let tree = yaml::parse("heat: 33", "a.yaml").unwrap();
        let mut reader = Reader::default();
        Setting::read_over(&mut kettle, &tree, &mut reader);
        assert_eq!((kettle.heat, kettle.whistles), expected);
        Setting::read_over(&mut kettle, &yaml::parse("- 1", "a.yaml").unwrap(), &mut reader);
        assert_eq!((kettle.heat, reader.problems.len()), (33, 1));
    }

    #[test]
    fn null_unsets_what_can_be_none() {
        let (sample, problems) = read("kettle: {volume: null, guests: ~, heat: null}", &[]);
        assert_eq!(problems, []);
        assert_eq!((sample.kettle.volume, sample.kettle.guests.len(), sample.kettle.heat), (None, 0, 80));
    }

    #[test]
    fn values_of_every_kind() {
        let file = "kettle:\n  heat: '30'\n  patience: 90\n  volume: 1000MB\n  whistles: no\n  mood: wild\n  guests: a, b\n  motto: 007\n  recipe: 0x1\ncups:\n  - label: x\nshelves:\n  top: {size: 3}\n";
        let (sample, problems) = read(file, &[]);
        assert_eq!(problems, []);
        let kettle = sample.kettle;
        assert_eq!(
            (kettle.heat, kettle.patience, kettle.volume),
            (30, Duration::from_secs(90), Some(ByteSize(1_000_000_000)))
        );
        assert_eq!((kettle.whistles, kettle.mood, kettle.guests.len()), (false, Mood::Wild, 2));
        assert_eq!(
            (kettle.motto.as_deref(), kettle.recipe.unwrap().expose().to_owned()),
            (Some("007"), "0x1".to_owned())
        );
        assert_eq!((sample.cups[0].label.as_str(), sample.shelves["top"].size), ("x", ByteSize(3)));
    }

    #[test]
    fn everything_wrong_is_reported_at_once_with_path_place_and_nearest_key() {
        let file = "ketle:\n  heat: 1\nkettle:\n  haet: 1\n  heat: 101\n  patience: soon\n  whistles: loud\n  mood: mild\n  \
                    guests:\n    - \"\"\n    - {a: b}\n  volume: [1]\n  lid:\n    color: red\n    zzzzzz: 1\ncups:\n  - {labl: x}\n  - 7\nshelves: 3\n";
        assert_eq!(
            complaints(file, &[]),
            [
                "ketle (a.yaml:1): unknown key; did you mean `kettle`?",
                "kettle.haet (a.yaml:4): unknown key; did you mean `heat`?",
                "kettle.heat (a.yaml:5): `101` is not a whole number, 20 to 100",
                "kettle.patience (a.yaml:6): `soon` is not a duration (`500ms`, `30s`, `5m`, `1h30m`, `7d`, or seconds)",
                "kettle.volume (a.yaml:12): a list is not a size (`64MiB`, `1000MB`, or bytes)",
                "kettle.whistles (a.yaml:7): `loud` is not `true` or `false`",
                "kettle.mood (a.yaml:8): `mild` is not `calm` or `wild`",
                "kettle.guests[0] (a.yaml:10): `` is not a name of at most 63 bytes",
                "kettle.guests[1] (a.yaml:11): a group of keys is not a name of at most 63 bytes",
                "kettle.lid.color (a.yaml:14): unknown key; did you mean `colour`?",
                "kettle.lid.zzzzzz (a.yaml:15): unknown key",
                "cups[0].labl (a.yaml:17): unknown key; did you mean `label`?",
                "cups[1] (a.yaml:18): `7` is not a group of keys",
                "shelves (a.yaml:19): `3` is not groups by name",
            ]
        );
    }

    #[test]
    fn sec_28_a_secret_is_never_quoted() {
        let file = "kettle:\n  recipe: [canary, canary]\n  motto: ok\n";
        let complaints = complaints(file, &[]);
        assert_eq!(complaints, ["kettle.recipe (a.yaml:2): a list is not text"]);
        let (sample, _) = read("kettle: {recipe: canary}", &[]);
        assert!(!format!("{sample:?}").contains("canary"));
        let tree = yaml::parse("kettle: {recipe: canary}", "a.yaml").unwrap();
        assert!(!format!("{tree:?}").contains("canary"));
        assert!(!shown::to_yaml(&sample.show(), Some(&tree)).contains("canary"));
    }

    #[test]
    fn sec_28_the_login_of_a_url_is_never_quoted() {
        for (text, quoted) in [
            ("https://u:canary@host/x", "`https://***@host/x`"),
            ("postgres://u:can/a@ry@host", "`postgres://***@host`"),
            ("u:canary@host", "`***@host`"),
            ("someone@example.com", "`someone@example.com`"),
            ("https://host/x", "`https://host/x`"),
        ] {
            let complaint = complaints(&format!("kettle: {{heat: '{text}'}}\ncups: '{text}'"), &[]).join(" ");
            assert_eq!(complaint.matches(quoted).count(), 2, "{complaint}");
            assert!(!complaint.contains("canary"), "{complaint}");
        }
    }

    #[test]
    fn long_values_are_cut_in_messages() {
        let complaints = complaints(&format!("kettle: {{heat: {}}}", "9".repeat(500)), &[]);
        assert!(complaints[0].len() < 200, "{complaints:?}");
    }

    #[test]
    fn names_with_dashes_are_recognised() {
        assert_eq!(nearest("max-age", &["max_age", "min_age"]).as_deref(), Some("max_age"));
        assert_eq!(nearest("age", &["max_age", "min_age"]), None);
        assert_eq!(nearest("rate_limits", &["rate_limit"]).as_deref(), Some("rate_limit"));
        assert_eq!(nearest("", &["rate_limit"]), None);
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,200}") {
            if let Ok(tree) = yaml::parse(&text, "a.yaml") {
                let _: (Sample, _) = Reader::read(&tree);
            }
        }

        #[test]
        fn arbitrary_yaml_never_panics(lines in prop::collection::vec(("( ){0,6}", "(- )?(kettle|cups|shelves|heat|lid|label|guests|[a-z&*!<?'\"]{1,4})", ":?", " ?[\\[\\]{}a-z0-9$&*!|>'\"#,.: ~-]{0,12}"), 0..20)) {
            let text: String = lines.iter().map(|(indent, key, colon, value)| format!("{indent}{key}{colon}{value}\n")).collect();
            if let Ok(mut tree) = yaml::parse(&text, "a.yaml") {
                crate::config::expand::expand(&mut tree, &|_| None);
                let (sample, _): (Sample, _) = Reader::read(&tree);
                // What is shown reads back as the same.
                let printed = shown::to_yaml(&sample.show(), None);
                let again: (Sample, _) = Reader::read(&yaml::parse(&printed, "b.yaml").unwrap());
                prop_assert_eq!(again.1, vec![]);
            }
        }

        #[test]
        fn text_survives_printing(text in "\\PC{0,40}") {
            let mut sample = Sample::default();
            sample.kettle.motto = Some(text).filter(|text| !text.is_empty());
            let printed = shown::to_yaml(&sample.show(), None);
            let (again, problems): (Sample, _) = Reader::read(&yaml::parse(&printed, "b.yaml").unwrap());
            prop_assert_eq!(problems, vec![]);
            prop_assert_eq!(again, sample);
        }
    }
}
