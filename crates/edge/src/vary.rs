//! Keeps `Vary` one line without repetitions, whoever adds to it.
//!
//! Rooms name what they negotiate (`Accept`, `Prefer`), the edge what it looks at (`Origin`, `Authorization`). Two lines
//! of the same field are legal and some caches read only the first.

use http::header::VARY;
use http::{HeaderMap, HeaderValue};

/// Adds names that are not there yet. `*` already says everything.
pub(crate) fn add(headers: &mut HeaderMap, names: &[&'static str]) {
    if !headers.contains_key(VARY) {
        // The usual case, on the path of every answer.
        if let Ok(value) = HeaderValue::try_from(names.join(", ")) {
            headers.insert(VARY, value);
        }
        return;
    }
    let mut list: Vec<String> = headers
        .get_all(VARY)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect();
    if list.iter().any(|name| name == "*") {
        return;
    }
    for name in names {
        if !list.iter().any(|present| present.eq_ignore_ascii_case(name)) {
            list.push((*name).to_owned());
        }
    }
    if let Ok(value) = HeaderValue::try_from(list.join(", ")) {
        headers.insert(VARY, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_merged() {
        let mut headers = HeaderMap::new();
        headers.append(VARY, HeaderValue::from_static("accept, Prefer"));
        headers.append(VARY, HeaderValue::from_static("Range"));
        add(&mut headers, &["Accept", "Origin"]);
        assert_eq!(headers[VARY], "accept, Prefer, Range, Origin");
        assert_eq!(headers.get_all(VARY).iter().count(), 1);
        headers.insert(VARY, HeaderValue::from_static("*"));
        add(&mut headers, &["Origin"]);
        assert_eq!(headers[VARY], "*");
    }
}
