//! Names in the query string: identifiers, quoted names, JSON paths, embedding paths, lists of columns.
//!
//! First stage. A name may hold spaces and dashes as it stands (`first name`, `order-id`); anything else is quoted.
//! Invariant: a name is only the caller's word here; the planner looks it up.

use super::scan::{Scan, Step, Stop};
use crate::ast::{EmbedPath, Field, PathKey, PathStep};

/// What a plain identifier is made of.
fn in_identifier(c: char) -> bool {
    c.is_alphabetic() || c.is_ascii_digit() || matches!(c, '_' | ' ' | '$')
}

/// What a JSON key without quotes is made of.
fn in_json_key(c: char) -> bool {
    !matches!(c, '(' | '-' | ':' | '.' | ',' | '>' | ')')
}

/// A plain identifier without the spaces around it; also the names of types and text search configurations.
pub(super) fn identifier(s: &mut Scan<'_>) -> Step<String> {
    Ok(s.run_of_one(in_identifier, &["letter", "digit"])?.trim().to_owned())
}

/// `"..."` with backslash escapes.
pub(super) fn quoted(s: &mut Scan<'_>) -> Step<String> {
    s.char('"')?;
    let mut text = String::new();
    loop {
        text.push_str(s.run_of(|c| c != '"' && c != '\\', &[]));
        if s.maybe(|s| s.char('\\'))?.is_none() {
            break;
        }
        text.push(s.any_of(|_| true)?);
    }
    s.char('"')?;
    Ok(text)
}

/// Parts joined by dashes; a dash before `>` is an arrow and ends the name.
fn dashed(s: &mut Scan<'_>, part: impl Fn(&mut Scan<'_>) -> Step<String>) -> Step<String> {
    let dash = |s: &mut Scan<'_>| {
        s.attempt(|s| {
            s.char('-')?;
            s.not_before(|c| c == '>')
        })
    };
    let parts = s.separated(part, dash)?;
    Ok(match <[String; 1]>::try_from(parts) {
        Ok([only]) => only,
        Err(parts) => parts.join("-"),
    })
}

/// The name of a column, relation, alias or hint.
pub(super) fn field_name(s: &mut Scan<'_>) -> Step<String> {
    s.named("field name (* or [a..z0..9_$])", |s| s.first_of([&quoted, &|s| dashed(s, identifier)]))
}

/// A name and the path into it: `data->a->>0`.
pub(super) fn field(s: &mut Scan<'_>) -> Step<Field> {
    s.spaced(|s| Ok(Field { name: field_name(s)?, path: json_path(s)? }))
}

/// Arrows and what they lead to; may be none.
pub(super) fn json_path(s: &mut Scan<'_>) -> Step<Vec<PathStep>> {
    s.many(|s| {
        let as_text = s.first_of([&|s| s.attempt(|s| s.word("->>")).map(|()| true), &|s| {
            s.attempt(|s| s.word("->")).map(|()| false)
        }])?;
        let to = s.first_of([&|s| s.attempt(json_index), &|s| s.attempt(json_key)])?;
        Ok(PathStep { as_text, to })
    })
}

fn json_index(s: &mut Scan<'_>) -> Step<PathKey> {
    let negative = s.maybe(|s| s.char('-'))?.is_some();
    let digits = s.run_of_one(|c| c.is_ascii_digit(), &["digit"])?;
    // Digits that go on as something else are a key, unless a minus made them a number.
    let ends: [&'static str; 4] = ["->", "::", ".", ","];
    let mut ended = false;
    for end in ends {
        if s.attempt(|s| s.ahead(|s| s.word(end))).is_ok() {
            ended = true;
            break;
        }
    }
    if !ended {
        // Inside an embedding or an ordered relation the path may also end with it.
        if s.peek() != Some(')') {
            s.end()?;
        }
    }
    Ok(PathKey::Index(if negative { format!("-{digits}") } else { digits.to_owned() }))
}

fn json_key(s: &mut Scan<'_>) -> Step<PathKey> {
    let name = s.named("any non reserved character different from: .,>()", |s| {
        s.first_of([&quoted, &|s| dashed(s, |s| Ok(s.run_of_one(in_json_key, &[])?.trim().to_owned()))])
    })?;
    Ok(PathKey::Key(name))
}

/// `.` between the parts of a path or an operation.
pub(super) fn delimiter(s: &mut Scan<'_>) -> Step<()> {
    s.named("delimiter (.)", |s| s.char('.'))
}

/// The left side of a filter, order, limit: `rel.nested.column->path`.
pub(super) fn tree_path(s: &mut Scan<'_>) -> Step<(EmbedPath, Field)> {
    let mut names = s.separated(field_name, delimiter)?;
    let path = json_path(s)?;
    let name = names.pop().ok_or(Stop)?;
    Ok((names, Field { name, path }))
}

/// The left side of a logic tree, `rel.not.or`: where it applies, whether it is negated, and the operator's name.
pub(super) fn logic_path(s: &mut Scan<'_>) -> Step<(EmbedPath, bool, String)> {
    let mut names = s.separated(field_name, delimiter)?;
    let operator = names.pop().ok_or(Stop)?;
    let negated = names.iter().any(|name| name == "not");
    names.retain(|name| name != "not");
    Ok((names, negated, operator))
}

/// `a,"b c",d`.
pub(super) fn columns(s: &mut Scan<'_>) -> Step<Vec<String>> {
    s.separated(field_name, |s| s.spaced(|s| s.char(',')))
}
