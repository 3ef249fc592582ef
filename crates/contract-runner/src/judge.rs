//! Compares an answer with what is promised.

use serde_json::Value;

use crate::topic::Answer;
use crate::wire::Response;

/// The first difference, in a sentence; `None` when the promise is kept.
pub(crate) fn difference(promised: &Answer, response: &Response) -> Option<String> {
    let body = String::from_utf8_lossy(&response.body);
    if promised.status != response.status {
        return Some(format!("status {} instead of {}; body: {body}", response.status, promised.status));
    }
    for (name, expected) in &promised.headers {
        let actual = response.header(name);
        let kept = match (expected.strip_prefix("~ "), &actual) {
            (Some(part), Some(actual)) => actual.contains(part),
            (None, None) => expected == "absent",
            (None, Some(actual)) => actual == expected,
            (Some(_), None) => false,
        };
        if !kept {
            return Some(format!("{name}: {} instead of {expected}", actual.as_deref().unwrap_or("absent")));
        }
    }
    let promised = promised.body.as_deref()?;
    if promised == "(empty)" {
        return (!body.is_empty()).then(|| format!("a body where none is promised: {body}"));
    }
    if promised.lines().all(|line| line.starts_with("~ ")) {
        let missing = promised.lines().map(|line| &line[2..]).find(|part| !body.contains(part))?;
        return Some(format!("body without `{missing}`: {body}"));
    }
    let same = match (serde_json::from_str::<Value>(promised), serde_json::from_str::<Value>(&body)) {
        (Ok(promised), Ok(actual)) => promised == actual,
        _ => promised == body,
    };
    (!same).then(|| format!("body\n  {body}\ninstead of\n  {promised}"))
}
