//! Keeps `Vary` one line without repetitions, whoever adds to it.
//!
//! Rooms name what they negotiate (`Accept`, `Prefer`), the edge what it looks at (`Origin`, `Authorization`). Two lines
//! of the same field are legal and some caches read only the first.

use http::header::VARY;
use http::{HeaderMap, HeaderValue};

/// Adds names that are not there yet. `*` already says everything.
pub(crate) fn add(headers: &mut HeaderMap, names: &[&str]) {
    let mut list = String::with_capacity(96);
    let mut lines = 0;
    for line in headers.get_all(VARY).iter().filter_map(|value| value.to_str().ok()) {
        lines += 1;
        push(&mut list, line);
    }
    if named(&list).any(|name| name == "*") {
        return;
    }
    let before = list.len();
    for name in names {
        if !named(&list).any(|present| present.eq_ignore_ascii_case(name)) {
            push(&mut list, name);
        }
    }
    if lines == 1 && list.len() == before {
        return;
    }
    if let Ok(value) = HeaderValue::try_from(list) {
        headers.insert(VARY, value);
    }
}

fn push(list: &mut String, names: &str) {
    if !list.is_empty() && !names.is_empty() {
        list.push_str(", ");
    }
    list.push_str(names);
}

fn named(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty())
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
        add(&mut headers, &["origin", "Range"]);
        assert_eq!(headers[VARY], "accept, Prefer, Range, Origin");
        headers.insert(VARY, HeaderValue::from_static("*"));
        add(&mut headers, &["Origin"]);
        assert_eq!(headers[VARY], "*");
        headers.remove(VARY);
        add(&mut headers, &["Authorization", "apikey"]);
        assert_eq!(headers[VARY], "Authorization, apikey");
    }
}
