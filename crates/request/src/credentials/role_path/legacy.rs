//! The older notation: keys, indexes, and one filter at the end.

use std::fmt;

use serde_json::{Map, Value};

use super::Stop;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
    FirstText(Test, String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Equal,
    NotEqual,
    StartsWith,
    EndsWith,
    Contains,
}

/// Longest sign first: `==^` begins with `==`.
const TESTS: &[(&str, Test)] = &[
    ("==^", Test::EndsWith),
    ("^==", Test::StartsWith),
    ("*==", Test::Contains),
    ("==", Test::Equal),
    ("!=", Test::NotEqual),
];

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, ".\"{key}\""),
            Self::Index(index) => write!(f, "[{index}]"),
            Self::FirstText(test, pattern) => {
                let sign = TESTS.iter().find(|(_, known)| known == test).map_or("", |(sign, _)| sign);
                write!(f, "[?(@ {sign} \"{pattern}\")]")
            }
        }
    }
}

pub(super) fn find<'a>(steps: &[Step], claims: &'a Map<String, Value>) -> Option<&'a Value> {
    let (Step::Key(first), rest) = steps.split_first()? else { return None };
    rest.iter().try_fold(claims.get(first)?, |value, step| match step {
        Step::Key(key) => value.as_object()?.get(key),
        Step::Index(index) => value.as_array()?.get(*index),
        Step::FirstText(test, pattern) => value.as_array()?.iter().find(|item| test.holds(item, pattern)),
    })
}

impl Test {
    fn holds(self, value: &Value, pattern: &str) -> bool {
        value.as_str().is_some_and(|text| match self {
            Self::Equal => text == pattern,
            Self::NotEqual => text != pattern,
            Self::StartsWith => text.starts_with(pattern),
            Self::EndsWith => text.ends_with(pattern),
            Self::Contains => text.contains(pattern),
        })
    }
}

pub(super) fn parse(source: &str) -> Result<Vec<Step>, Stop> {
    let mut rest = source;
    let mut steps = Vec::new();
    loop {
        let at = source.chars().count() - rest.chars().count();
        let stop = |reason| Stop { at, reason };
        if let Some(after) = rest.strip_prefix('.') {
            let (key, after) = key(after).ok_or(stop("a key after the dot"))?;
            steps.push(Step::Key(key.to_owned()));
            rest = after;
        } else if let Some(after) = rest.strip_prefix("[?(") {
            let (test, pattern) = filter(after).ok_or(stop("a filter like [?(@ == \"text\")], at the end"))?;
            steps.push(Step::FirstText(test, pattern.to_owned()));
            rest = "";
        } else if let Some(after) = rest.strip_prefix('[') {
            let (index, after) = after.split_once(']').ok_or(stop("a closing bracket"))?;
            let digits = !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit());
            let index = index.parse().ok().filter(|_| digits);
            steps.push(Step::Index(index.ok_or(stop("an index"))?));
            rest = after;
        } else if rest.is_empty() && matches!(steps.first(), Some(Step::Key(_))) {
            return Ok(steps);
        } else {
            return Err(stop("a path that starts with `.` or `$`"));
        }
    }
}

/// A plain or quoted key, and what follows it.
fn key(text: &str) -> Option<(&str, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        return quoted.split_once('"');
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '$' | '@')).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// What stands between `[?(` and `)]`, which must be the end.
fn filter(text: &str) -> Option<(Test, &str)> {
    let text = text.strip_prefix('@')?.strip_suffix(")]")?.trim_start();
    let (sign, test) = TESTS.iter().find(|(sign, _)| text.starts_with(sign))?;
    let pattern = text[sign.len()..].trim_start().strip_prefix('"')?.strip_suffix('"')?;
    (!pattern.contains('"')).then_some((*test, pattern))
}
