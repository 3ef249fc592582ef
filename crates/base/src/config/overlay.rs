//! Environment variables and flags as trees: `FERROBASE_SERVER__PORT=8080` is `server.port: 8080`.
//!
//! Two underscores separate the steps of a path, because single ones occur in key names.
//! Invariant: text from here is a value, whatever it looks like; `${...}` in it is not expanded.

use super::{Fault, Node, Place, Problem};

/// What every variable of ours begins with.
pub const PREFIX: &str = "FERROBASE_";

/// The tree that environment variables make, and variables that look like a mistake.
///
/// `sections` are the known sections. `reserved` are variables of ours that are no setting (`FERROBASE_CONFIG`), those
/// that end in `_` with everything that begins so. A variable without `__` is a problem when it begins with a section's name, a warning otherwise.
pub fn environment<'v>(
    variables: impl IntoIterator<Item = (&'v str, &'v str)>,
    sections: &[&'static str],
    reserved: &[&str],
) -> (Node, Vec<Problem>, Vec<Problem>) {
    let mut tree = Node::empty_map(Place::Default);
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    for (variable, text) in variables {
        let Some(name) = variable.strip_prefix(PREFIX).filter(|_| !is_reserved(variable, reserved)) else { continue };
        let place = Place::Environment(variable.into());
        let path: Vec<String> = name.split("__").map(str::to_ascii_lowercase).collect();
        if path.len() > 1 && path.iter().all(|step| !step.is_empty()) || sections.contains(&path[0].as_str()) {
            tree.insert(&path, Node::text(text, place));
            continue;
        }
        match meant(&path[0], sections) {
            Some(nearest) => problems.push(unknown(place, Fault::UnknownKey { nearest: Some(nearest) })),
            None => warnings.push(unknown(place, Fault::Refused(NOT_A_SETTING.to_owned()))),
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

const NOT_A_SETTING: &str = "no setting has this name; settings are FERROBASE_<SECTION>__<KEY>, with two underscores";

fn unknown(place: Place, fault: Fault) -> Problem {
    Problem { key: String::new(), place, fault }
}

fn is_reserved(variable: &str, reserved: &[&str]) -> bool {
    reserved.iter().any(|known| variable == *known || known.ends_with('_') && variable.starts_with(known))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ByteSize;
    use crate::config::sample::{Mood, complaints, read};

    #[test]
    fn variables_replace_what_the_file_says() {
        let file = "kettle:\n  heat: 30\n  guests: [bob]\n  lid:\n    colour: blue\n";
        let variables = [
            ("FERROBASE_KETTLE__HEAT", "90"),
            ("FERROBASE_KETTLE__GUESTS", "carol, dave"),
            ("FERROBASE_KETTLE__LID__COLOUR", "no"),
            ("FERROBASE_KETTLE__WHISTLES", "off"),
            ("FERROBASE_KETTLE__MOOD", "Wild"),
            ("OTHER_KETTLE__HEAT", "21"),
        ];
        let (sample, problems) = read(file, &variables);
        assert_eq!(problems, []);
        assert_eq!(sample.kettle.heat, 90);
        assert_eq!(sample.kettle.guests.iter().map(|g| g.as_str()).collect::<Vec<_>>(), ["carol", "dave"]);
        assert_eq!(sample.kettle.lid.colour, "no");
        assert!(!sample.kettle.whistles);
        assert_eq!(sample.kettle.mood, Mood::Wild);
    }

    #[test]
    fn lists_of_groups_come_in_flow_style() {
        let (sample, problems) = read("", &[("FERROBASE_CUPS", "[{label: a, size: 1kB}, {label: b}]")]);
        assert_eq!(problems, []);
        assert_eq!(sample.cups.iter().map(|cup| cup.label.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(sample.cups[0].size, ByteSize(1000));
        let complaints = complaints("", &[("FERROBASE_CUPS", "[{lable: a}]")]);
        assert_eq!(complaints, ["cups[0].lable (FERROBASE_CUPS): unknown key; did you mean `label`?"]);
    }

    #[test]
    fn names_of_the_users_choice() {
        let (sample, problems) = read("", &[("FERROBASE_SHELVES__TOP__LABEL", "x")]);
        assert_eq!((problems, sample.shelves["top"].label.as_str()), (vec![], "x"));
    }

    #[test]
    fn an_empty_variable_unsets() {
        let (sample, problems) = read("", &[("FERROBASE_KETTLE__VOLUME", ""), ("FERROBASE_KETTLE__GUESTS", "")]);
        assert_eq!((problems, sample.kettle.volume, sample.kettle.guests.len()), (vec![], None, 0));
    }

    #[test]
    fn what_a_variable_holds_is_not_expanded() {
        let (sample, problems) = read("", &[("FERROBASE_KETTLE__MOTTO", "${HOME}")]);
        assert_eq!((problems, sample.kettle.motto.as_deref()), (vec![], Some("${HOME}")));
    }

    #[test]
    fn one_underscore_is_named_as_the_mistake() {
        assert_eq!(
            complaints("", &[("FERROBASE_KETTLE_HEAT", "30"), ("FERROBASE_KETTLE__HEATT", "30")]),
            [
                "FERROBASE_KETTLE_HEAT: unknown key; did you mean `FERROBASE_KETTLE__HEAT`?",
                "kettle.heatt (FERROBASE_KETTLE__HEATT): unknown key; did you mean `heat`?",
            ]
        );
    }

    #[test]
    fn other_variables_of_ours_are_left_alone_or_pointed_at() {
        let variables = [("FERROBASE_CONFIG", "x"), ("FERROBASE_TEST_PG", "x"), ("FERROBASE_WHAT", "x")];
        let (_, problems, warnings) = environment(variables, &["kettle"], &["FERROBASE_CONFIG", "FERROBASE_TEST_"]);
        assert_eq!(problems, []);
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].to_string().starts_with("FERROBASE_WHAT: no setting has this name"));
    }

    #[test]
    fn flags_come_last_and_commands_first() {
        let mut tree = command("dev", [("kettle.heat", "50"), ("kettle.lid.colour", "dev")]);
        tree.merge(environment([("FERROBASE_KETTLE__HEAT", "60")], &["kettle"], &[]).0);
        tree.merge(flags([("kettle.heat", "--heat", "70")]));
        assert_eq!(tree.at("kettle.heat").unwrap().place.to_string(), "--heat");
        assert_eq!(tree.at("kettle.lid.colour").unwrap().place.to_string(), "dev");
    }
}
