//! A small configuration for the tests of this module: every kind of setting, two levels deep.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{ByteSize, Identifier, Node, Place, Problem, Reader, expand, overlay, yaml};
use crate::{Secret, choice, section};

choice! {
    /// A word.
    pub enum Mood {
        /// Calm.
        Calm = "calm",
        /// Not calm.
        Wild = "wild",
    }
}

section! {
    /// The whole.
    pub struct Sample {
        /// A group.
        kettle: Kettle = Kettle::default();
        /// Groups.
        cups: Vec<Cup> = Vec::new();
        /// Named groups.
        shelves: BTreeMap<String, Cup> = BTreeMap::new();
    }
}

section! {
    /// A group.
    pub struct Kettle {
        /// Bounded.
        heat: u8 = 80, in 20..=100;
        /// Time.
        patience: Duration = Duration::from_secs(60);
        /// Size.
        volume: Option<ByteSize> = Some(ByteSize::mib(1)), in Some(ByteSize(1))..=Some(ByteSize(2_000_000_000));
        /// Switch.
        whistles: bool = true;
        /// Word.
        mood: Mood = Mood::Calm;
        /// Names.
        guests: Vec<Identifier> = vec![Identifier::from_static("ann")];
        /// Text.
        motto: Option<String> = None;
        /// Secret.
        recipe: Option<Secret> = None;
        /// A group below.
        lid: Lid = Lid::default();
    }
}

section! {
    /// A group below a group.
    pub struct Lid {
        /// Text.
        colour: String = "red".to_owned();
    }
}

section! {
    /// An item.
    pub struct Cup {
        /// Text.
        label: String = String::new();
        /// Size.
        size: ByteSize = ByteSize(200);
    }
}

/// Reads a file as `load` does; `variables` are the environment.
pub(crate) fn read(file: &str, variables: &[(&str, &str)]) -> (Sample, Vec<Problem>) {
    let (tree, mut problems) = tree(file, variables);
    let (sample, more) = Reader::read(&tree);
    problems.extend(more);
    (sample, problems)
}

/// The merged tree.
pub(crate) fn tree(file: &str, variables: &[(&str, &str)]) -> (Node, Vec<Problem>) {
    let mut tree = Node::empty_map(Place::Default);
    let mut below = yaml::parse(file, "a.yaml").unwrap_or_else(|problems| panic!("{problems:?}"));
    let lookup = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    let mut problems = expand::expand(&mut below, &lookup);
    tree.merge(below);
    let (above, more, _) = overlay::environment(variables.iter().copied(), &["kettle", "cups", "shelves"], &[]);
    problems.extend(more);
    tree.merge(above);
    (tree, problems)
}

/// The problems as a user sees them.
pub(crate) fn complaints(file: &str, variables: &[(&str, &str)]) -> Vec<String> {
    read(file, variables).1.iter().map(ToString::to_string).collect()
}
