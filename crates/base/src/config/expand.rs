//! `${VAR}` and `${VAR:-default}` in values of a file. Keys, and values from elsewhere, are left alone.
//!
//! What a variable holds is not looked at again, so a password with `${` in it stays what it is. `$${` is a plain `${`.

use super::{Fault, Node, Problem};

/// Expands every value of a tree. `variable` gives the value of an environment variable.
///
/// # Errors
/// Each variable that is missing and each `${` that cannot be read, with key and place.
pub fn expand(tree: &mut Node, variable: &dyn Fn(&str) -> Option<String>) -> Vec<Problem> {
    let mut problems = Vec::new();
    tree.for_each_scalar(&mut |key, place, scalar| {
        if !scalar.text.contains("${") {
            return;
        }
        match expand_text(&scalar.text, variable) {
            Ok(text) => {
                let written = std::mem::replace(&mut scalar.text, text);
                scalar.written = Some(written);
            }
            Err(fault) => {
                // One message is enough: no type need judge what never became a value.
                scalar.unresolved = true;
                problems.push(Problem { key: key.to_owned(), place: place.clone(), fault });
            }
        }
    });
    problems
}

fn expand_text(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, Fault> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        if let Some(before) = rest[..start].strip_suffix('$') {
            expanded.push_str(before);
            expanded.push_str("${");
            rest = &rest[start + 2..];
            continue;
        }
        expanded.push_str(&rest[..start]);
        let (inside, after) = rest[start + 2..].split_once('}').ok_or(Fault::BadExpansion)?;
        expanded.push_str(&one(inside, variable)?);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// As in a shell: `:-` also stands in for a variable that is set and empty.
fn one(inside: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, Fault> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let valid = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !valid || default.is_some_and(|default| default.contains("${")) {
        return Err(Fault::BadExpansion);
    }
    match (variable(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(Fault::Undefined { variable: name.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sample::{complaints, read};

    fn expanded(text: &str) -> Result<String, Fault> {
        let variable = |name: &str| match name {
            "SET" => Some("value".to_owned()),
            "EMPTY" => Some(String::new()),
            "TRICKY" => Some("${SET}".to_owned()),
            _ => None,
        };
        expand_text(text, &variable)
    }

    #[test]
    fn forms() {
        for (text, result) in [
            ("${SET}", "value"),
            ("a-${SET}-${SET:-x}", "a-value-value"),
            ("${MISSING:-default}", "default"),
            ("${MISSING:-}", ""),
            ("${EMPTY}", ""),
            ("${EMPTY:-default}", "default"),
            ("${MISSING:-http://host:1/x}", "http://host:1/x"),
            ("${TRICKY}", "${SET}"),
            ("$${SET}", "${SET}"),
            ("$SET and pa$$word", "$SET and pa$$word"),
        ] {
            assert_eq!(expanded(text).as_deref(), Ok(result), "{text}");
        }
        assert_eq!(expanded("${MISSING}"), Err(Fault::Undefined { variable: "MISSING".into() }));
        for text in ["${", "${SET", "${}", "${1X}", "${SET-x}", "${A:-${B}}"] {
            assert_eq!(expanded(text), Err(Fault::BadExpansion), "{text}");
        }
    }

    #[test]
    fn every_missing_variable_is_named_with_its_key() {
        let complaints = complaints("kettle:\n  heat: ${HEAT}\n  lid:\n    colour: ${COLOUR}\n", &[]);
        assert_eq!(complaints.len(), 2, "{complaints:?}");
        assert!(
            complaints[0].starts_with("kettle.heat (a.yaml:2): the environment variable HEAT is not set"),
            "{complaints:?}"
        );
        assert!(
            complaints[1].starts_with("kettle.lid.colour (a.yaml:4): the environment variable COLOUR"),
            "{complaints:?}"
        );
    }

    #[test]
    fn a_variable_gives_any_type_and_is_never_quoted() {
        let (sample, problems) =
            read("kettle:\n  heat: ${HEAT}\n  guests: [\"${WHO}\", bob]\n", &[("HEAT", "42"), ("WHO", "eve")]);
        assert_eq!((problems, sample.kettle.heat, sample.kettle.guests.len()), (vec![], 42, 2));
        let complaints = complaints("kettle:\n  heat: ${CANARY}\n", &[("CANARY", "s3cr3t")]);
        assert_eq!(complaints, ["kettle.heat (a.yaml:2): `${CANARY}` is not a whole number, 20 to 100"]);
    }
}
