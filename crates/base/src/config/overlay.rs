//! Environment variables and flags as trees: `FERROBASE_SERVER__PORT=8080` is `server.port: 8080`.
//!
//! Two underscores separate the steps of a path, because single ones occur in key names.
//! Invariant: text from here is a value, whatever it looks like; `${...}` in it is not expanded.

use super::{Fault, Node, Place, Problem};

/// What every variable of ours begins with.
pub const PREFIX: &str = "FERROBASE_";

/// The tree that environment variables make, and variables that look like a mistake.
///
/// `sections` are the known sections. `reserved` are variables of ours that are no setting (`FERROBASE_CONFIG`).
/// A variable without `__` is a problem when it begins with a section's name, a warning otherwise.
pub fn environment<'v>(
    variables: impl IntoIterator<Item = (&'v str, &'v str)>,
    sections: &[&'static str],
    reserved: &[&str],
) -> (Node, Vec<Problem>, Vec<Problem>) {
    let mut tree = Node::empty_map(Place::Default);
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    for (variable, text) in variables {
        let Some(name) = variable.strip_prefix(PREFIX).filter(|_| !reserved.contains(&variable)) else { continue };
        let place = Place::Environment(variable.into());
        let path: Vec<String> = name.split("__").map(str::to_ascii_lowercase).collect();
        if path.len() > 1 && path.iter().all(|step| !step.is_empty()) || sections.contains(&path[0].as_str()) {
            tree.insert(&path, Node::text(text, place));
            continue;
        }
        match meant(&path[0], sections) {
            Some(nearest) => problems.push(unknown(variable, place, Some(nearest))),
            None => warnings.push(unknown(variable, place, None)),
        }
    }
    (tree, problems, warnings)
}

/// The tree of flags, each a dotted path, the flag as the user typed it, and its text.
pub fn flags<'v>(flags: impl IntoIterator<Item = (&'v str, &'v str, &'v str)>) -> Node {
    let mut tree = Node::empty_map(Place::Default);
    for (path, flag, text) in flags {
        tree.insert(&steps(path), Node::text(text, Place::Flag(flag.into())));
    }
    tree
}

/// The tree of what a command chooses unless the user says otherwise: dotted paths and texts.
pub fn command<'v>(command: &str, choices: impl IntoIterator<Item = (&'v str, &'v str)>) -> Node {
    let mut tree = Node::empty_map(Place::Default);
    for (path, text) in choices {
        tree.insert(&steps(path), Node::text(text, Place::Command(command.into())));
    }
    tree
}

fn steps(path: &str) -> Vec<String> {
    path.split('.').map(str::to_owned).collect()
}

/// `DATABASE_URL` after the prefix was surely meant as `DATABASE__URL`.
fn meant(name: &str, sections: &[&'static str]) -> Option<String> {
    sections.iter().find_map(|section| {
        let key = name.strip_prefix(section)?.trim_start_matches('_');
        (!key.is_empty()).then(|| format!("{PREFIX}{}__{}", section.to_ascii_uppercase(), key.to_ascii_uppercase()))
    })
}

fn unknown(variable: &str, place: Place, nearest: Option<String>) -> Problem {
    let fault = match nearest {
        None => Fault::Refused("no setting is named so; settings are FERROBASE_<SECTION>__<KEY>".to_owned()),
        nearest => Fault::UnknownKey { nearest },
    };
    let _ = variable;
    Problem { key: String::new(), place, fault }
}
